//! Log returns over several spans, and those of single bars some bars ago.

use crate::features::registry::{Columns, Normaliser};

pub(super) fn define(c: &mut Columns) {
    let close = c.graph.close();
    for n in [1, 2, 3, 5, 8, 13, 24, 48, 72, 168] {
        let bars = if n == 1 { "bar" } else { "bars" };
        let change = c.graph.log_change(close, n);
        c.feature(format!("return_{n}_{bars}"), Normaliser::Ratio, "log", change);
    }
    let one = c.graph.log_return();
    for n in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 23, 24, 48] {
        let lagged = c.graph.lag(one, n);
        c.feature(format!("return_1_bar_lag_{n}"), Normaliser::Ratio, "log", lagged);
    }
    for n in [12, 24, 72, 168] {
        let (whole, std) = (c.graph.log_change(close, n), c.graph.std(one, n));
        let scale = c.graph.scale(std, (n as f64).sqrt());
        let scaled = c.graph.div(whole, scale);
        c.feature(format!("return_over_volatility_{n}"), Normaliser::Z, "sigma", scaled);
    }
}
