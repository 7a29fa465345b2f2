//! Bars and fills for the tests of this crate.

use crate::strategy::{Market, Strategy};
use model::{
    Action, Actions, Bar, CancelReason, Costs, Driver, Event, Fill, Liquidity, Money, OrderKind, OrderRequest,
    OrderUpdate, Price, Qty, Quote, Resting, SymbolId, SymbolSpec, Ts,
};

pub(crate) const MINUTE: i64 = 60_000 * Ts::MS;

pub(crate) fn price(value: f64) -> Price {
    Price::from_f64(value).unwrap()
}

/// What is asked for by a strategy of 10,000 that is given 2,500, of one built on 2,500, and of one left at 10,000.
pub(crate) fn asked_on_a_quarter<S: Strategy>(build: impl Fn(f64) -> S, run: impl Fn(&mut S) -> Vec<Action>) {
    let (mut given, mut built, mut left) = (build(10_000.0), build(2_500.0), build(10_000.0));
    given.set_capital(Money::from_f64(2_500.0).unwrap());
    let (given, built, left) = (run(&mut given), run(&mut built), run(&mut left));
    assert!(!given.is_empty());
    assert_eq!(given, built);
    assert_ne!(given, left);
}

pub(crate) fn market(capital: f64) -> Market {
    let spec = SymbolSpec::new("A", price(0.01), Qty::from_f64(0.001).unwrap());
    Market {
        symbols: vec![(SymbolId(0), spec)],
        capital: Money::from_f64(capital).unwrap(),
        driver: Driver::Bars,
        costs: Costs::default(),
        rules: None,
    }
}

/// The `n`th minute, with a range of 1 around its close.
pub(crate) fn bar(n: i64, close: f64) -> Bar {
    Bar {
        symbol: SymbolId(0),
        opened_at: Ts(n * MINUTE),
        closed_at: Ts((n + 1) * MINUTE),
        open: price(close),
        high: price(close + 0.5),
        low: price(close - 0.5),
        close: price(close),
        volume: Qty(1),
    }
}

/// What the strategy asks for on this event.
pub(crate) fn ask(strategy: &mut dyn Strategy, event: Event<'_>) -> Vec<Action> {
    let mut actions = Actions::default();
    strategy.on_event(event, &mut actions);
    actions.as_slice().to_vec()
}

pub(crate) fn on_bar(strategy: &mut dyn Strategy, n: i64, close: f64) -> Vec<Action> {
    ask(strategy, Event::Bar(&bar(n, close)))
}

pub(crate) fn fill(strategy: &mut dyn Strategy, order: OrderRequest, at: f64) -> Vec<Action> {
    let fill = Fill {
        order,
        at: Ts(0),
        price: price(at),
        qty: order.qty,
        base_fee: Qty::ZERO,
        fee: Money::ZERO,
        slippage: Money::ZERO,
        arrival_price: price(at),
        half_spread: Price::ZERO,
        liquidity: Liquidity::Taker,
    };
    ask(strategy, Event::Fill(&fill))
}

pub(crate) fn submitted(actions: &[Action]) -> Vec<OrderRequest> {
    let order = |a: &Action| if let Action::Submit(order) = a { Some(*order) } else { None };
    actions.iter().filter_map(order).collect()
}

/// The price that an order names.
pub(crate) fn named_price(order: &OrderRequest) -> Option<Price> {
    match order.kind {
        OrderKind::Market => None,
        OrderKind::Limit { price } => Some(price),
        OrderKind::Stop { trigger } => Some(trigger),
    }
}

/// One lot at either side of `middle`, `half_spread` away, received at `at` nanoseconds.
pub(crate) fn quote(at: i64, middle: f64, half_spread: f64) -> Quote {
    let (at, lot) = (Ts(at), Qty::from_f64(0.001).unwrap());
    let (bid, ask) = (price(middle - half_spread), price(middle + half_spread));
    Quote { symbol: SymbolId(0), at, exch_at: at, bid, bid_qty: lot, ask, ask_qty: lot }
}

/// The end of an order that is not a fill.
pub(crate) fn end(strategy: &mut dyn Strategy, order: OrderRequest, reason: CancelReason) -> Vec<Action> {
    ask(strategy, Event::OrderUpdate(&OrderUpdate { order, reason }))
}

/// Every end of a stop that is not a cancellation by an operator, by new parameters or by a halt.
pub(crate) const REFUSALS: [CancelReason; 9] = [
    CancelReason::NothingToReduce,
    CancelReason::Refused,
    CancelReason::Vetoed,
    CancelReason::Unfilled,
    CancelReason::WouldCross,
    CancelReason::Rejected,
    CancelReason::RateLimited,
    CancelReason::Ungrouped,
    CancelReason::Stale,
];

/// What is cancelled by name.
pub(crate) fn cancelled(actions: &[Action]) -> Vec<Resting> {
    let named = |a: &Action| if let Action::CancelAt(named) = a { Some(*named) } else { None };
    actions.iter().filter_map(named).collect()
}
