//! A rule set is evaluated without allocating, and so are its orders: the memory of a quiet bar is that of a busy one.

use model::params::StrategyParams;
use model::{Actions, Bar, Costs, Driver, Event, Money, Price, Qty, RuleSet, SymbolId, SymbolSpec, Ts};
use strategies::{Market, Strategy, build};

/// Every indicator and every operator once.
const EVERYTHING: &str = r#"{"name":"everything",
    "entry_long":{"and":[
        {"or":[
            {"crosses_above":[{"sma":{"window":5}},{"ema":{"window":9}}]},
            {"above":["close",{"highest":{"window":20}}]}]},
        {"and":[
            {"not":{"at_least":[{"rsi":{"window":14}},{"number":80.0}]}},
            {"at_most":[{"macd_signal":{"fast":12,"slow":26,"signal":9}},{"atr":{"window":14}}]}]}]},
    "exit_long":{"or":[
        {"crosses_below":["open",{"lowest":{"window":20}}]},
        {"below":[{"subtract":["close",{"bollinger_lower":{"window":20,"width":2.0}}]},
                  {"multiply":[{"macd_line":{"fast":5,"slow":35}},{"number":0.5}]}]}]},
    "entry_short":{"and":[
        {"above":[{"bollinger_upper":{"window":20,"width":2.0}},{"add":["low",{"atr":{"window":7}}]}]},
        {"below":[{"return":{"bars":3}},{"number":-0.01}]}]},
    "exit_short":{"above":["high",{"sma":{"window":5}}]},
    "sizing":{"divide":[{"volume_ratio":{"window":10}},{"add":["hour_of_day","weekday"]}]},
    "stop":{"atr":{"window":14}}}"#;

fn strategy(text: &str) -> Box<dyn Strategy> {
    let rules = RuleSet::parse(text).unwrap_or_else(|e| panic!("{e}"));
    let market = Market {
        symbols: vec![(SymbolId(0), SymbolSpec::new("A", Price(1_000_000), Qty(100_000)))],
        capital: Money(1_000_000 * model::fixed::MONEY_SCALE),
        driver: Driver::Bars,
        costs: Costs::default(),
        rules: Some(rules),
    };
    let params = StrategyParams::defaults("rules").unwrap_or_else(|e| panic!("{e}"));
    build(&params, &market)
}

/// A saw of two periods that meet anew at every bar.
fn bar(n: i64) -> Bar {
    let close = |n: i64| 10_000_000_000 + (n % 37) * 7_000_000 - (n % 101) * 5_000_000;
    let (open, close) = (close(n - 1), close(n));
    Bar {
        symbol: SymbolId(0),
        opened_at: Ts(n * 60_000_000_000),
        closed_at: Ts((n + 1) * 60_000_000_000),
        open: Price(open),
        high: Price(open.max(close) + 1_000_000 * (n % 5)),
        low: Price(open.min(close) - 1_000_000 * (n % 3)),
        close: Price(close),
        volume: Qty(100_000_000 * (1 + n % 11)),
    }
}

#[test]
fn no_bar_allocates() {
    let mut strategy = strategy(EVERYTHING);
    let mut actions = Actions::default();
    let mut n_actions = 0;
    let mut play = |from: i64, to: i64| {
        for n in from..to {
            strategy.on_event(Event::Bar(&bar(n)), &mut actions);
            n_actions += actions.as_slice().len();
            // Each order is refused at once, so that the next bar may ask again.
            let asked = actions.as_slice().first().copied();
            actions.clear();
            if let Some(model::Action::Submit(order)) = asked {
                let update = model::OrderUpdate { order, reason: model::CancelReason::Refused };
                strategy.on_event(Event::OrderUpdate(&update), &mut actions);
            }
        }
    };
    play(1, 1_000);
    let used = allocation_counter::measure(|| play(1_000, 20_000));
    assert_eq!(used.count_total, 0);
    assert!(n_actions > 100, "{n_actions} actions: the rules hardly ever held");
}
