//! The shape of the newest candles.

use super::volume::close_location;
use crate::features::registry::{Columns, Normaliser};

pub(super) fn define(c: &mut Columns) {
    parts(c);
    patterns(c);
}

fn parts(c: &mut Columns) {
    let g = &mut c.graph;
    let (open, high, low, close) = (g.open(), g.high(), g.low(), g.close());
    let (whole, body) = (g.sub(high, low), g.sub(close, open));
    let (top, bottom) = (g.larger(open, close), g.smaller(open, close));
    let (above, below) = (g.sub(high, top), g.sub(bottom, low));
    let [body, upper, lower] = [body, above, below].map(|part| g.div(part, whole));
    let location = close_location(g);
    for (name, part) in [("body_ratio", body), ("upper_wick_ratio", upper), ("lower_wick_ratio", lower)] {
        c.feature(name, Normaliser::Bounded, "share of range", part);
        for n in [1, 2] {
            let before = c.graph.lag(part, n);
            c.feature(format!("{name}_lag_{n}"), Normaliser::Bounded, "share of range", before);
        }
        let mean = c.graph.mean(part, 10);
        c.feature(format!("{name}_mean_10"), Normaliser::Bounded, "share of range", mean);
    }
    c.feature("close_location", Normaliser::Bounded, "-1..1", location);
    for n in [5, 24] {
        let mean = c.graph.mean(location, n);
        c.feature(format!("close_location_mean_{n}"), Normaliser::Bounded, "-1..1", mean);
    }
    let body = c.graph.log(close, open);
    c.feature("body_return", Normaliser::Ratio, "log", body);
    let previous = c.graph.previous_close();
    let gap = c.graph.log(open, previous);
    c.feature("gap_return", Normaliser::Ratio, "log", gap);
    let range = c.graph.log(high, low);
    c.feature("range_return", Normaliser::Ratio, "log", range);
    for n in [20, 100] {
        let mean = c.graph.mean(range, n);
        let ratio = c.graph.div(range, mean);
        c.feature(format!("range_over_mean_{n}"), Normaliser::Ratio, "share", ratio);
    }
}

fn patterns(c: &mut Columns) {
    let g = &mut c.graph;
    let (open, high, low, close) = (g.open(), g.high(), g.low(), g.close());
    let (rise, sink) = (g.change(high, 1), g.change(low, 1));
    let (higher, lower) = (g.sign(rise), g.sign(sink));
    // 1 where high and low both rose, -1 where both fell, 0 for an inside or an outside bar.
    let both = g.add_up(higher, lower);
    let shift = g.scale(both, 0.5);
    // 1 for an outside bar, -1 for an inside bar.
    let apart = g.sub(higher, lower);
    let reach = g.scale(apart, 0.5);
    let body = g.sub(close, open);
    let direction = g.sign(body);
    let before = g.lag(body, 1);
    let turned = g.add_up(body, before);
    // Two bodies over the larger of them: 2 when alike, 0 when the second takes the first back.
    let (size, last) = (g.abs(body), g.abs(before));
    let largest = g.larger(size, last);
    let follow = g.div(turned, largest);
    let streak = g.mean(direction, 3);
    c.feature("bar_shift", Normaliser::Bounded, "-1..1", shift);
    c.feature("bar_reach", Normaliser::Bounded, "-1..1", reach);
    c.feature("body_follow", Normaliser::Bounded, "-2..2", follow);
    c.feature("body_direction_mean_3", Normaliser::Bounded, "-1..1", streak);
}
