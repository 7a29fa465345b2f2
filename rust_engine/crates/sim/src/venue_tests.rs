use super::*;
use model::{Purpose, SymbolSpec, Ts};
use proptest::prelude::*;
use risk::{Exposure, RiskGate};

const ONE: i64 = model::fixed::SCALE;

struct Free;

impl Exposure for Free {
    fn last_price(&self, _: SymbolId) -> Price {
        Price(ONE)
    }
    fn position(&self, _: InstanceId, _: SymbolId) -> Qty {
        Qty::ZERO
    }
    fn resting(&self, _: InstanceId, _: SymbolId) -> (Qty, Qty) {
        (Qty::ZERO, Qty::ZERO)
    }
    fn gross_elsewhere(&self, _: InstanceId, _: SymbolId) -> Money {
        Money::ZERO
    }
}

fn order(id: u64, side: Side, kind: OrderKind, qty: i64, reduce_only: bool) -> OrderRequest {
    OrderRequest {
        id: OrderId(id),
        instance: InstanceId(0),
        symbol: SymbolId(0),
        side,
        kind,
        qty: Qty(qty),
        reduce_only,
        purpose: Purpose::Entry,
        strength: 0.0,
        decision_price: Price(ONE),
        decided_at: Ts(0),
        tif: model::TimeInForce::Gtc,
        parent: OrderId(0),
    }
}

fn approve(order: OrderRequest) -> RiskApproved<OrderRequest> {
    let symbols = [SymbolSpec::new("A", Price(1), Qty(1))];
    RiskGate::new(None, &symbols).unwrap().approve(order, Ts(0), &Free).unwrap()
}

fn bar(open: i64, high: i64, low: i64, close: i64) -> Bar {
    Bar {
        symbol: SymbolId(0),
        opened_at: Ts(10),
        closed_at: Ts(20),
        open: Price(open),
        high: Price(high),
        low: Price(low),
        close: Price(close),
        volume: Qty(1),
    }
}

fn rates() -> CostRates {
    CostRates::try_from(&Costs { maker_fee_bps: 2.0, taker_fee_bps: 5.0, slippage_bps: 3.0 }).unwrap()
}

/// What the venue makes of the orders in one bar, from a flat start, in order.
fn play(orders: &[OrderRequest], bar: &Bar, mut position: i64) -> Vec<Result<Fill, OrderUpdate>> {
    let mut venue = Venue::new(1);
    orders.iter().for_each(|o| venue.send(approve(*o), ()));
    let mut matched = Vec::new();
    venue.match_bar(bar, &mut matched);
    let mut outcomes = Vec::new();
    for m in matched {
        let outcome = m.into_fill(bar, Qty(position), &rates()).map(|(fill, ())| fill);
        if let Ok(fill) = &outcome {
            position += fill.order.side.sign() * fill.qty.0;
        }
        outcomes.push(outcome);
    }
    outcomes
}

fn check(side: Side, kind: OrderKind, bar: &Bar, expected: Option<(i64, Liquidity)>) {
    let outcomes = play(&[order(1, side, kind, 5, false)], bar, 0);
    let got = outcomes.first().map(|o| o.as_ref().map(|f| (f.price.0, f.liquidity)).unwrap());
    assert_eq!(got, expected, "{side:?} {kind:?} on {bar:?}");
}

#[test]
fn an_order_fills_only_at_the_price_that_the_bar_proves() {
    let (maker, taker) = (Liquidity::Maker, Liquidity::Taker);
    let limit = |p| OrderKind::Limit { price: Price(p) };
    let stop = |p| OrderKind::Stop { trigger: Price(p) };
    let b = bar(100, 110, 90, 105);
    check(Side::Buy, OrderKind::Market, &b, Some((100, taker)));
    check(Side::Buy, limit(95), &b, Some((95, maker)));
    check(Side::Buy, limit(90), &b, None);
    check(Side::Buy, limit(102), &b, Some((100, taker)));
    check(Side::Sell, limit(109), &b, Some((109, maker)));
    check(Side::Sell, limit(110), &b, None);
    check(Side::Sell, limit(99), &b, Some((100, taker)));
    check(Side::Sell, stop(90), &b, Some((90, taker)));
    check(Side::Sell, stop(89), &b, None);
    check(Side::Sell, stop(101), &b, Some((100, taker)));
    check(Side::Buy, stop(110), &b, Some((110, taker)));
    check(Side::Buy, stop(99), &b, Some((100, taker)));
}

