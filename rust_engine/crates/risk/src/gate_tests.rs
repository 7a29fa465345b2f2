use super::*;
use model::{OrderId, OrderKind, Purpose, SymbolId};

const ONE: i64 = model::fixed::SCALE;
const LAST: Price = Price(100 * ONE);
const SECOND: i64 = 1_000_000_000;

/// Position, resting buys and sells, and everything elsewhere, in units of 100 in quote currency.
#[derive(Default)]
struct Account {
    position: i64,
    buys: i64,
    sells: i64,
    elsewhere: i64,
    untraded: bool,
}

impl Exposure for Account {
    fn last_price(&self, _: SymbolId) -> Price {
        if self.untraded { Price::ZERO } else { LAST }
    }
    fn position(&self, _: InstanceId, symbol: SymbolId) -> Qty {
        if symbol == SymbolId(0) { Qty(self.position) } else { Qty::ZERO }
    }
    fn resting(&self, _: InstanceId, symbol: SymbolId) -> (Qty, Qty) {
        if symbol == SymbolId(0) { (Qty(self.buys), Qty(self.sells)) } else { (Qty::ZERO, Qty::ZERO) }
    }
    fn gross_elsewhere(&self, _: InstanceId, _: SymbolId) -> Money {
        LAST * Qty(self.elsewhere)
    }
}

fn order(side: Side, qty: i64, kind: OrderKind) -> OrderRequest {
    OrderRequest { id: OrderId(1), kind, ..OrderRequest::market(SymbolId(0), side, Qty(qty), LAST) }
}

fn buy(qty: i64) -> OrderRequest {
    order(Side::Buy, qty, OrderKind::Market)
}

fn limit_at(cents: i64) -> OrderKind {
    OrderKind::Limit { price: Price(cents * ONE / 100) }
}

fn limits() -> RiskLimits {
    let money = |usd: f64| Money::from_f64(usd).unwrap();
    RiskLimits::basic(money(500.0), money(1_000.0), money(2_000.0), 100.0)
}

fn symbols() -> [SymbolSpec; 2] {
    ["AAA", "BBB"].map(|name| SymbolSpec::new(name, Price(ONE / 100), Qty(ONE / 10)))
}

fn gate_with(limits: RiskLimits) -> RiskGate {
    RiskGate::new(Some(limits), &symbols()).unwrap().with_modes(&[Mode::Live, Mode::Canary, Mode::Shadow])
}

fn check(account: &Account, order: OrderRequest, expected: Option<Rule>) {
    let mut gate = gate_with(RiskLimits { max_order_qty: [("AAA".into(), Qty(4 * ONE))].into(), ..limits() });
    assert_eq!(gate.check(&order, Ts(0), account).err().map(|e| e.rule), expected, "{order:?}");
    assert_eq!(gate.counts(), &Counts::default(), "a check counts nothing");
    assert_eq!(gate.approve(order, Ts(0), account).err().map(|e| e.rule), expected, "{order:?}");
    let refused: Vec<Rule> = gate.counts().refused().filter(|(_, n)| *n == 1).map(|(rule, _)| rule).collect();
    assert_eq!((gate.counts().approved, refused), (u64::from(expected.is_none()), expected.into_iter().collect()));
}

#[test]
fn each_rule_stops_the_order_that_breaks_it() {
    let empty = Account::default();
    check(&empty, buy(ONE), None);
    check(&empty, OrderRequest { symbol: SymbolId(2), ..buy(ONE) }, Some(Rule::UnknownSymbol));
    check(&empty, buy(ONE + 1), Some(Rule::LotSize));
    check(&empty, buy(0), Some(Rule::LotSize));
    check(&empty, order(Side::Buy, ONE, OrderKind::Limit { price: Price(1) }), Some(Rule::TickSize));
    check(&empty, order(Side::Sell, 5 * ONE, OrderKind::Market), Some(Rule::MaxOrderQty));
    check(&empty, order(Side::Sell, 4 * ONE, OrderKind::Market), None);
    let other = OrderRequest { symbol: SymbolId(1), ..buy(ONE) };
    check(&empty, OrderRequest { qty: Qty(5 * ONE), ..other }, None);
    check(&empty, OrderRequest { qty: Qty(51 * ONE / 10), ..other }, Some(Rule::MaxOrderNotional));
    check(&Account { untraded: true, ..empty }, buy(ONE), Some(Rule::NoPrice));
}

