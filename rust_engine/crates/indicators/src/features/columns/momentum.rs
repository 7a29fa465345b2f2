//! Oscillators: how fast and how one-sidedly the price moved.

use crate::features::graph::{Graph, Series};
use crate::features::registry::{Columns, Normaliser};

pub(super) fn define(c: &mut Columns) {
    relative_strength(c);
    ranges(c);
    flows(c);
}

/// Wilder's averages of gains and of losses.
fn gains_and_losses(g: &mut Graph) -> [Series; 2] {
    let close = g.close();
    let change = g.change(close, 1);
    [g.positive(change), g.negative(change)]
}

/// Wilder's relative strength index, 50 where nothing moved.
pub(super) fn rsi(g: &mut Graph, n: usize) -> Series {
    let [gain, loss] = gains_and_losses(g).map(|moved| g.wilder(moved, n));
    g.share_by(gain, loss, 100.0)
}

/// Chande's momentum oscillator with Wilder's averages.
fn cmo(g: &mut Graph, n: usize) -> Series {
    let [gain, loss] = gains_and_losses(g).map(|moved| g.wilder(moved, n));
    g.balance_by(gain, loss, 100.0)
}

/// Lambert's commodity channel index with the exact mean deviation.
pub(super) fn cci(g: &mut Graph, n: usize) -> Series {
    let typical = g.typical();
    let mean = g.mean(typical, n);
    let (distance, deviation) = (g.sub(typical, mean), g.mean_deviation(typical, mean, n));
    g.div_by(distance, deviation, 1.0 / 0.015)
}

/// Where the close is between the lowest low and the highest high, 0 to 100.
pub(super) fn stochastic(g: &mut Graph, n: usize) -> Series {
    let (close, high, low) = (g.close(), g.high(), g.low());
    let (top, bottom) = (g.highest(high, n), g.lowest(low, n));
    g.within_by(close, bottom, top, 100.0)
}

/// Williams' %R, -100 to 0.
pub(super) fn willr(g: &mut Graph, n: usize) -> Series {
    let (close, high, low) = (g.close(), g.high(), g.low());
    let (top, bottom) = (g.highest(high, n), g.lowest(low, n));
    g.within_by(close, top, bottom, -100.0)
}

/// Money flow index: the share of the typical price's turnover on rising bars, 50 where there was none.
pub(super) fn mfi(g: &mut Graph, n: usize) -> Series {
    let (typical, volume) = (g.typical(), g.volume());
    let (turnover, change) = (g.mul(typical, volume), g.change(typical, 1));
    let (bought, sold) = (g.rising(turnover, change), g.falling(turnover, change));
    let (bought, sold) = (g.sum(bought, n), g.sum(sold, n));
    g.share_by(bought, sold, 100.0)
}

/// Williams' ultimate oscillator over 7, 14 and 28 bars.
fn ultimate(g: &mut Graph) -> Series {
    let (close, low, previous) = (g.close(), g.low(), g.previous_close());
    let bottom = g.smaller(low, previous);
    let (pressure, range) = (g.sub(close, bottom), g.true_range());
    let [short, middle, long] = [7, 14, 28].map(|n| {
        let (pressed, ranged) = (g.sum(pressure, n), g.sum(range, n));
        g.div(pressed, ranged)
    });
    let (four, two) = (g.scale(short, 4.0), g.scale(middle, 2.0));
    let both = g.add_up(four, two);
    let all = g.add_up(both, long);
    g.scale(all, 100.0 / 7.0)
}

fn relative_strength(c: &mut Columns) {
    for n in [7, 14, 21, 28] {
        let strength = rsi(&mut c.graph, n);
        c.feature(format!("rsi_{n}"), Normaliser::Bounded, "0..100", strength);
    }
    let strength = rsi(&mut c.graph, 14);
    let change = c.graph.change(strength, 5);
    c.feature("rsi_14_change_5", Normaliser::Difference, "points", change);
    let (top, bottom) = (c.graph.highest(strength, 14), c.graph.lowest(strength, 14));
    let fast = c.graph.within_by(strength, bottom, top, 100.0);
    c.feature("stochrsi_14", Normaliser::Bounded, "0..100", fast);
    let slow = c.graph.mean(fast, 3);
    c.feature("stochrsi_14_mean_3", Normaliser::Bounded, "0..100", slow);
    for n in [9, 20] {
        let oscillator = cmo(&mut c.graph, n);
        c.feature(format!("cmo_{n}"), Normaliser::Bounded, "-100..100", oscillator);
    }
    let close = c.graph.close();
    let change = c.graph.change(close, 1);
    let size = c.graph.abs(change);
    let [net, gross] = [change, size].map(|moved| {
        let once = c.graph.ema(moved, 25);
        c.graph.ema(once, 13)
    });
    let index = c.graph.div_by(net, gross, 100.0);
    c.feature("tsi_25_13", Normaliser::Bounded, "-100..100", index);
}

fn ranges(c: &mut Columns) {
    for n in [14, 20, 50] {
        let index = cci(&mut c.graph, n);
        c.feature(format!("cci_{n}"), Normaliser::Z, "points", index);
    }
    for n in [7, 14, 28] {
        let position = willr(&mut c.graph, n);
        c.feature(format!("willr_{n}"), Normaliser::Bounded, "-100..0", position);
    }
    for n in [14, 42] {
        let fast = stochastic(&mut c.graph, n);
        let slow = c.graph.mean(fast, 3);
        c.feature(format!("stoch_k_{n}"), Normaliser::Bounded, "0..100", slow);
        let signal = c.graph.mean(slow, 3);
        c.feature(format!("stoch_d_{n}"), Normaliser::Bounded, "0..100", signal);
    }
    let close = c.graph.close();
    let range = c.graph.true_range();
    let unit = c.graph.wilder(range, 14);
    for n in [5, 10, 20, 50] {
        let moved = c.graph.change(close, n);
        let ratio = c.graph.div(moved, unit);
        c.feature(format!("mom_atr_{n}"), Normaliser::Ratio, "ATR", ratio);
    }
    for n in [4, 6, 16, 32] {
        let before = c.graph.lag(close, n);
        let percent = c.graph.ratio_by(close, before, 100.0);
        c.feature(format!("roc_{n}"), Normaliser::Ratio, "percent", percent);
    }
    let (high, low) = (c.graph.high(), c.graph.low());
    let both = c.graph.add_up(high, low);
    let median = c.graph.scale(both, 0.5);
    let (quick, steady) = (c.graph.mean(median, 5), c.graph.mean(median, 34));
    let distance = c.graph.sub(quick, steady);
    let ratio = c.graph.div(distance, close);
    c.feature("awesome_ratio_5_34", Normaliser::Ratio, "share", ratio);
}

fn flows(c: &mut Columns) {
    for n in [14, 28] {
        let index = mfi(&mut c.graph, n);
        c.feature(format!("mfi_{n}"), Normaliser::Bounded, "0..100", index);
    }
    let oscillator = ultimate(&mut c.graph);
    c.feature("ultosc_7_14_28", Normaliser::Bounded, "0..100", oscillator);
}
