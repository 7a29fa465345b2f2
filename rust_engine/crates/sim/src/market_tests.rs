use super::*;

fn spec(seed: u64) -> MarketSpec {
    let symbol = |tick, lot, start: i64| MarketSymbol {
        tick: Price(tick),
        lot: Qty(lot),
        start_price: Price(start * model::fixed::SCALE),
    };
    MarketSpec {
        seed,
        n_bars: 96 * 60,
        bar_ns: 900_000_000_000,
        start_at: Ts(1_600_041_600_000_000_000),
        symbols: vec![symbol(10_000_000, 100_000, 60_000), symbol(1_000_000, 100_000, 3_000)],
        volatility_bps: 12.0,
        bounce_bps: 8.0,
        burst_strength: 2.2,
        turn: None,
    }
}

fn closes(bars: &[Bar], symbol: u16) -> Vec<f64> {
    bars.iter().filter(|b| b.symbol.0 == symbol).map(|b| b.close.to_f64()).collect()
}

fn returns(bars: &[Bar], symbol: u16) -> Vec<f64> {
    closes(bars, symbol).windows(2).map(|w| w[1] / w[0] - 1.0).collect()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let product =
        |x: &[f64], mx: f64, y: &[f64], my: f64| -> f64 { x.iter().zip(y).map(|(p, q)| (p - mx) * (q - my)).sum() };
    product(a, ma, b, mb) / (product(a, ma, a, ma) * product(b, mb, b, mb)).sqrt()
}

#[test]
fn the_same_seed_gives_the_same_bars_and_another_seed_others() {
    assert_eq!(generate(&spec(7)).unwrap(), generate(&spec(7)).unwrap());
    assert_ne!(generate(&spec(7)).unwrap(), generate(&spec(8)).unwrap());
}

#[test]
fn every_bar_is_sound_on_its_grid_and_in_order() {
    let bars = generate(&spec(1)).unwrap();
    assert_eq!(bars.len(), 2 * 96 * 60);
    assert!(bars.windows(2).all(|w| (w[0].closed_at, w[0].symbol) < (w[1].closed_at, w[1].symbol)));
    for bar in bars {
        let MarketSymbol { tick, lot, .. } = spec(1).symbols[bar.symbol.index()];
        assert!(bar.is_sound(), "{bar:?}");
        assert!(
            [bar.open, bar.high, bar.low, bar.close].iter().all(|p| p.0 % tick.0 == 0) && bar.volume.0 % lot.0 == 0
        );
    }
}

#[test]
fn symbols_move_together_and_volatility_comes_in_clusters() {
    let quiet = MarketSpec { bounce_bps: 0.0, burst_strength: 0.0, n_bars: 96 * 200, ..spec(3) };
    let bars = generate(&quiet).unwrap();
    let (a, b) = (returns(&bars, 0), returns(&bars, 1));
    let together = correlation(&a, &b);
    assert!((0.2..0.6).contains(&together), "{together}");
    let size: Vec<f64> = a.iter().map(|r| r.abs()).collect();
    let clustering = correlation(&size[1..], &size[..size.len() - 1]);
    assert!(clustering > 0.1, "{clustering}");
}

#[test]
fn the_bounce_turns_returns_around_and_its_absence_does_not() {
    let lag = |bounce_bps| {
        let bars = generate(&MarketSpec { bounce_bps, burst_strength: 0.0, ..spec(5) }).unwrap();
        let r = returns(&bars, 0);
        correlation(&r[1..], &r[..r.len() - 1])
    };
    let (with, without) = (lag(12.0), lag(0.0));
    assert!(with < -0.2 && without.abs() < 0.08, "{with} {without}");
}

#[test]
fn a_turn_changes_nothing_before_it_and_the_bounce_from_it_on() {
    let at_bar = 96 * 30;
    let plain = MarketSpec { burst_strength: 0.0, bounce_bps: 12.0, ..spec(5) };
    let turned = MarketSpec { turn: Some(Turn { at_bar, bounce_bps: 0.0 }), ..plain.clone() };
    let (stays, turns) = (generate(&plain).unwrap(), generate(&turned).unwrap());
    assert_eq!(stays[..2 * at_bar], turns[..2 * at_bar]);
    let lag = |bars: &[Bar]| {
        let r = returns(bars, 0);
        correlation(&r[1..], &r[..r.len() - 1])
    };
    let (before, after) = (lag(&turns[..2 * at_bar]), lag(&turns[2 * at_bar..]));
    assert!(before < -0.2 && after.abs() < 0.08, "{before} {after}");
}

#[test]
fn a_specification_that_makes_no_market_is_refused_by_field() {
    let check = |spec: MarketSpec, field: &str| {
        let error = generate(&spec).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    };
    check(MarketSpec { n_bars: 0, ..spec(1) }, "n_bars");
    check(MarketSpec { bar_ns: 0, ..spec(1) }, "bar_ns");
    check(MarketSpec { symbols: vec![], ..spec(1) }, "symbols");
    check(MarketSpec { bounce_bps: f64::NAN, ..spec(1) }, "bounce_bps");
    check(MarketSpec { turn: Some(Turn { at_bar: 1, bounce_bps: -1.0 }), ..spec(1) }, "turn.bounce_bps");
    let mut cheap = spec(1);
    cheap.symbols[0].start_price = Price(cheap.symbols[0].tick.0);
    check(cheap, "start_price");
}