#[test]
fn the_collar_holds_for_limits_and_triggers_on_both_sides() {
    let empty = Account::default();
    for (cents, rule) in
        [(9_900, None), (9_899, Some(Rule::PriceCollar)), (10_100, None), (10_101, Some(Rule::PriceCollar))]
    {
        check(&empty, order(Side::Buy, ONE, limit_at(cents)), rule);
        let trigger = OrderKind::Stop { trigger: Price(cents * ONE / 100) };
        check(&empty, order(Side::Sell, ONE, trigger), rule);
    }
}

#[test]
fn an_order_is_worth_the_price_it_names_where_that_is_more_than_the_last() {
    let at = |cents| OrderRequest { symbol: SymbolId(1), ..order(Side::Buy, 5 * ONE, limit_at(cents)) };
    check(&Account::default(), at(10_000), None);
    check(&Account::default(), at(9_950), None);
    check(&Account::default(), at(10_050), Some(Rule::MaxOrderNotional));
}

#[test]
fn what_rests_counts_as_if_it_had_filled() {
    let long = Account { position: 4 * ONE, buys: 4 * ONE, ..Account::default() };
    check(&long, buy(2 * ONE), None);
    check(&long, buy(3 * ONE), Some(Rule::MaxPositionNotional));
    check(&long, order(Side::Sell, 3 * ONE, OrderKind::Market), None);
    let busy = Account { elsewhere: 18 * ONE, ..Account::default() };
    check(&busy, buy(2 * ONE), None);
    check(&busy, buy(3 * ONE), Some(Rule::MaxGrossNotional));
}

#[test]
fn above_a_limit_the_other_side_is_still_open() {
    let long = Account { position: 30 * ONE, elsewhere: 30 * ONE, ..Account::default() };
    check(&long, buy(ONE), Some(Rule::MaxPositionNotional));
    check(&long, order(Side::Sell, 3 * ONE, OrderKind::Market), None);
}

#[test]
fn quantities_at_the_edge_of_their_type_are_refused_and_not_lost() {
    let edge = Account { position: i64::MAX, buys: i64::MAX, ..Account::default() };
    let order = OrderRequest { symbol: SymbolId(0), ..buy(i64::MAX - i64::MAX % (ONE / 10)) };
    let most = Money(92_000_000_000 * model::fixed::MONEY_SCALE);
    let mut gate = gate_with(RiskLimits::basic(most, most, most, 100.0));
    assert_eq!(gate.approve(order, Ts(0), &edge).unwrap_err().rule, Rule::MaxOrderNotional);
    assert_eq!(gate.approve(buy(ONE), Ts(0), &edge).unwrap_err().rule, Rule::MaxPositionNotional);
}

#[test]
fn a_reduction_passes_in_every_state_and_an_opening_only_in_active() {
    for (state, rule) in [(TradingState::Halted, Rule::Halted), (TradingState::Reducing, Rule::Reducing)] {
        let mut gate = gate_with(limits());
        assert!(gate.tighten(Halt::until_resume(state, "test", "kim", Ts(0))));
        let reduction = OrderRequest { reduce_only: true, ..order(Side::Sell, 50 * ONE, OrderKind::Market) };
        assert!(gate.approve(reduction, Ts(0), &Account::default()).is_ok());
        assert_eq!(gate.approve(buy(ONE), Ts(0), &Account::default()).unwrap_err().rule, rule);
        let off_grid = OrderRequest { qty: Qty(1), ..reduction };
        assert_eq!(gate.approve(off_grid, Ts(0), &Account::default()).unwrap_err().rule, Rule::LotSize);
    }
}

