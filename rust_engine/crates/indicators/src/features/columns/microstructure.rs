//! What trading costs and which side presses: from bars alone, and from books and trades where there are any.

use super::volume::signed_volume;
use crate::features::graph::{Graph, Series};
use crate::features::input::Input;
use crate::features::registry::{Columns, Normaliser};

/// `beta(return, flow)` times the mean size of the flow: the return, in basis points, that a flow of mean size comes with
/// (Kyle 1985).
fn kyle_lambda(g: &mut Graph, flow: Series, n: usize) -> Series {
    let one = g.log_return();
    let (size, impact) = (g.abs(flow), g.beta(one, flow, n));
    let mean = g.mean(size, n);
    let moved = g.mul(impact, mean);
    g.scale(moved, 1e4)
}

pub(super) fn define(c: &mut Columns) {
    liquidity(c);
    spreads(c);
    pressure(c);
}

fn liquidity(c: &mut Columns) {
    let g = &mut c.graph;
    let (close, volume, one) = (g.close(), g.volume(), g.log_return());
    let (size, turnover) = (g.abs(one), g.mul(close, volume));
    // Amihud (2002), a return a unit of turnover, as a quotient of sums so that a silent bar has a place: only quotients of
    // it are comparable between symbols.
    for (fast, slow) in [(6, 72), (24, 168)] {
        let [quick, steady] = [fast, slow].map(|n| {
            let (moved, traded) = (c.graph.sum(size, n), c.graph.sum(turnover, n));
            c.graph.div(moved, traded)
        });
        let ratio = c.graph.div(quick, steady);
        c.feature(format!("amihud_ratio_{fast}_{slow}"), Normaliser::Ratio, "share", ratio);
    }
    let flow = signed_volume(&mut c.graph);
    for n in [24, 72, 168] {
        let lambda = kyle_lambda(&mut c.graph, flow, n);
        c.feature(format!("kyle_lambda_bps_{n}"), Normaliser::Ratio, "bps", lambda);
    }
    let correlation = c.graph.correlation(one, flow, 72);
    c.feature("kyle_correlation_72", Normaliser::Coefficient, "-1..1", correlation);
    let still = c.graph.between(size, 0.0, f64::MIN_POSITIVE);
    let share = c.graph.mean(still, 24);
    c.feature("zero_return_share_24", Normaliser::Ratio, "share", share);
}

fn spreads(c: &mut Columns) {
    let g = &mut c.graph;
    let one = g.log_return();
    let before = g.lag(one, 1);
    for n in [24, 72] {
        // Roll (1984): twice the root of the negated covariance, zero where returns follow each other.
        let g = &mut c.graph;
        let covariance = g.covariance(one, before, n);
        let bounce = g.negative(covariance);
        let root = g.sqrt(bounce);
        let bps = g.scale(root, 2e4);
        c.feature(format!("roll_spread_bps_{n}"), Normaliser::Ratio, "bps", bps);
    }
    let g = &mut c.graph;
    let (high, low) = (g.high(), g.low());
    let range = g.log(high, low);
    let square = g.mul(range, range);
    let beta = g.sum(square, 2);
    let (top, bottom) = (g.highest(high, 2), g.lowest(low, 2));
    let both = g.log(top, bottom);
    let gamma = g.mul(both, both);
    let spread = g.corwin_schultz(beta, gamma);
    for n in [24, 72] {
        let mean = c.graph.mean(spread, n);
        let bps = c.graph.scale(mean, 1e4);
        c.feature(format!("corwin_schultz_bps_{n}"), Normaliser::Ratio, "bps", bps);
    }
}

fn pressure(c: &mut Columns) {
    let g = &mut c.graph;
    let (volume, one) = (g.volume(), g.log_return());
    let std = g.std(one, 24);
    let z = g.div(one, std);
    // Bulk classification (Easley, Lopez de Prado and O'Hara 2012), the normal distribution by a logistic one (error < 0.01).
    let steep = g.scale(z, 1.702);
    let bought = g.logistic(steep);
    let twice = g.scale(bought, 2.0);
    let side = g.offset(twice, -1.0);
    let flow = g.mul(side, volume);
    let size = g.abs(flow);
    for n in [24, 72] {
        let (toxic, net, traded) = (c.graph.sum(size, n), c.graph.sum(flow, n), c.graph.sum(volume, n));
        let share = c.graph.div(toxic, traded);
        c.feature(format!("bulk_vpin_{n}"), Normaliser::Bounded, "0..1", share);
        let balance = c.graph.div(net, traded);
        c.feature(format!("bulk_balance_{n}"), Normaliser::Bounded, "-1..1", balance);
    }
}

