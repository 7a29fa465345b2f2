//! The recent candles of one symbol, kept so that an indicator can be rebuilt with another window.

use model::{Bar, Price};
use serde::{Deserialize, Serialize};

/// How many candles are kept: more than the longest window that any parameter allows, and enough for Wilder averages of 100
/// bars to forget their start to within 4e-5.
pub(crate) const KEPT: usize = 1024;

/// High, low and close of one bar.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Candle {
    pub(crate) high: Price,
    pub(crate) low: Price,
    pub(crate) close: Price,
}

impl From<&Bar> for Candle {
    fn from(bar: &Bar) -> Self {
        Self { high: bar.high, low: bar.low, close: bar.close }
    }
}

/// A ring of the last [`KEPT`] values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ring<T> {
    values: Box<[T]>,
    pushed: usize,
}

impl<T: Copy + Default> Ring<T> {
    pub(crate) fn new() -> Self {
        Self { values: vec![T::default(); KEPT].into_boxed_slice(), pushed: 0 }
    }

    pub(crate) fn push(&mut self, value: T) {
        self.values[self.pushed % KEPT] = value;
        self.pushed += 1;
    }

    /// How many values are held.
    pub(crate) fn len(&self) -> usize {
        self.pushed.min(KEPT)
    }

    /// The value `back` pushes ago; 0 is the newest. `None` if it is not held.
    pub(crate) fn back(&self, back: usize) -> Option<T> {
        // Where it is held, `pushed` is above `back`: the subtraction cannot wrap.
        if back < self.len() { self.values.get(self.pushed.wrapping_sub(back + 1) % KEPT).copied() } else { None }
    }

    /// All held values, oldest first.
    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = T> + '_ {
        (0..self.len()).rev().filter_map(|back| self.back(back))
    }
}
