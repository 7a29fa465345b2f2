//! Golden values computed apart with NumPy on the same 33 candles.

use crate::*;
use proptest::prelude::*;

const CLOSES: [f64; 33] = [
    44.34, 44.09, 44.15, 43.61, 44.33, 44.83, 45.10, 45.42, 45.84, 46.08, 45.89, 46.03, 45.61, 46.28, 46.28, 46.00,
    46.03, 46.41, 46.22, 45.64, 46.21, 46.25, 45.71, 46.45, 45.78, 45.35, 44.03, 44.18, 44.22, 44.57, 43.42, 42.66,
    43.13,
];

fn assert_near(value: Option<f64>, expected: f64) {
    let value = value.expect("the indicator is warm");
    assert!((value - expected).abs() < 1e-9 * expected.abs().max(1.0), "{value} is not {expected}");
}

fn last<T>(values: impl Iterator<Item = T>) -> T {
    values.last().expect("not empty")
}

#[test]
fn averages_equal_the_batch_values() {
    let (mut sma, mut ema) = (Sma::new(7), Ema::new(12));
    assert_near(last(CLOSES.iter().map(|c| sma.update(*c))), 43.744285714285716);
    assert_near(last(CLOSES.iter().map(|c| ema.update(*c))), 44.2842046683573);
}

#[test]
fn oscillators_equal_the_batch_values() {
    let mut rsi = Rsi::new(14);
    let values: Vec<_> = CLOSES.iter().map(|c| rsi.update(*c)).collect();
    assert_eq!(values[13], None);
    assert_near(values[14], 70.46413502109705);
    assert_near(values[32], 37.788771982057824);
    let mut macd = Macd::new(5, 10, 4);
    let value = last(CLOSES.iter().map(|c| macd.update(*c)));
    assert_near(value.line, -0.6082205441402024);
    assert_near(value.signal, -0.5410112423137581);
}

#[test]
fn spreads_equal_the_batch_values() {
    let (mut bands, mut std) = (Bollinger::new(20, 2.0), LogReturnStd::new(10));
    let (lower, upper) = last(CLOSES.iter().map(|c| bands.update(*c))).expect("warm");
    assert_near(Some(lower), 42.86184973152178);
    assert_near(Some(upper), 47.62015026847822);
    assert_near(last(CLOSES.iter().map(|c| std.update(*c))), 0.01592632274091505);
}

#[test]
fn range_and_volume_equal_the_batch_values() {
    let (mut atr, mut ratio) = (Atr::new(14), VolumeRatio::new(7));
    let step = |i: usize, n: usize| (i % n) as f64 * 0.1 + 0.05;
    let value = last(CLOSES.iter().enumerate().map(|(i, c)| atr.update(c + step(i, 4), c - step(i, 3), *c)));
    assert_near(value, 0.6464740988276649);
    assert_near(last((0..33).map(|i| ratio.update(100.0 + (i % 5) as f64 * 10.0))), 1.0120481927710843);
}

#[test]
fn a_market_that_does_not_move_has_a_neutral_index_and_no_volume_ratio() {
    let (mut rsi, mut ratio) = (Rsi::new(3), VolumeRatio::new(3));
    assert_eq!(last((0..9).map(|_| rsi.update(5.0))), Some(50.0));
    assert_eq!(last((0..9).map(|_| ratio.update(0.0))), None);
}

proptest! {
    #[test]
    fn the_rolling_form_equals_the_batch_form(
        values in proptest::collection::vec(60_000.0_f64..70_000.0, 30..200), length in 2_usize..25
    ) {
        let mut rolling = RollingStd::new(length, 1);
        for (i, value) in values.iter().enumerate() {
            let streamed = rolling.update(*value);
            if i + 1 < length {
                prop_assert_eq!(streamed, None);
                continue;
            }
            let window = &values[i + 1 - length..=i];
            let mean = window.iter().sum::<f64>() / length as f64;
            let squares: f64 = window.iter().map(|v| (v - mean) * (v - mean)).sum();
            let batch = (squares / (length - 1) as f64).sqrt();
            prop_assert!((streamed.unwrap() - batch).abs() <= 1e-9 * batch.max(1.0));
        }
    }
}
