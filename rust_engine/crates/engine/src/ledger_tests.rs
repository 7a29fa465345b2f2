use super::*;
use model::{InstanceId, Liquidity, OrderId, OrderKind, OrderRequest, Purpose, Side, SymbolId, Ts};
use proptest::prelude::*;

fn fill(side: Side, qty: i64, price: i64, fee: i128) -> Fill {
    let order = OrderRequest {
        id: OrderId(1),
        instance: InstanceId(0),
        symbol: SymbolId(0),
        side,
        kind: OrderKind::Market,
        qty: Qty(qty),
        reduce_only: false,
        purpose: Purpose::Entry,
        strength: 0.0,
        decision_price: Price(price),
        decided_at: Ts(0),
        tif: model::TimeInForce::Gtc,
        parent: OrderId(0),
    };
    let free = Fill::free(order, Ts(1), Price(price), Qty(qty), Liquidity::Taker);
    Fill { fee: Money(fee), slippage: Money(fee / 2), ..free }
}

#[test]
fn a_fill_larger_than_the_position_closes_it_and_turns() {
    let mut ledger = Ledger::new(1);
    ledger.apply(&fill(Side::Buy, 3, 100, 6), 'a', |_| panic!("nothing to close"));
    let mut closed = Vec::new();
    ledger.apply(&fill(Side::Sell, 5, 110, 10), 'b', |c| closed.push((c.n, c.qty, c.gross_pnl(), c.net_pnl(), *c.tag)));
    // Gross 3 x 10; entry 6 + 3; of the exit's 10 + 5 three fifths.
    assert_eq!(closed, [(1, Qty(3), Money(30), Money(30 - 9 - 9), 'a')]);
    assert_eq!(ledger.position(0), Qty(-2));
}

#[test]
fn the_oldest_quantity_is_closed_first() {
    let mut ledger = Ledger::new(1);
    ledger.apply(&fill(Side::Sell, 2, 100, 0), 1, |_| {});
    ledger.apply(&fill(Side::Sell, 2, 120, 0), 2, |_| {});
    let mut closed = Vec::new();
    ledger.apply(&fill(Side::Buy, 3, 110, 0), 3, |c| closed.push((*c.tag, c.qty.0, c.gross_pnl().0)));
    assert_eq!(closed, [(1, 2, -20), (2, 1, 10)]);
}

#[test]
fn what_an_exchange_keeps_of_a_purchase_is_no_position_and_its_fee_is_exact() {
    let mut ledger = Ledger::new(1);
    let bought = Fill { base_fee: Qty(1), slippage: Money::ZERO, ..fill(Side::Buy, 10, 100, 70) };
    ledger.apply(&bought, (), |_| {});
    assert_eq!((ledger.position(0), ledger.costs().0), (Qty(9), Money(70)));
    let mut net = Vec::new();
    ledger.apply(&Fill { slippage: Money::ZERO, ..fill(Side::Sell, 9, 110, 0) }, (), |c| net.push(c.net_pnl()));
    assert_eq!((ledger.position(0), net), (Qty::ZERO, vec![Money(90 - 70)]));
    assert_eq!(ledger.profit(&[Price(0)]), Money(90 - 70));
}

proptest! {
    #[test]
    fn position_cash_and_round_trips_agree_to_the_last_unit(
        fills in proptest::collection::vec((any::<bool>(), 1_i64..50, 1_i64..500, 0_i128..1000), 1..80)
    ) {
        let mut ledger = Ledger::new(1);
        let (mut position, mut cash, mut realised) = (0_i64, 0_i128, 0_i128);
        for (buy, qty, price, fee) in fills {
            let fill = fill(if buy { Side::Buy } else { Side::Sell }, qty, price, fee);
            position += fill.order.side.sign() * qty;
            cash -= i128::from(fill.order.side.sign() * qty * price) + fee + fee / 2;
            ledger.apply(&fill, (), |c| realised += c.net_pnl().0);
            prop_assert_eq!(ledger.position(0), Qty(position));
            prop_assert_eq!(ledger.profit(&[Price(0)]).0, cash);
        }
        let last = Price(77);
        let close = fill(if position < 0 { Side::Buy } else { Side::Sell }, position.abs().max(1), 77, 0);
        if position != 0 {
            let profit = ledger.profit(&[last]).0;
            ledger.apply(&close, (), |c| realised += c.net_pnl().0);
            prop_assert_eq!(realised, profit, "closing at the mark realises exactly the marked profit");
        }
    }
}