#[test]
fn a_bar_that_proves_stop_and_target_counts_the_stop_and_leaves_nothing_to_the_target() {
    let stop = order(1, Side::Sell, OrderKind::Stop { trigger: Price(92) }, 5, true);
    let target = order(2, Side::Sell, OrderKind::Limit { price: Price(108) }, 5, true);
    let outcomes = play(&[target, stop], &bar(100, 110, 90, 105), 5);
    assert_eq!(outcomes[0].as_ref().unwrap().price, Price(92));
    assert_eq!(outcomes[1].as_ref().unwrap_err().reason, CancelReason::NothingToReduce);
}

#[test]
fn a_reduction_is_cut_to_the_position_and_never_turns_it() {
    let exit = order(1, Side::Sell, OrderKind::Market, 9, true);
    assert_eq!(play(&[exit], &bar(100, 110, 90, 105), 4)[0].as_ref().unwrap().qty, Qty(4));
    assert!(play(&[exit], &bar(100, 110, 90, 105), -4)[0].is_err());
}

#[test]
fn fees_and_slippage_are_shares_of_the_notional() {
    let b = bar(200 * ONE, 210 * ONE, 190 * ONE, 200 * ONE);
    let taken = play(&[order(1, Side::Buy, OrderKind::Market, 10 * ONE, false)], &b, 0)[0].unwrap();
    assert_eq!((taken.fee.to_string(), taken.slippage.to_string()), ("1".into(), "0.6".into()));
    let kind = OrderKind::Limit { price: Price(195 * ONE) };
    let made = play(&[order(1, Side::Buy, kind, 10 * ONE, false)], &b, 0)[0].unwrap();
    assert_eq!((made.fee.to_string(), made.slippage.to_string()), ("0.39".into(), "0".into()));
    assert_eq!((taken.at, made.at), (Ts(10), Ts(20)));
}

#[test]
fn costs_out_of_range_are_refused_by_name() {
    for (costs, field) in [
        (Costs { maker_fee_bps: -11.0, ..Costs::default() }, "maker_fee_bps"),
        (Costs { taker_fee_bps: f64::NAN, ..Costs::default() }, "taker_fee_bps"),
        (Costs { slippage_bps: 1001.0, ..Costs::default() }, "slippage_bps"),
    ] {
        assert!(CostRates::try_from(&costs).unwrap_err().to_string().contains(field));
    }
}

#[test]
fn a_cancelled_order_is_gone_and_others_stay() {
    let mut venue = Venue::new(1);
    for id in 1..=3 {
        venue.send(approve(order(id, Side::Buy, OrderKind::Market, 1, false)), ());
    }
    let mut ended = Vec::new();
    venue.cancel(InstanceId(0), OrderId(2), |o| ended.push(o.id.0));
    venue.cancel(InstanceId(1), OrderId(1), |o| ended.push(o.id.0));
    assert_eq!((ended, venue.len()), (vec![2], 2));
    venue.cancel_where(InstanceId(0), SymbolId(0), |_| true, |_| {});
    assert!(venue.is_empty());
}

fn any_bar() -> impl Strategy<Value = Bar> {
    (50_i64..150, 0_i64..20, 0_i64..20, 0_u8..=100).prop_map(|(open, up, down, place)| {
        let (low, high) = (open - down, open + up);
        bar(open, high, low, low + (high - low) * i64::from(place) / 100)
    })
}

fn any_order(id: u64) -> impl Strategy<Value = OrderRequest> {
    (any::<bool>(), 0_u8..3, 30_i64..170, 1_i64..9, any::<bool>()).prop_map(move |(buy, kind, price, qty, reduce)| {
        let price = Price(price);
        let kind = match kind {
            0 => OrderKind::Market,
            1 => OrderKind::Limit { price },
            _ => OrderKind::Stop { trigger: price },
        };
        order(id, if buy { Side::Buy } else { Side::Sell }, kind, qty, reduce)
    })
}

proptest! {
    #[test]
    fn every_fill_lies_inside_its_bar_and_keeps_its_promise(
        bar in any_bar(), orders in proptest::collection::vec(any_order(1), 0..12), position in -10_i64..10
    ) {
        for fill in play(&orders, &bar, position).into_iter().flatten() {
            prop_assert!(bar.low <= fill.price && fill.price <= bar.high);
            prop_assert!(fill.qty.0 > 0 && fill.qty <= fill.order.qty);
            if let OrderKind::Limit { price } = fill.order.kind {
                let better = if fill.order.side == Side::Buy { fill.price <= price } else { fill.price >= price };
                prop_assert!(better);
            }
        }
    }
}