pub(super) fn define_book(c: &mut Columns) {
    quotes(c);
    trades(c);
}

fn quotes(c: &mut Columns) {
    let g = &mut c.graph;
    let (bid, ask) = (g.input(Input::Bid), g.input(Input::Ask));
    let (bid_qty, ask_qty) = (g.input(Input::BidQty), g.input(Input::AskQty));
    let (width, both) = (g.sub(ask, bid), g.add_up(ask, bid));
    let spread = g.div_by(width, both, 2e4);
    let imbalance = g.balance(bid_qty, ask_qty);
    // Mean price weighted with the other side's quantity, from the middle, in half spreads is the imbalance; in basis points
    // of the price it also says how much that is.
    let half = g.mul(spread, imbalance);
    let micro = g.scale(half, 0.5);
    let middle = g.scale(both, 0.5);
    let close = g.close();
    let off = g.log(close, middle);
    let off = g.scale(off, 1e4);
    let depth = g.add_up(bid_qty, ask_qty);
    let usual = g.mean(depth, 24);
    let depth = g.div(depth, usual);
    let mean_spread = g.mean(spread, 24);
    let wide = g.div(spread, mean_spread);
    let mean_imbalance = g.mean(imbalance, 12);
    c.feature("book_spread_bps", Normaliser::Ratio, "bps", spread);
    c.feature("book_spread_ratio_24", Normaliser::Ratio, "share", wide);
    c.feature("book_imbalance", Normaliser::Bounded, "-1..1", imbalance);
    c.feature("book_imbalance_mean_12", Normaliser::Bounded, "-1..1", mean_imbalance);
    c.feature("book_microprice_bps", Normaliser::Ratio, "bps", micro);
    c.feature("book_close_offset_bps", Normaliser::Ratio, "bps", off);
    c.feature("book_depth_ratio_24", Normaliser::Ratio, "share", depth);
}

fn trades(c: &mut Columns) {
    let g = &mut c.graph;
    let (flow, volume, count) = (g.input(Input::OrderFlow), g.volume(), g.input(Input::TradeCount));
    let (bought, sold) = (g.input(Input::BuyVolume), g.input(Input::SellVolume));
    let (net, both) = (g.sub(bought, sold), g.add_up(bought, sold));
    for n in [1, 12, 24] {
        let g = &mut c.graph;
        let (flowed, traded) = (g.sum(flow, n), g.sum(volume, n));
        let share = g.div(flowed, traded);
        c.feature(format!("order_flow_imbalance_{n}"), Normaliser::Ratio, "share of volume", share);
        let g = &mut c.graph;
        let (net, all) = (g.sum(net, n), g.sum(both, n));
        let share = g.div(net, all);
        c.feature(format!("trade_imbalance_{n}"), Normaliser::Bounded, "-1..1", share);
    }
    let g = &mut c.graph;
    let size = g.abs(net);
    let (toxic, all) = (g.sum(size, 50), g.sum(both, 50));
    let vpin = g.div(toxic, all);
    let lambda = kyle_lambda(g, net, 24);
    let impact = kyle_lambda(g, flow, 24);
    let each = g.div(both, count);
    let usual = g.mean(each, 24);
    let sized = g.div(each, usual);
    let busy = g.mean(count, 24);
    let busy = g.div(count, busy);
    c.feature("trade_vpin_50", Normaliser::Bounded, "0..1", vpin);
    c.feature("trade_kyle_lambda_bps_24", Normaliser::Ratio, "bps", lambda);
    c.feature("order_flow_impact_bps_24", Normaliser::Ratio, "bps", impact);
    c.feature("trade_size_ratio_24", Normaliser::Ratio, "share", sized);
    c.feature("trade_count_ratio_24", Normaliser::Ratio, "share", busy);
}
