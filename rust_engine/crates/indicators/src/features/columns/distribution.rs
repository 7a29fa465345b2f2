//! The shape of returns and how they follow each other.

use crate::features::registry::{Columns, Normaliser};

pub(super) fn define(c: &mut Columns) {
    shapes(c);
    memory(c);
    ranks(c);
}

fn shapes(c: &mut Columns) {
    let one = c.graph.log_return();
    for n in [24, 72, 168] {
        let skewness = c.graph.skewness(one, n);
        c.feature(format!("skewness_{n}"), Normaliser::Coefficient, "1", skewness);
        let kurtosis = c.graph.kurtosis(one, n);
        c.feature(format!("kurtosis_{n}"), Normaliser::Coefficient, "1", kurtosis);
    }
}

fn memory(c: &mut Columns) {
    let (close, one) = (c.graph.close(), c.graph.log_return());
    for (lag, n) in [(1, 24), (1, 72), (1, 168), (2, 72), (3, 72), (24, 168)] {
        let before = c.graph.lag(one, lag);
        let correlation = c.graph.correlation(one, before, n);
        c.feature(format!("autocorrelation_{lag}_{n}"), Normaliser::Coefficient, "-1..1", correlation);
    }
    let size = c.graph.abs(one);
    let before = c.graph.lag(size, 1);
    for n in [72, 168] {
        let correlation = c.graph.correlation(size, before, n);
        c.feature(format!("size_autocorrelation_1_{n}"), Normaliser::Coefficient, "-1..1", correlation);
    }
    for (q, n) in [(2, 72), (4, 72), (8, 168), (24, 168)] {
        // Lo and MacKinlay (1988), overlapping: one for a random walk.
        let whole = c.graph.log_change(close, q);
        let (long, short) = (c.graph.std(whole, n), c.graph.std(one, n));
        let ratio = c.graph.div(long, short);
        let square = c.graph.mul(ratio, ratio);
        let scaled = c.graph.scale(square, 1.0 / q as f64);
        c.feature(format!("variance_ratio_{q}_{n}"), Normaliser::Ratio, "share", scaled);
    }
    for n in [72, 168] {
        // Slope of the logarithm of the deviation between spans of 2 and 16 bars: one half for a random walk.
        let (short, long) = (c.graph.log_change(close, 2), c.graph.log_change(close, 16));
        let (short, long) = (c.graph.std(short, n), c.graph.std(long, n));
        let ratio = c.graph.log(long, short);
        let slope = c.graph.scale(ratio, 1.0 / 8.0_f64.ln());
        c.feature(format!("hurst_2_16_{n}"), Normaliser::Coefficient, "1", slope);
    }
    let change = c.graph.change(close, 1);
    let step = c.graph.abs(change);
    for n in [10, 24, 72, 168] {
        let (net, path) = (c.graph.change(close, n), c.graph.sum(step, n));
        let ratio = c.graph.div(net, path);
        c.feature(format!("efficiency_ratio_{n}"), Normaliser::Bounded, "-1..1", ratio);
    }
}

fn ranks(c: &mut Columns) {
    let (close, one) = (c.graph.close(), c.graph.log_return());
    let rising = c.graph.between(one, f64::MIN_POSITIVE, f64::INFINITY);
    for n in [6, 12, 24, 72] {
        let share = c.graph.mean(rising, n);
        c.feature(format!("rising_share_{n}"), Normaliser::Bounded, "0..1", share);
    }
    for n in [24, 100] {
        let rank = c.graph.rank(one, n);
        c.feature(format!("return_rank_{n}"), Normaliser::Rank, "0..1", rank);
        let rank = c.graph.rank(close, n);
        c.feature(format!("close_rank_{n}"), Normaliser::Rank, "0..1", rank);
    }
}