#[test]
fn orders_and_cancels_share_one_second_of_messages() {
    let mut gate = gate_with(RiskLimits { max_messages_per_s: Some(3), ..limits() });
    let account = Account::default();
    let mut send = |at, instance| {
        let order = OrderRequest { instance: InstanceId(instance), ..buy(ONE) };
        gate.approve(order, Ts(at), &account).err().map(|e| e.rule)
    };
    assert_eq!([send(0, 0), send(1, 1)], [None, None]);
    assert_eq!([send(2, 2), send(2, 2), send(2, 2)], [None; 3], "a shadow has messages of its own");
    gate.cancels_sent(InstanceId(0), 1, Ts(3));
    let mut send = |at, reduce_only| {
        let order = OrderRequest { reduce_only, ..buy(ONE) };
        gate.approve(order, Ts(at), &account).err().map(|e| e.rule)
    };
    assert_eq!(send(4, false), Some(Rule::MaxMessages));
    assert_eq!(send(SECOND - 1, false), Some(Rule::MaxMessages));
    assert_eq!(send(SECOND, false), None, "the first message is a whole second old");
    assert_eq!(send(SECOND, true), None, "a reduction passes");
    assert_eq!(send(SECOND + 1, false), Some(Rule::MaxMessages), "and counts");
    assert_eq!(gate.counts().cancels, 1);
}

#[test]
fn openings_of_one_side_repeat_only_so_often() {
    let configured = RiskLimits { max_repeats: Some(2), repeat_window_ms: 1_000, ..limits() };
    let mut gate = gate_with(configured);
    let account = Account::default();
    let mut send = |at, side, symbol, instance| {
        let order = order(side, ONE, OrderKind::Market);
        let order = OrderRequest { symbol: SymbolId(symbol), instance: InstanceId(instance), ..order };
        gate.approve(order, Ts(at), &account).err().map(|e| e.rule)
    };
    assert_eq!([send(0, Side::Buy, 0, 0), send(1, Side::Buy, 0, 0)], [None, None]);
    assert_eq!(send(2, Side::Buy, 0, 0), Some(Rule::MaxRepeats));
    assert_eq!([send(2, Side::Sell, 0, 0), send(2, Side::Buy, 1, 0), send(2, Side::Buy, 0, 1)], [None; 3]);
    assert_eq!(send(SECOND - 1, Side::Buy, 0, 0), Some(Rule::MaxRepeats));
    assert_eq!(send(SECOND, Side::Buy, 0, 0), None);
    assert_eq!(
        send(SECOND, Side::Buy, 0, 0),
        Some(Rule::MaxRepeats),
        "a refusal used up nothing, the order before it did"
    );
}

#[test]
fn a_duplicate_is_the_same_opening_within_the_window() {
    let base = order(Side::Buy, ONE, limit_at(9_990));
    let differing = [
        OrderRequest { qty: Qty(2 * ONE), ..base },
        OrderRequest { kind: limit_at(9_989), ..base },
        OrderRequest { kind: OrderKind::Stop { trigger: Price(9_990 * ONE / 100) }, ..base },
        OrderRequest { side: Side::Sell, ..base },
        OrderRequest { symbol: SymbolId(1), ..base },
        OrderRequest { purpose: Purpose::Quote, ..base },
        OrderRequest { instance: InstanceId(1), ..base },
        OrderRequest { reduce_only: true, ..base },
    ];
    let mut gate = gate_with(RiskLimits { duplicate_window_ms: Some(500), ..limits() });
    let account = Account::default();
    assert!(gate.approve(base, Ts(0), &account).is_ok());
    for order in differing {
        assert!(gate.approve(order, Ts(1), &account).is_ok(), "{order:?}");
    }
    let again = OrderRequest { id: OrderId(9), decided_at: Ts(7), ..base };
    assert_eq!(gate.approve(again, Ts(499 * Ts::MS), &account).unwrap_err().rule, Rule::Duplicate);
    assert!(gate.approve(again, Ts(500 * Ts::MS), &account).is_ok());
}

