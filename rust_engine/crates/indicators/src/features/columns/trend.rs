//! Where the price is to its averages and extremes, and how steadily it moves.

use crate::features::graph::{Graph, Series};
use crate::features::registry::{Columns, Normaliser};

pub(super) fn define(c: &mut Columns) {
    averages(c);
    crossings(c);
    directions(c);
    lines(c);
    extremes(c);
}

/// `2 e - e(e)` of an exponential average `e` (Mulloy 1994).
pub(super) fn dema(g: &mut Graph, x: Series, n: usize) -> Series {
    let first = g.ema(x, n);
    let second = g.ema(first, n);
    g.two_less(first, second)
}

/// `3 e - 3 e(e) + e(e(e))` (Mulloy 1994).
pub(super) fn tema(g: &mut Graph, x: Series, n: usize) -> Series {
    let first = g.ema(x, n);
    let second = g.ema(first, n);
    let third = g.ema(second, n);
    g.three_less(first, second, third)
}

/// Change in percent of a triple exponential average over one bar.
pub(super) fn trix(g: &mut Graph, x: Series, n: usize) -> Series {
    let first = g.ema(x, n);
    let second = g.ema(first, n);
    let third = g.ema(second, n);
    let before = g.lag(third, 1);
    g.ratio_by(third, before, 100.0)
}

/// Line, signal and histogram. Line and signal start together when the slow average does.
pub(super) fn macd(g: &mut Graph, fast: usize, slow: usize, signal: usize) -> [Series; 3] {
    let close = g.close();
    let (fast, slow) = (g.ema(close, fast), g.ema(close, slow));
    let line = g.sub(fast, slow);
    let signal = g.ema(line, signal);
    [line, signal, g.sub(line, signal)]
}

/// Plus and minus directional indicator, 0 to 100 (Wilder 1978).
pub(super) fn directional(g: &mut Graph, n: usize) -> [Series; 2] {
    let (high, low) = (g.high(), g.low());
    let (up, drop) = (g.change(high, 1), g.change(low, 1));
    let (plus, minus) = (g.moved_up(up, drop), g.moved_down(up, drop));
    let range = g.true_range();
    let (plus, minus, range) = (g.directional(plus, n), g.directional(minus, n), g.directional(range, n));
    [plus, minus].map(|moved| g.div_by(moved, range, 100.0))
}

/// `100 |p - m| / (p + m)` of the two directional indicators.
pub(super) fn dx(g: &mut Graph, n: usize) -> Series {
    let [plus, minus] = directional(g, n);
    let balance = g.balance_by(plus, minus, 100.0);
    g.abs(balance)
}

fn averages(c: &mut Columns) {
    let close = c.graph.close();
    for n in [5, 10, 20, 50, 100, 200] {
        let average = c.graph.mean(close, n);
        let ratio = c.graph.ratio(close, average);
        c.feature(format!("sma_ratio_{n}"), Normaliser::Ratio, "share", ratio);
    }
    for n in [5, 10, 20, 50, 100, 200] {
        let average = c.graph.ema(close, n);
        let ratio = c.graph.ratio(close, average);
        c.feature(format!("ema_ratio_{n}"), Normaliser::Ratio, "share", ratio);
    }
    for n in [10, 20, 50] {
        let averages = [("wma", c.graph.wma(close, n)), ("dema", dema(&mut c.graph, close, n)), {
            ("tema", tema(&mut c.graph, close, n))
        }];
        for (name, average) in averages {
            let ratio = c.graph.ratio(close, average);
            c.feature(format!("{name}_ratio_{n}"), Normaliser::Ratio, "share", ratio);
        }
    }
}

