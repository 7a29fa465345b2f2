//! How much was traded, on which side of the bars, and at what prices.

use crate::features::graph::{Graph, Series};
use crate::features::registry::{Columns, Normaliser};

/// Volume-weighted mean of the typical price over the last `n` bars.
fn vwap(g: &mut Graph, n: usize) -> Series {
    let (typical, volume) = (g.typical(), g.volume());
    let turnover = g.mul(typical, volume);
    let (paid, traded) = (g.sum(turnover, n), g.sum(volume, n));
    g.div(paid, traded)
}

/// Where the close is in its bar, -1 at the low to 1 at the high; 0 for a bar without a range.
pub(super) fn close_location(g: &mut Graph) -> Series {
    let (close, high, low) = (g.close(), g.high(), g.low());
    g.location_of(close, low, high)
}

/// Volume with the sign of the bar's change of close.
pub(super) fn signed_volume(g: &mut Graph) -> Series {
    let (close, volume) = (g.close(), g.volume());
    let change = g.change(close, 1);
    g.signed(volume, change)
}

fn share_of_volume(c: &mut Columns, flow: Series, n: usize) -> Series {
    let volume = c.graph.volume();
    let (flowed, traded) = (c.graph.sum(flow, n), c.graph.sum(volume, n));
    c.graph.div(flowed, traded)
}

pub(super) fn define(c: &mut Columns) {
    levels(c);
    flows(c);
}

fn levels(c: &mut Columns) {
    let volume = c.graph.volume();
    for n in [5, 20, 50, 100] {
        let mean = c.graph.mean(volume, n);
        let ratio = c.graph.div(volume, mean);
        c.feature(format!("volume_ratio_{n}"), Normaliser::Ratio, "share", ratio);
    }
    for n in [24, 72, 168] {
        let z = c.graph.z_score(volume, n);
        c.feature(format!("volume_z_{n}"), Normaliser::Z, "sigma", z);
    }
    let (quick, steady) = (c.graph.ema(volume, 12), c.graph.ema(volume, 26));
    let ratio = c.graph.ratio(quick, steady);
    c.feature("volume_ema_cross_12_26", Normaliser::Ratio, "share", ratio);
    for n in [1, 24] {
        let change = c.graph.log_change(volume, n);
        let bars = if n == 1 { "bar" } else { "bars" };
        c.feature(format!("volume_change_{n}_{bars}"), Normaliser::Ratio, "log", change);
    }
    let (slope, mean) = (c.graph.slope(volume, 20), c.graph.mean(volume, 20));
    let trend = c.graph.div(slope, mean);
    c.feature("volume_slope_20", Normaliser::Ratio, "share/bar", trend);
    let rank = c.graph.rank(volume, 100);
    c.feature("volume_rank_100", Normaliser::Rank, "0..1", rank);
    let quiet = c.graph.between(volume, 0.0, f64::MIN_POSITIVE);
    let share = c.graph.mean(quiet, 24);
    c.feature("zero_volume_share_24", Normaliser::Ratio, "share", share);
    let close = c.graph.close();
    for n in [20, 50, 100] {
        let average = vwap(&mut c.graph, n);
        let distance = c.graph.log(close, average);
        c.feature(format!("vwap_distance_{n}"), Normaliser::Ratio, "log", distance);
    }
}

fn flows(c: &mut Columns) {
    let (close, volume) = (c.graph.close(), c.graph.volume());
    let signed = signed_volume(&mut c.graph);
    for n in [10, 20, 50] {
        let share = share_of_volume(c, signed, n);
        c.feature(format!("obv_change_{n}"), Normaliser::Bounded, "-1..1", share);
    }
    let location = close_location(&mut c.graph);
    let flow = c.graph.mul(location, volume);
    for n in [10, 20, 50] {
        let share = share_of_volume(c, flow, n);
        c.feature(format!("ad_change_{n}"), Normaliser::Bounded, "-1..1", share);
    }
    let (quick, steady, traded) = (c.graph.ema(flow, 3), c.graph.ema(flow, 10), c.graph.ema(volume, 10));
    let difference = c.graph.sub(quick, steady);
    let ratio = c.graph.div(difference, traded);
    c.feature("ad_flow_cross_3_10", Normaliser::Ratio, "share", ratio);
    let change = c.graph.change(close, 1);
    let force = c.graph.mul(change, volume);
    let (force, traded) = (c.graph.ema(force, 13), c.graph.ema(volume, 13));
    let mean = c.graph.div(force, traded);
    let ratio = c.graph.div(mean, close);
    c.feature("force_index_ratio_13", Normaliser::Ratio, "share", ratio);
    let one = c.graph.log_return();
    let weighted = c.graph.mul(one, volume);
    for n in [20, 72] {
        let share = share_of_volume(c, weighted, n);
        c.feature(format!("volume_weighted_return_{n}"), Normaliser::Ratio, "log", share);
    }
    // Over the mean, not as a logarithm, so that one silent bar does not empty the window.
    let (more, mean) = (c.graph.change(volume, 1), c.graph.mean(volume, 24));
    let (size, grown) = (c.graph.abs(one), c.graph.div(more, mean));
    for n in [24, 72, 168] {
        let moved = c.graph.correlation(one, grown, n);
        c.feature(format!("return_volume_correlation_{n}"), Normaliser::Coefficient, "-1..1", moved);
    }
    let sized = c.graph.correlation(size, grown, 72);
    c.feature("size_volume_correlation_72", Normaliser::Coefficient, "-1..1", sized);
}
