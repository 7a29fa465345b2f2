//! Which bars continue a run: a window never reaches over a missing, revised or unsound candle.

use super::input::N_EXTRA_INPUTS;
use super::state::Carry;

/// Prices that a sound candle may have, so that no square or product of them leaves the numbers.
const PRICES: std::ops::Range<f64> = 1e-18..1e18;
/// Largest volume and largest extra input, for the same reason.
const LARGEST: f64 = 1e24;

/// One closed candle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candle {
    /// When it opened, UTC milliseconds since 1970.
    pub opened_at_ms: i64,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Volume in base units.
    pub volume: f64,
}

impl Candle {
    /// Whether the numbers can be one candle's: finite, above zero, low <= open, close <= high.
    #[inline]
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.low <= self.open
            && self.open <= self.high
            && self.low <= self.close
            && self.close <= self.high
            && self.low >= PRICES.start
            && self.high < PRICES.end
            && self.volume >= 0.0
            && self.volume <= LARGEST
    }
}

/// What a candle is to the run before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The next of the run.
    Next,
    /// The first of a new run: after a gap, of another time, or the last one with other numbers.
    First,
    /// The last one once more.
    Again,
    /// None of any run: its numbers are no candle's.
    Unsound,
}

/// Follows runs of bars.
#[derive(Clone, Debug)]
pub(crate) struct Runs {
    pub(crate) interval_ms: i64,
    last: Option<Candle>,
    /// Number of the run, or of the bar outside any run, that came last; -1 before the first.
    pub(crate) segment: i64,
}

impl Runs {
    pub(crate) fn new(interval_ms: i64) -> Self {
        Self { interval_ms, last: None, segment: -1 }
    }

    #[inline]
    pub(crate) fn place(&mut self, candle: &Candle) -> Place {
        if !candle.is_sound() {
            self.last = None;
            self.segment += 1;
            return Place::Unsound;
        }
        let place = match &self.last {
            Some(last) if last.opened_at_ms.checked_add(self.interval_ms) == Some(candle.opened_at_ms) => Place::Next,
            Some(last) if last == candle => return Place::Again,
            _ => Place::First,
        };
        if place == Place::First {
            self.segment += 1;
        }
        self.last = Some(*candle);
        place
    }

    pub(crate) fn carry(&mut self, to: &mut impl Carry) {
        let mut has_last = usize::from(self.last.is_some());
        to.count(&mut has_last, 1);
        let mut last =
            self.last.unwrap_or(Candle { opened_at_ms: 0, open: 0.0, high: 0.0, low: 0.0, close: 0.0, volume: 0.0 });
        carry_integer(&mut last.opened_at_ms, to);
        for value in [&mut last.open, &mut last.high, &mut last.low, &mut last.close, &mut last.volume] {
            to.number(value);
        }
        self.last = (has_last == 1).then_some(last);
        carry_integer(&mut self.segment, to);
    }
}

/// When a candle closes, as a number that columns can hold.
#[inline]
pub(crate) fn closed_at_ms(opened_at_ms: i64, interval_ms: i64) -> f64 {
    opened_at_ms.saturating_add(interval_ms) as f64
}

/// An integer travels as the number of the same bits.
fn carry_integer(value: &mut i64, to: &mut impl Carry) {
    let mut bits = f64::from_bits(*value as u64);
    to.number(&mut bits);
    *value = bits.to_bits() as i64;
}

/// What else was known at the close of a bar; NaN where nothing was.
pub type Extras = [f64; N_EXTRA_INPUTS];

/// The number itself, NaN for one that no column could hold.
#[inline]
pub(crate) fn known(value: f64) -> f64 {
    if value.abs() <= LARGEST { value } else { f64::NAN }
}