fn crossings(c: &mut Columns) {
    let close = c.graph.close();
    for (fast, slow) in [(5, 20), (20, 50), (50, 200)] {
        let (quick, steady) = (c.graph.mean(close, fast), c.graph.mean(close, slow));
        let ratio = c.graph.ratio(quick, steady);
        c.feature(format!("sma_cross_{fast}_{slow}"), Normaliser::Ratio, "share", ratio);
        let (quick, steady) = (c.graph.ema(close, fast), c.graph.ema(close, slow));
        let ratio = c.graph.ratio(quick, steady);
        c.feature(format!("ema_cross_{fast}_{slow}"), Normaliser::Ratio, "share", ratio);
    }
    for n in [9, 15, 30] {
        let change = trix(&mut c.graph, close, n);
        c.feature(format!("trix_{n}"), Normaliser::Ratio, "percent", change);
    }
    for (fast, slow, signal) in [(12, 26, 9), (5, 35, 5)] {
        let parts = macd(&mut c.graph, fast, slow, signal);
        for (name, part) in ["line", "signal", "histogram"].into_iter().zip(parts) {
            let ratio = c.graph.div(part, close);
            c.feature(format!("macd_{name}_{fast}_{slow}_{signal}"), Normaliser::Ratio, "share", ratio);
        }
    }
}

fn directions(c: &mut Columns) {
    for n in [7, 14, 28] {
        let strength = dx(&mut c.graph, n);
        let average = c.graph.wilder(strength, n);
        c.feature(format!("adx_{n}"), Normaliser::Bounded, "0..100", average);
        let [plus, minus] = directional(&mut c.graph, n);
        let difference = c.graph.sub(plus, minus);
        c.feature(format!("di_difference_{n}"), Normaliser::Bounded, "-100..100", difference);
    }
    let [plus, minus] = directional(&mut c.graph, 14);
    c.feature("plus_di_14", Normaliser::Bounded, "0..100", plus);
    c.feature("minus_di_14", Normaliser::Bounded, "0..100", minus);
    let strength = dx(&mut c.graph, 14);
    c.feature("dx_14", Normaliser::Bounded, "0..100", strength);
    let (high, low) = (c.graph.high(), c.graph.low());
    for n in [14, 25, 50] {
        let ages = [c.graph.highest_age(high, n + 1), c.graph.lowest_age(low, n + 1)];
        let [up, down] = ages.map(|age| {
            let less = c.graph.scale(age, -100.0 / n as f64);
            c.graph.offset(less, 100.0)
        });
        c.feature(format!("aroon_up_{n}"), Normaliser::Bounded, "0..100", up);
        c.feature(format!("aroon_down_{n}"), Normaliser::Bounded, "0..100", down);
        let difference = c.graph.sub(up, down);
        c.feature(format!("aroon_oscillator_{n}"), Normaliser::Bounded, "-100..100", difference);
    }
}

fn lines(c: &mut Columns) {
    let close = c.graph.close();
    for n in [5, 10, 20, 50, 100] {
        let slope = c.graph.slope(close, n);
        let bps = c.graph.div_by(slope, close, 1e4);
        c.feature(format!("slope_{n}"), Normaliser::Ratio, "bps/bar", bps);
    }
    for n in [20, 50, 100] {
        let (slope, std) = (c.graph.slope(close, n), c.graph.std(close, n));
        // The line's own deviation over the window, so that the quotient is the correlation with time.
        let spread = ((n * n - 1) as f64 / 12.0).sqrt();
        let fit = c.graph.div_by(slope, std, spread);
        c.feature(format!("time_correlation_{n}"), Normaliser::Coefficient, "-1..1", fit);
    }
}

fn extremes(c: &mut Columns) {
    let (close, high, low) = (c.graph.close(), c.graph.high(), c.graph.low());
    for n in [20, 55, 100, 200] {
        let (top, bottom) = (c.graph.highest(high, n), c.graph.lowest(low, n));
        let from_top = c.graph.log(close, top);
        c.feature(format!("high_distance_{n}"), Normaliser::Ratio, "log", from_top);
        let from_bottom = c.graph.log(close, bottom);
        c.feature(format!("low_distance_{n}"), Normaliser::Ratio, "log", from_bottom);
        let position = c.graph.within_by(close, bottom, top, 1.0);
        c.feature(format!("channel_position_{n}"), Normaliser::Bounded, "0..1", position);
    }
}
