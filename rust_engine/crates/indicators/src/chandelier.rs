//! The chandelier exit of LeBeau: a stop that hangs from the highest high, or stands on the lowest low.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The largest of the last `n` values, amortised constant time: only values that may still become the largest are kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct RollingMax {
    length: u64,
    seen: u64,
    candidates: VecDeque<(u64, f64)>,
}

impl RollingMax {
    fn new(length: usize) -> Self {
        Self { length: length as u64, seen: 0, candidates: VecDeque::with_capacity(length) }
    }

    fn update(&mut self, value: f64) -> f64 {
        while self.candidates.back().is_some_and(|(_, last)| *last <= value) {
            self.candidates.pop_back();
        }
        self.candidates.push_back((self.seen, value));
        self.seen += 1;
        while self.candidates.front().is_some_and(|(at, _)| at + self.length < self.seen) {
            self.candidates.pop_front();
        }
        self.candidates.front().map_or(value, |(_, largest)| *largest)
    }
}

/// Stops of both sides, in price units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChandelierStops {
    /// Of a long position: highest high of `n` candles minus `m` average true ranges.
    pub long: f64,
    /// Of a short position: lowest low of `n` candles plus `m` average true ranges.
    pub short: f64,
}

/// Chandelier exit over `n` candles and `m` average true ranges. The average is exponential with weight `2 / (n + 1)` and starts
/// at the range of the first candle, so that there is a value from the first candle on; 22 and 3 are the classic numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Chandelier {
    highest: RollingMax,
    /// Of the lows with their sign turned.
    lowest: RollingMax,
    weight: f64,
    multiple: f64,
    previous_close: Option<f64>,
    average_range: f64,
    value: Option<ChandelierStops>,
}

impl Chandelier {
    /// Before the first candle. `length` is at least 1.
    #[must_use]
    pub fn new(length: usize, multiple: f64) -> Self {
        Self {
            highest: RollingMax::new(length),
            lowest: RollingMax::new(length),
            weight: 2.0 / (length as f64 + 1.0),
            multiple,
            previous_close: None,
            average_range: 0.0,
            value: None,
        }
    }

    /// Adds a candle and gives the stops.
    pub fn update(&mut self, high: f64, low: f64, close: f64) -> ChandelierStops {
        match self.previous_close.replace(close) {
            None => self.average_range = high - low,
            Some(before) => {
                let true_range = (high - low).max((high - before).abs()).max((low - before).abs());
                self.average_range += self.weight * (true_range - self.average_range);
            }
        }
        let distance = self.multiple * self.average_range;
        let highest = self.highest.update(high);
        let lowest = -self.lowest.update(-low);
        let stops = ChandelierStops { long: highest - distance, short: lowest + distance };
        self.value = Some(stops);
        stops
    }

    /// The current stops; `None` before the first candle.
    #[must_use]
    pub fn value(&self) -> Option<ChandelierStops> {
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_candles_give_the_published_stops() {
        let mut exit = Chandelier::new(22, 3.0);
        let near = |got: f64, expected: f64| assert!((got - expected).abs() < 0.005, "{got} is not {expected}");
        let first = exit.update(22.0, 20.0, 21.0);
        near(first.long, 16.0);
        near(first.short, 26.0);
        let second = exit.update(24.0, 22.0, 23.0);
        near(second.long, 17.74);
        near(second.short, 26.26);
        assert_eq!(exit.value(), Some(second));
    }

    #[test]
    fn a_high_that_leaves_the_window_no_longer_holds_the_stop() {
        let mut exit = Chandelier::new(2, 0.0);
        let longs: Vec<f64> = [5.0, 9.0, 4.0, 3.0].iter().map(|h| exit.update(*h, 1.0, 2.0).long).collect();
        assert_eq!(longs, [5.0, 9.0, 9.0, 4.0]);
    }

    proptest! {
        #[test]
        fn the_rolling_extreme_is_the_extreme_of_the_window(
            values in proptest::collection::vec(-100_i32..100, 1..200), length in 1_usize..30,
        ) {
            let mut rolling = RollingMax::new(length);
            for (i, value) in values.iter().enumerate() {
                let window = &values[(i + 1).saturating_sub(length)..=i];
                prop_assert_eq!(Some(rolling.update(f64::from(*value)) as i32), window.iter().max().copied());
            }
        }
    }
}
