use super::*;
use crate::batch::sweep_over;
use model::{Costs, Money, Qty, SymbolId};
use std::collections::BTreeMap;

const HOUR: i64 = 3_600_000_000_000;
const TICK: i64 = 1_000_000;
const N_DAYS: usize = 12;

fn symbols(n: usize) -> Vec<SymbolSpec> {
    (0..n).map(|k| SymbolSpec::new(&format!("S{k}"), Price(TICK), Qty(1_000))).collect()
}

/// Hourly candles of a market that swings, each symbol at a level of its own.
fn market(n_symbols: usize) -> Vec<Bar> {
    let mut bars = Vec::new();
    for hour in 0..(N_DAYS * 24) as i64 {
        for symbol in 0..n_symbols as i64 {
            let level = |hour: i64| (symbol + 1) * 10_000 + hour * hour % 997 * 7 + (hour % 13) * 40;
            let (open, close) = (level(hour) * TICK, level(hour + 1) * TICK);
            bars.push(Bar {
                symbol: SymbolId(symbol as u16),
                opened_at: Ts(hour * HOUR),
                closed_at: Ts((hour + 1) * HOUR),
                open: Price(open),
                high: Price(open.max(close) + 3 * TICK),
                low: Price(open.min(close) - 3 * TICK),
                close: Price(close),
                volume: Qty(100_000_000),
            });
        }
    }
    bars
}

fn request<'a>(symbols: &'a [SymbolSpec], params: &'a BTreeMap<String, f64>) -> BacktestRequest<'a> {
    BacktestRequest {
        symbols,
        strategy: "sma_cross",
        params,
        rules: None,
        capital: Money::from_f64(10_000.0).unwrap(),
        costs: Costs::default(),
        limits: None,
        predictions: None,
        trade_from: Ts(0),
        day_offset_ns: 0,
        keep_rows: false,
    }
}

fn candidates() -> Vec<BTreeMap<String, f64>> {
    let set = |fast: f64, slow: f64| {
        let mut values = model::StrategyParams::defaults("sma_cross").unwrap().values();
        values.insert("fast".to_owned(), fast);
        values.insert("slow".to_owned(), slow);
        values
    };
    vec![set(5.0, 20.0), set(8.0, 30.0)]
}

fn path_of(days: &Days<'_>, specs: &[SymbolSpec], drawn: &[usize]) -> Vec<Bar> {
    PathBars::new(days, specs, drawn).load().unwrap()
}

#[test]
fn days_in_their_own_order_are_the_market_itself() {
    let (bars, specs) = (market(2), symbols(2));
    let days = Days::split(&bars, &specs, 0).unwrap();
    let drawn: Vec<usize> = (1..N_DAYS).collect();
    let path = path_of(&days, &specs, &drawn);
    let day = 24 * HOUR;
    let moved = |bar: &Bar| Bar { opened_at: Ts(bar.opened_at.0 - day), closed_at: Ts(bar.closed_at.0 - day), ..*bar };
    let expected: Vec<Bar> = bars[48..].iter().map(moved).collect();
    assert_eq!(path, expected);
}

#[test]
fn daily_results_on_such_a_path_are_those_of_a_plain_sweep() {
    let (bars, specs, none) = (market(2), symbols(2), BTreeMap::new());
    let asked = request(&specs, &none);
    let drawn: Vec<usize> = (1..N_DAYS).collect();
    let found = sweep_paths(&asked, &candidates(), &bars, &[drawn], 3).unwrap();
    let plain = BacktestRequest { trade_from: Ts(4 * 24 * HOUR), ..asked };
    let expected = sweep_over(&plain, &candidates(), || &bars[48..]).unwrap();
    assert_eq!(found.len(), 1);
    assert!(expected.iter().all(|facts| facts.n_trades > 0), "the market trades");
    for (found, expected) in found[0].iter().zip(&expected) {
        assert_eq!(found, &expected.daily_pnl);
    }
}

#[test]
fn prices_go_on_from_where_the_path_stood_for_all_symbols_at_once() {
    let (bars, specs) = (market(2), symbols(2));
    let days = Days::split(&bars, &specs, 0).unwrap();
    let drawn = [7, 2, 2, 9];
    let path = path_of(&days, &specs, &drawn);
    assert_eq!(path.len(), drawn.len() * 48);
    for (k, day) in drawn.iter().enumerate().skip(1) {
        for symbol in 0..2 {
            let (before, first) = (&path[k * 48 - 2 + symbol], &path[k * 48 + symbol]);
            let (source_before, source) = (&bars[day * 48 - 2 + symbol], &bars[day * 48 + symbol]);
            assert_eq!(first.closed_at.0, before.closed_at.0 + HOUR);
            let step = first.close.0 as f64 / before.close.0 as f64;
            let source_step = source.close.0 as f64 / source_before.close.0 as f64;
            assert!((step / source_step - 1.0).abs() < 2e-4, "{step} {source_step}");
        }
    }
    assert!(path.iter().all(|bar| bar.is_sound() && bar.close.0 % TICK == 0));
}

#[test]
fn what_cannot_be_drawn_is_refused_by_name() {
    let (bars, specs, none) = (market(1), symbols(1), BTreeMap::new());
    let asked = request(&specs, &none);
    let refused = |paths: &[Vec<usize>], lead| sweep_paths(&asked, &candidates(), &bars, paths, lead).unwrap_err();
    assert!(matches!(refused(&[vec![1, 2], vec![3]], 1), ResampleError::Short { path: 1, days: 1, lead: 1 }));
    assert!(matches!(refused(&[vec![1, 0, 2]], 1), ResampleError::Day { path: 0, day: 0, last: 11 }));
    assert!(matches!(refused(&[vec![1, 12]], 1), ResampleError::Day { day: 12, .. }));
    let late: Vec<Bar> = market(2).into_iter().filter(|b| b.symbol.0 == 0 || b.closed_at.0 > 30 * HOUR).collect();
    let both = symbols(2);
    let error = sweep_paths(&request(&both, &none), &candidates(), &late, &[vec![2, 3]], 1).unwrap_err();
    assert_eq!(error.to_string(), "symbol 'S1' has no bar on the first day");
}
