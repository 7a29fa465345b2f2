//! The leaves of a rule set as streaming values. Prices and distances are in units of 1e-8, as the bars carry them.

use crate::history::Ring;
use indicators::{Atr, Bollinger, Ema, Macd, Rsi, VolumeRatio};
use model::rules::Expr;
use model::{Bar, Price, Ts};
use serde::{Deserialize, Serialize};

const HOUR_NS: i64 = 3_600_000_000_000;
const DAY_NS: i64 = 24 * HOUR_NS;

/// One leaf with what it remembers; unknown is not a number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Feed {
    Open,
    High,
    Low,
    Close,
    /// The sum is exact, so that equal averages compare equal.
    Sma {
        window: usize,
        sum: i128,
    },
    Ema(Ema),
    Rsi(Rsi),
    MacdLine(Macd),
    MacdSignal(Macd),
    BollingerUpper(Bollinger),
    BollingerLower(Bollinger),
    Atr(Atr),
    Highest(Extreme),
    Lowest(Extreme),
    Return {
        bars: usize,
    },
    VolumeRatio(VolumeRatio),
    HourOfDay,
    Weekday,
}

impl Feed {
    /// The feed of a leaf; `None` for constants and for nodes with operands.
    pub(super) fn of(leaf: &Expr) -> Option<Self> {
        let macd = |fast: u16, slow: u16, signal: u16| Macd::new(fast.into(), slow.into(), signal.into());
        Some(match *leaf {
            Expr::Open => Self::Open,
            Expr::High => Self::High,
            Expr::Low => Self::Low,
            Expr::Close => Self::Close,
            Expr::Sma { window } => Self::Sma { window: window.into(), sum: 0 },
            Expr::Ema { window } => Self::Ema(Ema::new(window.into())),
            Expr::Rsi { window } => Self::Rsi(Rsi::new(window.into())),
            Expr::MacdLine { fast, slow } => Self::MacdLine(macd(fast, slow, 1)),
            Expr::MacdSignal { fast, slow, signal } => Self::MacdSignal(macd(fast, slow, signal)),
            Expr::BollingerUpper { window, width } => Self::BollingerUpper(Bollinger::new(window.into(), width)),
            Expr::BollingerLower { window, width } => Self::BollingerLower(Bollinger::new(window.into(), width)),
            Expr::Atr { window } => Self::Atr(Atr::new(window.into())),
            Expr::Highest { window } => Self::Highest(Extreme::new(window.into())),
            Expr::Lowest { window } => Self::Lowest(Extreme::new(window.into())),
            Expr::Return { bars } => Self::Return { bars: bars.into() },
            Expr::VolumeRatio { window } => Self::VolumeRatio(VolumeRatio::new(window.into())),
            Expr::HourOfDay => Self::HourOfDay,
            Expr::Weekday => Self::Weekday,
            _ => return None,
        })
    }

    /// Takes a bar and gives the value now. `closes` holds the bars before it.
    pub(super) fn update(&mut self, bar: &Bar, closes: &Ring<Price>) -> f64 {
        let close = bar.close.0 as f64;
        let value = match self {
            Self::Open => Some(bar.open.0 as f64),
            Self::High => Some(bar.high.0 as f64),
            Self::Low => Some(bar.low.0 as f64),
            Self::Close => Some(close),
            Self::Sma { window, sum } => {
                let leaving = closes.back(*window - 1).map_or(0, |p| i128::from(p.0));
                // At most 2^63 times 500: it cannot wrap, and says so to the compiler.
                *sum = sum.wrapping_add(i128::from(bar.close.0)).wrapping_sub(leaving);
                (closes.len() + 1 >= *window).then(|| mean(*sum, *window))
            }
            Self::Ema(ema) => ema.update(close),
            Self::Rsi(rsi) => rsi.update(close),
            Self::MacdLine(macd) => macd.update(close).line,
            Self::MacdSignal(macd) => macd.update(close).signal,
            Self::BollingerUpper(bands) => bands.update(close).map(|(_, upper)| upper),
            Self::BollingerLower(bands) => bands.update(close).map(|(lower, _)| lower),
            Self::Atr(atr) => atr.update(bar.high.0 as f64, bar.low.0 as f64, close),
            Self::Highest(extreme) => extreme.before(bar.high.0).map(|high| high as f64),
            // The lowest of some numbers is the highest of their opposites.
            Self::Lowest(extreme) => extreme.before(-bar.low.0).map(|low| -low as f64),
            Self::Return { bars } => closes.back(*bars - 1).map(|past| close / past.0 as f64 - 1.0),
            Self::VolumeRatio(ratio) => ratio.update(bar.volume.0 as f64),
            Self::HourOfDay => Some(hour_of_day(bar.closed_at)),
            Self::Weekday => Some(weekday(bar.closed_at)),
        };
        value.unwrap_or(f64::NAN)
    }
}