#[test]
fn children_of_one_parent_are_no_duplicates_but_two_equal_parents_are() {
    let mut gate = gate_with(RiskLimits { duplicate_window_ms: Some(500), ..limits() });
    let child = |parent| OrderRequest { parent: OrderId(parent), ..buy(ONE) };
    assert!(gate.approve(child(1), Ts(0), &Account::default()).is_ok());
    assert!(gate.approve(child(1), Ts(1), &Account::default()).is_ok());
    assert_eq!(gate.approve(child(2), Ts(2), &Account::default()).unwrap_err().rule, Rule::Duplicate);
}

#[test]
fn a_group_passes_whole_or_uses_up_nothing() {
    let account = Account { elsewhere: 15 * ONE, ..Account::default() };
    let leg = |symbol, qty| OrderRequest { symbol: SymbolId(symbol), ..buy(qty) };
    let mut gate = gate_with(RiskLimits { max_messages_per_s: Some(4), duplicate_window_ms: Some(10), ..limits() });
    let legs = [leg(0, 3 * ONE), leg(1, 3 * ONE), leg(0, 2 * ONE)];
    for only in &legs {
        assert!(gate.check(only, Ts(0), &account).is_ok(), "each leg by itself is no problem");
    }
    let (n, refused) = gate.approve_all(&legs, Ts(0), &account).unwrap_err();
    assert_eq!((n, refused.rule, refused.order), (1, Rule::MaxGrossNotional, legs[1]));
    let smaller = [leg(0, 3 * ONE), leg(1, 3 * ONE), leg(0, 2 * ONE), leg(1, 2 * ONE), leg(1, ONE)];
    let free = Account::default();
    let (n, refused) = gate.approve_all(&smaller, Ts(0), &free).unwrap_err();
    assert_eq!((n, refused.rule), (4, Rule::MaxMessages), "no message of the refused group was used up");
    assert_eq!(gate.approve_all(&smaller[..4], Ts(0), &free).unwrap().len(), 4);
    assert_eq!(gate.approve_all(&smaller[..1], Ts(0), &free).unwrap_err().1.rule, Rule::MaxMessages);
}

#[test]
fn two_equal_legs_of_a_group_are_duplicates_and_repeats() {
    let legs = [buy(ONE), buy(ONE)];
    let mut gate = gate_with(RiskLimits { duplicate_window_ms: Some(10), ..limits() });
    assert_eq!(gate.approve_all(&legs, Ts(0), &Account::default()).unwrap_err().1.rule, Rule::Duplicate);
    let mut gate = gate_with(RiskLimits { max_repeats: Some(1), ..limits() });
    assert_eq!(gate.approve_all(&legs, Ts(0), &Account::default()).unwrap_err().1.rule, Rule::MaxRepeats);
}

fn check_limit(change: impl Fn(&mut RiskLimits), field: &str) {
    let mut changed = limits();
    change(&mut changed);
    let error = RiskGate::new(Some(changed), &symbols()).unwrap_err().to_string();
    assert!(error.contains(field), "{error}");
}

#[test]
fn a_limit_that_is_none_is_refused_by_name() {
    check_limit(|l| l.max_order_notional = Money::ZERO, "max_order_notional = 0");
    check_limit(|l| l.max_gross_notional = Money(i128::MAX), "max_gross_notional");
    check_limit(|l| l.max_position_notional = Money(-1), "max_position_notional");
    check_limit(|l| l.price_collar_bps = f64::NAN, "price_collar_bps");
    check_limit(|l| l.max_messages_per_s = Some(0), "max_messages_per_s");
    check_limit(|l| l.max_repeats = Some(0), "max_repeats");
    check_limit(|l| (l.max_repeats, l.repeat_window_ms) = (Some(1), 0), "repeat_window_ms");
    check_limit(|l| l.duplicate_window_ms = Some(u64::MAX), "duplicate_window_ms");
    check_limit(|l| l.max_daily_loss = Some(Money::ZERO), "max_daily_loss");
    check_limit(|l| l.max_drawdown_pct = Some(101.0), "max_drawdown_pct");
    check_limit(|l| l.reduce_at_pct = 0.0, "reduce_at_pct");
    check_limit(|l| l.max_order_qty = [("AAA".into(), Qty(0))].into(), "max_order_qty");
    check_limit(|l| l.max_order_qty = [("CCC".into(), Qty(1))].into(), "'CCC'");
}

