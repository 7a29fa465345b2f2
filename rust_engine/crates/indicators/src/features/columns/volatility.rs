//! How far prices swing, by close, range and model, and how that changes.

use crate::features::graph::{Graph, Series};
use crate::features::registry::{Columns, Normaliser};

/// Parkinson (1980): per-bar variance from the range.
fn parkinson(g: &mut Graph) -> Series {
    let (high, low) = (g.high(), g.low());
    let range = g.log(high, low);
    let square = g.mul(range, range);
    g.scale(square, 1.0 / (4.0 * std::f64::consts::LN_2))
}

/// Garman and Klass (1980): `0.5 ln(h/l)^2 - (2 ln 2 - 1) ln(c/o)^2`.
fn garman_klass(g: &mut Graph) -> Series {
    let (open, high, low, close) = (g.open(), g.high(), g.low(), g.close());
    let (range, body) = (g.log(high, low), g.log(close, open));
    let (range, body) = (g.mul(range, range), g.mul(body, body));
    let (half, part) = (g.scale(range, 0.5), g.scale(body, 2.0 * std::f64::consts::LN_2 - 1.0));
    g.sub(half, part)
}

/// Rogers and Satchell (1991): `ln(h/c) ln(h/o) + ln(l/c) ln(l/o)`.
fn rogers_satchell(g: &mut Graph) -> Series {
    let (open, high, low, close) = (g.open(), g.high(), g.low(), g.close());
    let (up, rise) = (g.log(high, close), g.log(high, open));
    let (down, fall) = (g.log(low, close), g.log(low, open));
    let (top, bottom) = (g.mul(up, rise), g.mul(down, fall));
    g.add_up(top, bottom)
}

/// Yang and Zhang (2000): `V_gap + k V_body + (1 - k) V_rs`, `k = 0.34 / (1.34 + (n + 1) / (n - 1))`.
fn yang_zhang(g: &mut Graph, n: usize) -> Series {
    let (open, close, previous) = (g.open(), g.close(), g.previous_close());
    let (gap, body) = (g.log(open, previous), g.log(close, open));
    let size = n as f64;
    let weight = 0.34 / (1.34 + (size + 1.0) / (size - 1.0));
    let (gap, body) = (g.std(gap, n), g.std(body, n));
    // Sample variances, as the paper has them.
    let sample = size / (size - 1.0);
    let (gap, body) = (g.mul(gap, gap), g.mul(body, body));
    let (gap, body) = (g.scale(gap, sample), g.scale(body, sample * weight));
    let within = rogers_satchell(g);
    let within = g.mean(within, n);
    let within = g.scale(within, 1.0 - weight);
    let sum = g.add_up(gap, body);
    let sum = g.add_up(sum, within);
    g.sqrt(sum)
}

/// Root of the mean of a variance a bar.
fn root_mean(g: &mut Graph, variance: Series, n: usize) -> Series {
    let mean = g.mean(variance, n);
    // Garman and Klass' form can fall below zero by rounding on bars without a range.
    let mean = g.positive(mean);
    g.sqrt(mean)
}

pub(super) fn define(c: &mut Columns) {
    closes(c);
    by_range(c);
    models(c);
    bands(c);
    sides(c);
}

fn closes(c: &mut Columns) {
    let one = c.graph.log_return();
    for n in [5, 10, 24, 48, 72, 168, 336] {
        let std = c.graph.std(one, n);
        c.feature(format!("volatility_{n}"), Normaliser::Ratio, "log/bar", std);
    }
    for (fast, slow) in [(5, 24), (24, 168), (72, 336)] {
        let (quick, steady) = (c.graph.std(one, fast), c.graph.std(one, slow));
        let ratio = c.graph.div(quick, steady);
        c.feature(format!("volatility_ratio_{fast}_{slow}"), Normaliser::Ratio, "share", ratio);
    }
    let quick = c.graph.std(one, 10);
    for n in [24, 72] {
        let (std, mean) = (c.graph.std(quick, n), c.graph.mean(quick, n));
        let ratio = c.graph.div(std, mean);
        c.feature(format!("volatility_of_volatility_{n}"), Normaliser::Ratio, "share", ratio);
    }
    let daily = c.graph.std(one, 24);
    let rank = c.graph.rank(daily, 168);
    c.feature("volatility_24_rank_168", Normaliser::Rank, "0..1", rank);
    let change = c.graph.log_change(daily, 24);
    c.feature("volatility_24_change_24", Normaliser::Ratio, "log", change);
}