fn mean(sum: i128, window: usize) -> f64 {
    const LOW_BITS: u32 = 32;
    // Both halves of a sum below 2^85 are exact, so this rounds once, as the conversion of the whole would in far more
    // time.
    let low = sum & ((1 << LOW_BITS) - 1);
    let sum = (sum >> LOW_BITS) as i64 as f64 * (1_u64 << LOW_BITS) as f64 + low as i64 as f64;
    sum / window as f64
}

fn hour_of_day(at: Ts) -> f64 {
    (at.0.rem_euclid(DAY_NS) / HOUR_NS) as f64
}

/// 1 is Monday; 1970-01-01 was a Thursday.
fn weekday(at: Ts) -> f64 {
    ((at.0.div_euclid(DAY_NS) + 3).rem_euclid(7) + 1) as f64
}

/// The largest of the last `window` values, by the queue of those that no later one exceeds: constant time on average.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Extreme {
    /// Value and when it came, falling; a ring of `window` places.
    queue: Box<[(i64, u64)]>,
    first: usize,
    len: usize,
    seen: u64,
}

impl Extreme {
    fn new(window: usize) -> Self {
        Self { queue: vec![(0, 0); window].into_boxed_slice(), first: 0, len: 0, seen: 0 }
    }

    /// The largest of the `window` values before this one, `None` until there were as many; then takes this one.
    fn before(&mut self, value: i64) -> Option<i64> {
        let window = self.queue.len();
        let largest = (self.seen >= window as u64).then(|| self.queue[self.first].0);
        if self.len > 0 && self.seen - self.queue[self.first].1 >= window as u64 {
            self.first = (self.first + 1) % window;
            self.len -= 1;
        }
        while self.len > 0 && self.queue[(self.first + self.len - 1) % window].0 <= value {
            self.len -= 1;
        }
        self.queue[(self.first + self.len) % window] = (value, self.seen);
        self.len += 1;
        self.seen += 1;
        largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hours_and_days_are_those_of_the_calendar() {
        let at = |days: i64, hours: i64| Ts(days * DAY_NS + hours * HOUR_NS);
        // 2024-08-08 was a Thursday, the 19,943rd day.
        assert_eq!((weekday(at(19_943, 0)), hour_of_day(at(19_943, 23))), (4.0, 23.0));
        assert_eq!((weekday(at(19_947, 5)), weekday(at(19_946, 23)), weekday(at(-1, 0))), (1.0, 7.0, 3.0));
    }

    proptest! {
        #[test]
        fn the_fast_mean_is_the_exact_one(sum in 0_i128..1 << 73, window in 1_usize..500) {
            prop_assert_eq!(mean(sum, window), sum as f64 / window as f64);
        }

        #[test]
        fn the_queue_finds_what_a_search_finds(
            values in proptest::collection::vec(-50_i64..50, 1..80), window in 1_usize..12
        ) {
            let mut extreme = Extreme::new(window);
            for (n, value) in values.iter().enumerate() {
                let expected = (n >= window).then(|| values[n - window..n].iter().max().copied()).flatten();
                prop_assert_eq!(extreme.before(*value), expected);
            }
        }
    }
}
