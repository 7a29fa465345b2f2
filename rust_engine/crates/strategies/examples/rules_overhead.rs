//! `rules_overhead BARS`: nanoseconds a bar of `sma_cross` written by hand and of the same strategy as a rule set, as
//! one JSON line. Both take turns on the same bars and must ask for the same orders.

use model::params::StrategyParams;
use model::{
    Action, Actions, Bar, Costs, Driver, Event, Fill, Liquidity, Money, Price, Qty, RuleSet, SymbolId, SymbolSpec, Ts,
};
use std::error::Error;
use std::io::Write;
use std::time::Instant;
use strategies::{Market, Strategy, build};

const RULES: &str = r#"{"name":"sma-cross",
    "entry_long":{"above":[{"sma":{"window":20}},{"sma":{"window":50}}]},
    "exit_long":{"at_most":[{"sma":{"window":20}},{"sma":{"window":50}}]}}"#;
const UNIT: i64 = model::fixed::SCALE;

fn bars(n: usize) -> Vec<Bar> {
    let (mut state, mut close) = (1_u64, 90 * UNIT);
    let mut bar = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let open = close;
        close = (close + (state >> 33) as i64 % 40_000_001 - 20_000_000).clamp(60 * UNIT, 119 * UNIT);
        let at = |n: usize| Ts(n as i64 * 60_000_000_000);
        Bar {
            symbol: SymbolId(0),
            opened_at: at(n),
            closed_at: at(n + 1),
            open: Price(open),
            high: Price(open.max(close)),
            low: Price(open.min(close)),
            close: Price(close),
            volume: Qty(UNIT),
        }
    };
    (0..n).map(&mut bar).collect()
}

/// Seconds and the number of orders; each order fills whole at the next bar.
fn play(strategy: &mut dyn Strategy, bars: &[Bar]) -> (f64, u64) {
    let (mut actions, mut n_orders) = (Actions::default(), 0);
    let started = Instant::now();
    for bar in bars {
        strategy.on_event(Event::Bar(bar), &mut actions);
        if let Some(Action::Submit(order)) = actions.as_slice().first().copied() {
            n_orders += 1;
            actions.clear();
            let fill = Fill {
                order,
                at: bar.closed_at,
                price: bar.close,
                qty: order.qty,
                base_fee: Qty::ZERO,
                fee: Money::ZERO,
                slippage: Money::ZERO,
                arrival_price: bar.close,
                half_spread: Price::ZERO,
                liquidity: Liquidity::Taker,
            };
            strategy.on_event(Event::Fill(&fill), &mut actions);
        }
    }
    (started.elapsed().as_secs_f64(), n_orders)
}

fn main() -> Result<(), Box<dyn Error>> {
    let n: usize = std::env::args().nth(1).ok_or("usage: rules_overhead BARS")?.parse()?;
    let bars = bars(n);
    // One lot is one unit, and a tenth of the capital buys one at every price.
    let market = Market {
        symbols: vec![(SymbolId(0), SymbolSpec::new("A", Price(1), Qty(UNIT)))],
        capital: Money(1_190 * model::fixed::MONEY_SCALE),
        driver: Driver::Bars,
        costs: Costs::default(),
        rules: Some(RuleSet::parse(RULES)?),
    };
    let mut ours = build(&StrategyParams::defaults("rules")?, &market);
    let mut hand = build(&StrategyParams::defaults("sma_cross")?, &market);
    let ((rules_s, rules_orders), (hand_s, hand_orders)) = (play(ours.as_mut(), &bars), play(hand.as_mut(), &bars));
    if rules_orders != hand_orders {
        return Err(format!("{rules_orders} orders by rules, {hand_orders} by hand").into());
    }
    let ns = |seconds: f64| seconds * 1e9 / n as f64;
    writeln!(
        std::io::stdout(),
        r#"{{"rules_ns": {:.3}, "by_hand_ns": {:.3}, "orders": {rules_orders}}}"#,
        ns(rules_s),
        ns(hand_s)
    )?;
    Ok(())
}
