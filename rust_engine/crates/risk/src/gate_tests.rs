use super::*;
use model::{OrderId, Purpose, Side, Ts};
use proptest::prelude::*;

struct Account {
    position: i64,
    buys: i64,
    sells: i64,
    elsewhere: i64,
}

const LAST: Price = Price(100 * model::fixed::SCALE);
const ONE: i64 = model::fixed::SCALE;

impl Exposure for Account {
    fn last_price(&self, _: SymbolId) -> Price {
        LAST
    }
    fn position(&self, _: InstanceId, _: SymbolId) -> Qty {
        Qty(self.position)
    }
    fn resting(&self, _: InstanceId, _: SymbolId) -> (Qty, Qty) {
        (Qty(self.buys), Qty(self.sells))
    }
    fn gross_elsewhere(&self, _: InstanceId, _: SymbolId) -> Money {
        LAST * Qty(self.elsewhere)
    }
}

fn order(side: Side, qty: i64, kind: OrderKind, reduce_only: bool) -> OrderRequest {
    OrderRequest {
        id: OrderId(1),
        instance: InstanceId(0),
        symbol: SymbolId(0),
        side,
        kind,
        qty: Qty(qty),
        reduce_only,
        purpose: Purpose::Entry,
        strength: 0.0,
        decision_price: LAST,
        decided_at: Ts(0),
    }
}

fn gate(state: TradingState) -> RiskGate {
    let money = |usd: f64| Money::from_f64(usd).unwrap();
    let limits = RiskLimits {
        max_order_notional: money(500.0),
        max_position_notional: money(1_000.0),
        max_gross_notional: money(2_000.0),
        price_collar_bps: 100.0,
    };
    let symbols = [SymbolSpec { name: "BTCUSDT".into(), tick: Price(ONE / 100), lot: Qty(ONE / 10) }];
    let mut gate = RiskGate::new(Some(limits), &symbols).unwrap();
    gate.set_state(state);
    gate
}

const EMPTY: Account = Account { position: 0, buys: 0, sells: 0, elsewhere: 0 };

fn check(account: &Account, order: OrderRequest, expected: Option<Rule>) {
    let answer = gate(TradingState::Active).approve(order, account).err().map(|e| e.rule);
    assert_eq!(answer, expected, "{order:?}");
}

#[test]
fn each_rule_stops_the_order_that_breaks_it() {
    let limit = |cents: i64| OrderKind::Limit { price: Price(cents * ONE / 100) };
    check(&EMPTY, order(Side::Buy, ONE, OrderKind::Market, false), None);
    check(&EMPTY, order(Side::Buy, ONE + 1, OrderKind::Market, false), Some(Rule::LotSize));
    check(&EMPTY, order(Side::Buy, 0, OrderKind::Market, false), Some(Rule::LotSize));
    check(&EMPTY, order(Side::Buy, ONE, OrderKind::Limit { price: Price(1) }, false), Some(Rule::TickSize));
    check(&EMPTY, order(Side::Buy, ONE, limit(9_900), false), None);
    check(&EMPTY, order(Side::Buy, ONE, limit(9_899), false), Some(Rule::PriceCollar));
    check(&EMPTY, order(Side::Sell, 6 * ONE, OrderKind::Market, false), Some(Rule::MaxOrderNotional));
    let long = Account { position: 4 * ONE, buys: 4 * ONE, ..EMPTY };
    check(&long, order(Side::Buy, 3 * ONE, OrderKind::Market, false), Some(Rule::MaxPositionNotional));
    check(&long, order(Side::Sell, 3 * ONE, OrderKind::Market, false), None);
    let busy = Account { elsewhere: 18 * ONE, ..EMPTY };
    check(&busy, order(Side::Buy, 3 * ONE, OrderKind::Market, false), Some(Rule::MaxGrossNotional));
}

#[test]
fn a_reduction_passes_in_every_state_and_an_opening_only_in_active() {
    for (state, rule) in [(TradingState::Halted, Rule::Halted), (TradingState::Reducing, Rule::Reducing)] {
        let gate = gate(state);
        assert!(gate.approve(order(Side::Sell, 50 * ONE, OrderKind::Market, true), &EMPTY).is_ok());
        let refused = gate.approve(order(Side::Sell, ONE, OrderKind::Market, false), &EMPTY).unwrap_err();
        assert_eq!(refused.rule, rule);
    }
}

#[test]
fn a_limit_of_zero_is_refused_by_name() {
    let zero = RiskLimits {
        max_order_notional: Money::ZERO,
        max_position_notional: Money(1),
        max_gross_notional: Money(1),
        price_collar_bps: 1.0,
    };
    let error = RiskGate::new(Some(zero), &[]).unwrap_err().to_string();
    assert!(error.contains("max_order_notional"), "{error}");
}

proptest! {
    #[test]
    fn no_sequence_of_approved_orders_can_exceed_the_position_limit(
        orders in proptest::collection::vec((any::<bool>(), 1_i64..60, any::<bool>()), 1..60)
    ) {
        let gate = gate(TradingState::Active);
        let mut account = Account { position: 0, buys: 0, sells: 0, elsewhere: 0 };
        for (buy, tenths, fills) in orders {
            let side = if buy { Side::Buy } else { Side::Sell };
            let request = order(side, tenths * ONE / 10, OrderKind::Market, false);
            if gate.approve(request, &account).is_ok() {
                match (fills, buy) {
                    (true, _) => account.position += side.sign() * request.qty.0,
                    (false, true) => account.buys += request.qty.0,
                    (false, false) => account.sells += request.qty.0,
                }
            }
            let worst = worst_position(Qty(account.position), Qty(account.buys), Qty(account.sells));
            prop_assert!(LAST * worst <= Money::from_f64(1_000.0).unwrap());
        }
    }
}
