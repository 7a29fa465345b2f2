//! Range and volume.

use crate::average::Sma;
use serde::{Deserialize, Serialize};

/// Wilder's average true range in price units, started at the mean of the first `n` true ranges.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Atr {
    length: usize,
    seen: usize,
    previous_close: Option<f64>,
    value: f64,
}

impl Atr {
    /// An empty average over `length` true ranges.
    #[must_use]
    pub fn new(length: usize) -> Self {
        Self { length, seen: 0, previous_close: None, value: 0.0 }
    }

    /// Adds a candle and gives the average; the first candle only supplies a close, so `None` before `length + 1` candles.
    #[inline]
    pub fn update(&mut self, high: f64, low: f64, close: f64) -> Option<f64> {
        let previous = self.previous_close.replace(close)?;
        let true_range = (high - low).max((high - previous).abs()).max((low - previous).abs());
        let n = self.length as f64;
        if self.seen < self.length {
            self.seen += 1;
            self.value += true_range / n;
        } else {
            self.value += (true_range - self.value) / n;
        }
        self.value()
    }

    /// The current average.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        (self.seen == self.length).then_some(self.value)
    }
}

/// Volume of the newest bar over the mean volume of the last `n` bars, the newest included; `None` while that mean is zero.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VolumeRatio {
    mean: Sma,
    value: Option<f64>,
}

impl VolumeRatio {
    /// Over `length` bars.
    #[must_use]
    pub fn new(length: usize) -> Self {
        Self { mean: Sma::new(length), value: None }
    }

    /// Adds a volume.
    pub fn update(&mut self, volume: f64) -> Option<f64> {
        self.value = self.mean.update(volume).filter(|m| *m > 0.0).map(|m| volume / m);
        self.value
    }

    /// The current ratio.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.value
    }
}
