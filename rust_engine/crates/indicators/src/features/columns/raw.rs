//! Indicators as charting programs have them: price levels and running sums among them, so no features. Names begin with
//! `raw.`; conventions are those of TA-Lib.

use super::momentum::{cci, mfi, rsi, stochastic, willr};
use super::trend::{dema, directional, dx, macd, tema, trix};
use super::volume::{close_location, signed_volume};
use crate::features::registry::Columns;

pub(super) fn define(c: &mut Columns) {
    averages(c);
    oscillators(c);
    spreads(c);
    volumes(c);
}

fn averages(c: &mut Columns) {
    let close = c.graph.close();
    for n in [10, 20, 50, 100, 200] {
        let average = c.graph.mean(close, n);
        c.indicator(format!("sma_{n}"), average);
    }
    for n in [9, 12, 26, 50, 200] {
        let average = c.graph.ema(close, n);
        c.indicator(format!("ema_{n}"), average);
    }
    for n in [10, 20] {
        let average = c.graph.wma(close, n);
        c.indicator(format!("wma_{n}"), average);
    }
    for n in [20, 50] {
        let average = dema(&mut c.graph, close, n);
        c.indicator(format!("dema_{n}"), average);
        let average = tema(&mut c.graph, close, n);
        c.indicator(format!("tema_{n}"), average);
    }
    let change = trix(&mut c.graph, close, 15);
    c.indicator("trix_15", change);
    let parts = macd(&mut c.graph, 12, 26, 9);
    for (name, part) in ["macd", "macd_signal", "macd_histogram"].into_iter().zip(parts) {
        c.indicator(format!("{name}_12_26_9"), part);
    }
}

fn oscillators(c: &mut Columns) {
    for n in [7, 14, 21] {
        let strength = rsi(&mut c.graph, n);
        c.indicator(format!("rsi_{n}"), strength);
    }
    let strength = dx(&mut c.graph, 14);
    let average = c.graph.wilder(strength, 14);
    c.indicator("adx_14", average);
    let [plus, minus] = directional(&mut c.graph, 14);
    c.indicator("plus_di_14", plus);
    c.indicator("minus_di_14", minus);
    for n in [14, 20] {
        let index = cci(&mut c.graph, n);
        c.indicator(format!("cci_{n}"), index);
    }
    let close = c.graph.close();
    for n in [10, 20] {
        let moved = c.graph.change(close, n);
        c.indicator(format!("mom_{n}"), moved);
        let before = c.graph.lag(close, n);
        let percent = c.graph.ratio_by(close, before, 100.0);
        c.indicator(format!("roc_{n}"), percent);
    }
    let fast = stochastic(&mut c.graph, 14);
    let slow = c.graph.mean(fast, 3);
    c.indicator("stoch_k_14_3_3", slow);
    let signal = c.graph.mean(slow, 3);
    c.indicator("stoch_d_14_3_3", signal);
    let position = willr(&mut c.graph, 14);
    c.indicator("willr_14", position);
}

fn spreads(c: &mut Columns) {
    let close = c.graph.close();
    let (middle, std) = (c.graph.mean(close, 20), c.graph.std(close, 20));
    let (upper, lower) = (c.graph.line(middle, std, 2.0), c.graph.line(middle, std, -2.0));
    c.indicator("bb_upper_20", upper);
    c.indicator("bb_middle_20", middle);
    c.indicator("bb_lower_20", lower);
    let range = c.graph.true_range();
    for n in [7, 14] {
        let average = c.graph.wilder(range, n);
        c.indicator(format!("atr_{n}"), average);
    }
    for n in [10, 20] {
        let std = c.graph.std(close, n);
        c.indicator(format!("std_{n}"), std);
    }
    for n in [20, 50] {
        let top = c.graph.highest(close, n);
        c.indicator(format!("max_{n}"), top);
        let bottom = c.graph.lowest(close, n);
        c.indicator(format!("min_{n}"), bottom);
    }
}

fn volumes(c: &mut Columns) {
    let volume = c.graph.volume();
    let signed = signed_volume(&mut c.graph);
    let balance = c.graph.total(signed);
    c.indicator("obv", balance);
    let location = close_location(&mut c.graph);
    let flow = c.graph.mul(location, volume);
    let line = c.graph.total(flow);
    c.indicator("ad", line);
    let index = mfi(&mut c.graph, 14);
    c.indicator("mfi_14", index);
    let typical = c.graph.typical();
    let turnover = c.graph.mul(typical, volume);
    let (paid, traded) = (c.graph.total(turnover), c.graph.total(volume));
    let average = c.graph.div(paid, traded);
    c.indicator("vwap", average);
}
