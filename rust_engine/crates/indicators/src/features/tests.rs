//! What must hold of every kernel: windows forget, averages side by side are those alone, states go on where they were.
#![allow(clippy::type_complexity, reason = "each type is named where it is used, once")]

use super::moments::{Moments, Pair};
use super::recursive::{Bank, Garch, Smooth};
use super::ring::{Deviation, Ring};
use super::weighted::Weighted;
use super::window::{Highest, HighestAge, Stretch, Sum, Variance};
use super::*;
use std::collections::BTreeSet;

/// A walk with ties, standstill and jumps of twelve orders of magnitude, the same in every run.
fn hostile(n: usize) -> Vec<f64> {
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut level = 100.0;
    (0..n)
        .map(|at| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let share = (seed >> 11) as f64 / (1_u64 << 53) as f64;
            level *= if share > 0.7 { 1.0 } else { 0.98 + 0.04 * share };
            let jump = if (400..500).contains(&at) { 1e12 } else { 1.0 };
            if (700..800).contains(&at) { 42.0 } else { level * jump }
        })
        .collect()
}

fn windows(x: &[f64], n: usize) -> impl Iterator<Item = (usize, &[f64])> {
    x.windows(n).enumerate().map(move |(at, window)| (at + n - 1, window))
}

fn assert_near(made: f64, expected: f64, scale: f64, at: usize) {
    assert!((made - expected).abs() <= 1e-9 * scale.max(expected.abs()), "row {at}: {made} is not {expected}");
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

fn deviation(x: &[f64]) -> f64 {
    let middle = mean(x);
    mean(&x.iter().map(|v| (v - middle) * (v - middle)).collect::<Vec<_>>()).sqrt()
}

#[test]
fn the_registry_has_more_than_two_hundred_columns_of_distinct_names_and_formulas() {
    let registry = Columns::new().registry();
    let names: BTreeSet<_> = registry.features.iter().map(|f| &f.name).collect();
    let formulas: BTreeSet<_> = registry.features.iter().map(|f| &f.formula).collect();
    assert!(names.len() >= 200);
    assert_eq!(names.len(), registry.features.len());
    assert_eq!(formulas.len(), registry.features.len());
    assert!(registry.features.iter().all(|f| f.kind != Kind::Cumulative && f.normaliser != Normaliser::None));
}

#[test]
fn sums_and_extremes_are_those_of_the_window_alone() {
    let x = hostile(1_000);
    for n in [1, 2, 7, 50] {
        let mut kernels = (Sum::new(n, 1.0), Highest::new(n, 1.0), Highest::new(n, -1.0), HighestAge::new(n));
        let rows: Vec<_> = x
            .iter()
            .map(|v| (kernels.0.update(*v), kernels.1.update(*v), kernels.2.update(*v), kernels.3.update(*v)))
            .collect();
        assert!(rows[..n - 1].iter().all(|row| row.0.is_nan() && row.1.is_nan() && row.2.is_nan() && row.3.is_nan()));
        for (at, window) in windows(&x, n) {
            assert_near(rows[at].0, window.iter().sum(), 0.0, at);
            let highest = window.iter().copied().fold(f64::MIN, f64::max);
            assert_eq!(rows[at].1, highest);
            assert_eq!(rows[at].2, window.iter().copied().fold(f64::MAX, f64::min));
            let newest = window.iter().rev().position(|v| *v == highest).expect("it is one of them");
            assert_eq!(rows[at].3, newest as f64);
        }
    }
}

#[test]
fn a_jump_that_left_the_window_leaves_no_rounding_in_its_deviation() {
    let x = hostile(1_000);
    for n in [2, 10, 50] {
        let mut kernel = Variance::new(n);
        let made: Vec<_> = x.iter().map(|v| kernel.update(*v)).collect();
        for (at, window) in windows(&x, n) {
            // Where values hardly differ, the rounding of the values themselves is what there is.
            assert_near(made[at], deviation(window), mean(window).abs() * 1e-5, at);
        }
        assert!(made[700 + n..800].iter().all(|std| *std == 0.0), "a market that stands still does not deviate");
    }
}

#[test]
fn many_rows_at_once_are_the_same_bits_as_one_by_one() {
    let mut x = hostile(1_000);
    x[250] = f64::NAN;
    fn both(make: impl Fn() -> Box<dyn FnMut(&[f64], &mut [f64])>, x: &[f64], parts: usize) -> Vec<u64> {
        let mut kernel = make();
        let mut made = vec![0.0; x.len()];
        for (x, made) in x.chunks(parts).zip(made.chunks_mut(parts)) {
            kernel(x, made);
        }
        made.into_iter().map(|v| if v.is_nan() { 0 } else { v.to_bits() }).collect()
    }
    fn stretch(mut window: impl Stretch + 'static) -> Box<dyn FnMut(&[f64], &mut [f64])> {
        Box::new(move |x, made| match x {
            [one] => made[0] = window.update(*one),
            many => window.run(many, made),
        })
    }
    let kernels: [fn() -> Box<dyn FnMut(&[f64], &mut [f64])>; 8] = [
        || stretch(Sum::new(20, 0.05)),
        || stretch(Highest::new(20, 1.0)),
        || stretch(Highest::new(50, -1.0)),
        || stretch(Variance::new(20)),
        || stretch(Weighted::mean(20)),
        || stretch(Weighted::slope(20)),
        || {
            let mut ring = Ring::new(20);
            Box::new(move |x, made| ring.swap_all(x, made))
        },
        || {
            let mut window = Deviation::new(20);
            Box::new(move |x, made| window.run(x, &vec![100.0; x.len()], made))
        },
    ];
    for (at, kernel) in kernels.iter().enumerate() {
        let alone = both(kernel, &x, 1);
        for parts in [2, 7, 20, 21, 120] {
            assert!(both(kernel, &x, parts) == alone, "kernel {at} in parts of {parts}");
        }
    }
}

#[test]
fn averages_side_by_side_are_those_alone() {
    let x = hostile(300);
    let make = || [Smooth::ema(5), Smooth::wilder(14), Smooth::directional(7), Smooth::decaying(0.97, 20)];
    let (mut bank, mut alone) = (Bank::new(make()), make());
    for (at, value) in x.iter().enumerate() {
        let shifted = std::array::from_fn(|k| if at < 10 * k || at == 150 { f64::NAN } else { *value });
        let together = bank.update(shifted);
        for k in 0..4 {
            let single = alone[k].update(shifted[k]);
            assert!(single.to_bits() == together[k].to_bits() || (single.is_nan() && together[k].is_nan()));
        }
    }
}

#[test]
fn shapes_equal_numbers_computed_apart() {
    let x = [0.1, -0.2, 0.05, 0.3, -0.15, 0.02, -0.01, 0.4];
    let y = [0.2, -0.1, 0.0, 0.25, -0.2, 0.05, 0.1, 0.3];
    let last =
        |f: &mut dyn FnMut(f64, f64) -> f64| x.iter().zip(&y).map(|(x, y)| f(*x, *y)).last().expect("there are values");
    let (mut skewness, mut kurtosis) = (Moments::new(8), Moments::new(8));
    assert_near(last(&mut |x, _| skewness.skewness(x)), 0.403_969_474_688_907_9, 0.0, 7);
    assert_near(last(&mut |x, _| kurtosis.kurtosis(x)), -0.869_533_601_268_094_5, 0.0, 7);
    let (mut correlation, mut beta, mut covariance) = (Pair::new(8), Pair::new(8), Pair::new(8));
    assert_near(last(&mut |x, y| correlation.correlation(x, y)), 0.914_140_820_013_435_4, 0.0, 7);
    assert_near(last(&mut |x, y| beta.beta(x, y)), 1.079_761_904_761_905, 0.0, 7);
    assert_near(last(&mut |x, y| covariance.covariance(x, y)), 0.028_343_75, 0.0, 7);
    let (mut weighted, mut slope) = (Weighted::mean(5), Weighted::slope(5));
    assert_near(last(&mut |x, _| weighted.update(x)), 0.134_666_666_666_666_66, 0.0, 7);
    assert_near(last(&mut |x, _| slope.update(x)), 0.034, 0.0, 7);
    let mut rank = Ring::new(5);
    assert_near(last(&mut |x, _| rank.rank(x)), 0.9, 0.0, 7);
}

#[test]
fn garch_starts_at_the_variance_of_its_first_returns() {
    let mut garch = Garch::new();
    let returns = [0.01, -0.02].repeat(25);
    let made: Vec<_> = returns.iter().map(|r| garch.update(*r)).collect();
    assert!(made[..49].iter().all(|h| h.is_nan()));
    let start = (0.01_f64.powi(2) + 0.02_f64.powi(2)) / 2.0;
    assert_near(made[49], 0.02 * start + 0.08 * 0.02 * 0.02 + 0.90 * start, 0.0, 49);
}

fn candle(at: i64, close: f64) -> Candle {
    Candle { opened_at_ms: at * 60_000, open: close, high: close * 1.01, low: close * 0.99, close, volume: 2.0 }
}

#[test]
fn runs_begin_at_gaps_and_revisions_and_a_repeat_belongs_to_its_run() {
    let columns = Columns::new();
    let mut stream = FeatureStream::new(&columns, &["return_1_bar"], 60_000).expect("it is a column");
    let mut out = [0.0];
    let mut place = |at: i64, close: f64| (stream.update(&candle(at, close), None, &mut out), stream.segment());
    assert_eq!(place(0, 10.0), (Place::First, 0));
    assert_eq!(place(1, 11.0), (Place::Next, 0));
    assert_eq!(place(1, 11.0), (Place::Again, 0));
    assert_eq!(place(1, 12.0), (Place::First, 1));
    assert_eq!(place(3, 12.0), (Place::First, 2));
    assert_eq!(place(2, 12.0), (Place::First, 3));
    assert_eq!(place(3, f64::NAN), (Place::Unsound, 4));
    assert_eq!(place(4, 12.0), (Place::First, 5));
    assert_eq!(place(5, 1e30), (Place::Unsound, 6));
}

#[test]
fn the_share_of_a_month_counts_its_own_days() {
    let columns = Columns::new();
    let mut stream = FeatureStream::new(&columns, &["month_sin", "month_cos", "weekday"], 60_000).expect("columns");
    let mut out = [0.0; 3];
    // 2024-02-15 12:00 is the middle of a February of 29 days, less 0 days; a Thursday.
    let at_ms = 1_707_998_400_000;
    stream.update(&Candle { opened_at_ms: at_ms - 60_000, ..candle(0, 1.0) }, None, &mut out);
    let angle = std::f64::consts::TAU * 14.5 / 29.0;
    assert_near(out[0], angle.sin(), 1.0, 0);
    assert_near(out[1], angle.cos(), 1.0, 0);
    assert_eq!(out[2], 3.0);
}

#[test]
fn a_column_nobody_knows_is_named() {
    let unknown = FeatureStream::new(&Columns::new(), &["rsi_14", "rsi_15"], 60_000).expect_err("it is none");
    assert_eq!(unknown.to_string(), "'rsi_15' is no feature and no indicator");
}

/// Two columns whose states are of one size, defined in either order.
fn twins(is_close_first: bool) -> Columns {
    let mut columns = Columns::default();
    let (close, volume) = (columns.graph.close(), columns.graph.volume());
    let mut mean = |of: bool| columns.graph.mean(if of { close } else { volume }, 5);
    let made = [mean(is_close_first), mean(!is_close_first)];
    let [of_close, of_volume] = if is_close_first { made } else { [made[1], made[0]] };
    columns.indicator("close", of_close);
    columns.indicator("volume", of_volume);
    columns
}

#[test]
fn a_state_of_a_build_with_another_order_of_kernels_is_refused() {
    let stream = |is_close_first: bool| {
        let names = ["raw.close", "raw.volume"];
        FeatureStream::new(&twins(is_close_first), &names, 60_000).expect("they are columns")
    };
    let mut kept = stream(true);
    let mut out = [0.0; 2];
    (0..7).for_each(|at| _ = kept.update(&candle(at, 10.0), None, &mut out));
    let state = kept.state();
    assert_eq!(stream(false).state().len(), stream(true).state().len(), "only the order tells them apart");
    assert_eq!(stream(true).restore(&state), Ok(()));
    assert_eq!(stream(false).restore(&state), Err(StateRefused::Foreign));
}
