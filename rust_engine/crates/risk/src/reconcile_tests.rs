use super::*;
use proptest::prelude::*;

fn open(symbol: u16, qty_left: i64, price: Option<i64>) -> OpenOrder {
    OpenOrder { symbol: SymbolId(symbol), side: Side::Buy, qty_left: Qty(qty_left), price: price.map(Price) }
}

fn own() -> OwnView {
    OwnView {
        at: Ts(10),
        orders: [(OrderId(1), open(0, 5, Some(100))), (OrderId(2), open(1, 3, None))].into(),
        positions: [(SymbolId(0), Qty(7)), (SymbolId(1), Qty(-2))].into(),
    }
}

fn mirror(own: &OwnView) -> VenueView {
    let order = |(id, order): (&OrderId, &OpenOrder)| VenueOrder {
        venue_id: format!("v{}", id.0),
        client_id: Some(*id),
        order: *order,
    };
    VenueView { at: own.at, orders: own.orders.iter().map(order).collect(), positions: own.positions.clone() }
}

fn check(change: impl Fn(&mut VenueView), expected: &[&str]) {
    let mut venue = mirror(&own());
    change(&mut venue);
    let found = match reconcile(&own(), Ok(&venue)) {
        Outcome::Reconciled => Vec::new(),
        Outcome::Mismatched(found) => found.iter().map(ToString::to_string).collect(),
    };
    let names: Vec<&str> = found.iter().map(|text| text.split(':').next().unwrap()).collect();
    assert_eq!(names, expected, "{found:?}");
}

#[test]
fn equal_views_are_reconciled_whatever_their_order() {
    check(|_| (), &[]);
    check(|v| v.orders.reverse(), &[]);
    check(|v| v.at = Ts(11), &[]);
    check(
        |v| {
            v.positions.insert(SymbolId(9), Qty::ZERO);
        },
        &[],
    );
}

#[test]
fn every_kind_of_mismatch_has_its_name() {
    check(|v| v.at = Ts(9), &["outdated"]);
    check(
        |v| {
            v.orders.remove(0);
        },
        &["order_missing"],
    );
    check(|v| v.orders.clear(), &["order_missing", "order_missing"]);
    check(|v| v.orders[0].client_id = None, &["order_missing", "order_foreign"]);
    check(|v| v.orders[0].client_id = Some(OrderId(8)), &["order_missing", "order_unknown"]);
    check(|v| v.orders.push(v.orders[1].clone()), &["order_doubled"]);
    check(|v| v.orders[0].order.qty_left = Qty(4), &["order_differs"]);
    check(|v| v.orders[0].order.price = None, &["order_differs"]);
    check(|v| v.orders[0].order.side = Side::Sell, &["order_differs"]);
    check(|v| v.orders[0].order.symbol = SymbolId(1), &["order_differs"]);
    check(
        |v| {
            v.positions.insert(SymbolId(0), Qty(8));
        },
        &["position_differs"],
    );
    check(
        |v| {
            v.positions.remove(&SymbolId(1));
        },
        &["position_differs"],
    );
    check(
        |v| {
            v.positions.insert(SymbolId(5), Qty(1));
        },
        &["position_differs"],
    );
}

#[test]
fn a_venue_that_does_not_answer_is_a_mismatch() {
    let outcome = reconcile(&OwnView::default(), Err("timeout after 5 s"));
    assert_eq!(outcome.to_string(), "reconciliation: no_answer: timeout after 5 s");
}

#[test]
fn a_long_reason_is_cut_and_counted() {
    let own = OwnView { orders: (1..=9).map(|id| (OrderId(id), open(0, 1, None))).collect(), ..OwnView::default() };
    let reason = reconcile(&own, Ok(&VenueView::default())).to_string();
    assert_eq!(reason.matches("order_missing").count(), 5);
    assert!(reason.ends_with("; and 4 more"), "{reason}");
}

proptest! {
    #[test]
    fn views_are_reconciled_only_when_nothing_differs(
        orders in proptest::collection::btree_map(1_u64..6, (0_u16..3, 1_i64..4, proptest::option::of(1_i64..4)), 0..5),
        positions in proptest::collection::btree_map(0_u16..3, -2_i64..3, 0..3),
        theirs in proptest::collection::btree_map(1_u64..6, (0_u16..3, 1_i64..4, proptest::option::of(1_i64..4)), 0..5),
        their_positions in proptest::collection::btree_map(0_u16..3, -2_i64..3, 0..3),
    ) {
        let view = |orders: &BTreeMap<u64, (u16, i64, Option<i64>)>, positions: &BTreeMap<u16, i64>| OwnView {
            at: Ts(0),
            orders: orders.iter().map(|(id, (s, q, p))| (OrderId(*id), open(*s, *q, *p))).collect(),
            positions: positions.iter().filter(|(_, q)| **q != 0).map(|(s, q)| (SymbolId(*s), Qty(*q))).collect(),
        };
        let (ours, other) = (view(&orders, &positions), view(&theirs, &their_positions));
        prop_assert_eq!(reconcile(&ours, Ok(&mirror(&ours))), Outcome::Reconciled);
        prop_assert_eq!(reconcile(&ours, Ok(&mirror(&other))) == Outcome::Reconciled, ours == other);
    }
}
