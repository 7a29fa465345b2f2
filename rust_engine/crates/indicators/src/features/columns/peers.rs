//! Other symbols: who leads, who lags, and how far apart they are.

use crate::features::graph::Series;
use crate::features::input::Input;
use crate::features::registry::{Columns, Normaliser};

pub(super) fn define(c: &mut Columns) {
    for (name, input) in [("btc", Input::BtcClose), ("eth", Input::EthClose)] {
        leader(c, name, input);
    }
    market(c);
}

fn leader(c: &mut Columns, name: &str, input: Input) {
    let peer = c.graph.input(input);
    let theirs = c.graph.log_change(peer, 1);
    lagged(c, name, theirs);
    let close = c.graph.close();
    for n in [6, 24, 168] {
        let (own, other) = (c.graph.log_change(close, n), c.graph.log_change(peer, n));
        c.feature(format!("{name}_return_{n}_bars"), Normaliser::Ratio, "log", other);
        let ahead = c.graph.sub(own, other);
        c.feature(format!("{name}_relative_return_{n}"), Normaliser::Difference, "log", ahead);
    }
    together(c, name, theirs);
    // A quotient of prices, so that the deviations from its mean are the same in any units.
    let quotient = c.graph.div(close, peer);
    for n in [72, 168] {
        let z = c.graph.z_score(quotient, n);
        c.feature(format!("{name}_spread_z_{n}"), Normaliser::Z, "sigma", z);
    }
}

fn lagged(c: &mut Columns, name: &str, theirs: Series) {
    c.feature(format!("{name}_return_1_bar"), Normaliser::Ratio, "log", theirs);
    for n in [1, 2, 3] {
        let before = c.graph.lag(theirs, n);
        c.feature(format!("{name}_return_1_bar_lag_{n}"), Normaliser::Ratio, "log", before);
    }
}

fn together(c: &mut Columns, name: &str, theirs: Series) {
    let own = c.graph.log_return();
    for n in [24, 72, 168] {
        let correlation = c.graph.correlation(own, theirs, n);
        c.feature(format!("{name}_correlation_{n}"), Normaliser::Coefficient, "-1..1", correlation);
    }
    for n in [72, 168] {
        let beta = c.graph.beta(own, theirs, n);
        c.feature(format!("{name}_beta_{n}"), Normaliser::Coefficient, "1", beta);
    }
    let (before, earlier) = (c.graph.lag(theirs, 1), c.graph.lag(own, 1));
    let leads = c.graph.correlation(own, before, 168);
    c.feature(format!("{name}_lead_correlation_168"), Normaliser::Coefficient, "-1..1", leads);
    let lags = c.graph.correlation(earlier, theirs, 168);
    c.feature(format!("{name}_lag_correlation_168"), Normaliser::Coefficient, "-1..1", lags);
}

fn market(c: &mut Columns) {
    let theirs = c.graph.input(Input::MarketReturn);
    lagged(c, "market", theirs);
    together(c, "market", theirs);
    let close = c.graph.close();
    for n in [6, 24] {
        let (own, other) = (c.graph.log_change(close, n), c.graph.sum(theirs, n));
        c.feature(format!("market_return_{n}_bars"), Normaliser::Ratio, "log", other);
        let ahead = c.graph.sub(own, other);
        c.feature(format!("market_relative_return_{n}"), Normaliser::Difference, "log", ahead);
    }
}