#[test]
fn what_the_gate_remembers_survives_its_text() {
    let configured = RiskLimits {
        max_messages_per_s: Some(2),
        duplicate_window_ms: Some(10),
        max_daily_loss: Some(Money::from_f64(100.0).unwrap()),
        ..limits()
    };
    let mut gate = gate_with(configured.clone());
    let money = |usd: f64| Money::from_f64(usd).unwrap();
    assert!(gate.approve(order(Side::Buy, ONE, limit_at(9_990)), Ts(0), &Account::default()).is_ok());
    assert!(gate.on_equity(Ts(0), money(910.0), money(1_000.0)).is_some());
    let text = serde_json::to_string(gate.memory()).unwrap();
    let mut again = gate_with(configured);
    again.restore(serde_json::from_str(&text).unwrap()).unwrap();
    assert_eq!(again.memory(), gate.memory());
    assert_eq!(again.state(), TradingState::Reducing);
    let mut smaller = RiskGate::new(None, &symbols()).unwrap();
    assert!(smaller.restore(gate.memory().clone()).is_err());
}

/// So much can be sold of the first symbol, and of the second nothing.
struct Spot(i64);

impl Exposure for Spot {
    fn last_price(&self, _: SymbolId) -> Price {
        LAST
    }
    fn position(&self, _: InstanceId, _: SymbolId) -> Qty {
        Qty(self.0)
    }
    fn resting(&self, _: InstanceId, _: SymbolId) -> (Qty, Qty) {
        (Qty::ZERO, Qty::ZERO)
    }
    fn sellable(&self, _: InstanceId, symbol: SymbolId) -> Option<Qty> {
        Some(if symbol == SymbolId(0) { Qty(self.0) } else { Qty::ZERO })
    }
    fn gross_elsewhere(&self, _: InstanceId, _: SymbolId) -> Money {
        Money::ZERO
    }
}

#[test]
fn where_nothing_can_be_short_a_sale_is_at_most_what_is_there_and_a_group_together() {
    let mut gate = RiskGate::new(None, &symbols()).unwrap();
    let sale = |qty| order(Side::Sell, qty, OrderKind::Market);
    let exit = |qty| OrderRequest { reduce_only: true, ..sale(qty) };
    for refused in [sale(ONE + ONE / 10), exit(ONE + ONE / 10), OrderRequest { symbol: SymbolId(1), ..sale(ONE) }] {
        assert_eq!(gate.approve(refused, Ts(0), &Spot(ONE)).unwrap_err().rule, Rule::ShortSale);
    }
    assert_eq!(gate.counts().refused().find(|(rule, _)| *rule == Rule::ShortSale), Some((Rule::ShortSale, 3)));
    gate.tighten(Halt::until_resume(TradingState::Halted, "test", "kim", Ts(0)));
    assert!(gate.approve(exit(ONE), Ts(0), &Spot(ONE)).is_ok());
    let (broken, refused) = gate.approve_all(&[exit(ONE / 2), exit(ONE)], Ts(0), &Spot(ONE)).unwrap_err();
    assert_eq!((broken, refused.rule), (1, Rule::ShortSale));
    assert!(gate.approve_all(&[exit(ONE / 2), exit(ONE / 2)], Ts(0), &Spot(ONE)).is_ok());
}