fn by_range(c: &mut Columns) {
    type Form = fn(&mut Graph) -> Series;
    let forms: [(&str, Form); 3] =
        [("parkinson", parkinson), ("garman_klass", garman_klass), ("rogers_satchell", rogers_satchell)];
    for (name, form) in forms {
        let variance = form(&mut c.graph);
        for n in [10, 24, 72, 168] {
            let root = root_mean(&mut c.graph, variance, n);
            c.feature(format!("{name}_{n}"), Normaliser::Ratio, "log/bar", root);
        }
    }
    for n in [24, 72, 168] {
        let root = yang_zhang(&mut c.graph, n);
        c.feature(format!("yang_zhang_{n}"), Normaliser::Ratio, "log/bar", root);
    }
    let (close, range) = (c.graph.close(), c.graph.true_range());
    let ratio = c.graph.div(range, close);
    c.feature("true_range_ratio", Normaliser::Ratio, "share", ratio);
    for n in [7, 14, 28] {
        let average = c.graph.wilder(range, n);
        let ratio = c.graph.div(average, close);
        c.feature(format!("atr_ratio_{n}"), Normaliser::Ratio, "share", ratio);
    }
    let (high, low) = (c.graph.high(), c.graph.low());
    for n in [24, 168] {
        let (top, bottom) = (c.graph.highest(high, n), c.graph.lowest(low, n));
        let range = c.graph.log(top, bottom);
        c.feature(format!("range_{n}"), Normaliser::Ratio, "log", range);
    }
    let variance = parkinson(&mut c.graph);
    let (quick, steady) = (root_mean(&mut c.graph, variance, 24), root_mean(&mut c.graph, variance, 168));
    let ratio = c.graph.div(quick, steady);
    c.feature("parkinson_ratio_24_168", Normaliser::Ratio, "share", ratio);
}

fn models(c: &mut Columns) {
    let one = c.graph.log_return();
    let square = c.graph.mul(one, one);
    // RiskMetrics' daily and monthly decay, and one between a day and a week of hours.
    for (name, decay) in [("94", 0.94), ("97", 0.97), ("99", 0.99)] {
        let variance = c.graph.ewma(square, decay, 20);
        let root = c.graph.sqrt(variance);
        c.feature(format!("ewma_volatility_{name}"), Normaliser::Ratio, "log/bar", root);
    }
    let variance = c.graph.garch(one);
    let root = c.graph.sqrt(variance);
    c.feature("garch_volatility", Normaliser::Ratio, "log/bar", root);
    let steady = c.graph.std(one, 168);
    let ratio = c.graph.div(root, steady);
    c.feature("garch_ratio_168", Normaliser::Ratio, "share", ratio);
    let surprise = c.graph.lag(root, 1);
    let scaled = c.graph.div(one, surprise);
    c.feature("garch_residual", Normaliser::Z, "sigma", scaled);
}

fn bands(c: &mut Columns) {
    let close = c.graph.close();
    for n in [20, 50] {
        let (mean, std) = (c.graph.mean(close, n), c.graph.std(close, n));
        let width = c.graph.div_by(std, mean, 4.0);
        c.feature(format!("bollinger_width_{n}"), Normaliser::Ratio, "share", width);
        let z = c.graph.z_score(close, n);
        let quarter = c.graph.scale(z, 0.25);
        let position = c.graph.offset(quarter, 0.5);
        c.feature(format!("bollinger_position_{n}"), Normaliser::Z, "0..1 inside", position);
    }
    let (middle, range) = (c.graph.ema(close, 20), c.graph.true_range());
    let unit = c.graph.wilder(range, 10);
    let distance = c.graph.sub(close, middle);
    let position = c.graph.div(distance, unit);
    c.feature("keltner_position_20_10", Normaliser::Ratio, "ATR", position);
}

fn sides(c: &mut Columns) {
    let one = c.graph.log_return();
    let (gain, loss) = (c.graph.positive(one), c.graph.negative(one));
    let (up, down) = (c.graph.mul(gain, gain), c.graph.mul(loss, loss));
    for n in [24, 72, 168] {
        let root = root_mean(&mut c.graph, down, n);
        c.feature(format!("downside_volatility_{n}"), Normaliser::Ratio, "log/bar", root);
        let (up, down) = (c.graph.sum(up, n), c.graph.sum(down, n));
        let share = c.graph.share(up, down);
        c.feature(format!("upside_share_{n}"), Normaliser::Bounded, "0..1", share);
    }
    let size = c.graph.abs(one);
    let before = c.graph.lag(size, 1);
    let (product, square) = (c.graph.mul(size, before), c.graph.mul(one, one));
    for n in [24, 72, 168] {
        // Bipower variation over realised variance (Barndorff-Nielsen and Shephard 2004): below one where prices jump.
        let (smooth, whole) = (c.graph.sum(product, n), c.graph.sum(square, n));
        let scaled = c.graph.div_by(smooth, whole, std::f64::consts::FRAC_PI_2);
        c.feature(format!("bipower_ratio_{n}"), Normaliser::Ratio, "share", scaled);
        let (most, std) = (c.graph.highest(size, n), c.graph.std(one, n));
        let ratio = c.graph.div(most, std);
        c.feature(format!("largest_return_{n}"), Normaliser::Ratio, "sigma", ratio);
    }
}
