//! Oscillators of the close.

use crate::average::Ema;
use serde::{Deserialize, Serialize};

/// Wilder's relative strength index, 0 to 100: `100 - 100 / (1 + mean gain / mean loss)`, 50 when nothing moved.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rsi {
    length: usize,
    seen: usize,
    previous: Option<f64>,
    gain: f64,
    loss: f64,
}

impl Rsi {
    /// An empty index over `length` changes.
    #[must_use]
    pub fn new(length: usize) -> Self {
        Self { length, seen: 0, previous: None, gain: 0.0, loss: 0.0 }
    }

    /// Adds a close and gives the index, `None` before `length + 1` closes.
    pub fn update(&mut self, close: f64) -> Option<f64> {
        let change = close - self.previous.replace(close)?;
        let (gain, loss) = (change.max(0.0), (-change).max(0.0));
        let n = self.length as f64;
        if self.seen < self.length {
            self.seen += 1;
            self.gain += gain / n;
            self.loss += loss / n;
        } else {
            self.gain += (gain - self.gain) / n;
            self.loss += (loss - self.loss) / n;
        }
        self.value()
    }

    /// The current index.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        let total = self.gain + self.loss;
        let ready = self.seen == self.length;
        ready.then(|| if total > 0.0 { 100.0 * self.gain / total } else { 50.0 })
    }
}

/// Line and signal of a [`Macd`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MacdValue {
    /// Fast average minus slow average.
    pub line: Option<f64>,
    /// Average of the line.
    pub signal: Option<f64>,
}

/// Moving average convergence divergence: EMA(fast) - EMA(slow), and the EMA of that line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Macd {
    fast: Ema,
    slow: Ema,
    signal: Ema,
    value: MacdValue,
}

impl Macd {
    /// Spans of the two averages and of the signal, in bars.
    #[must_use]
    pub fn new(fast: usize, slow: usize, signal: usize) -> Self {
        Self { fast: Ema::new(fast), slow: Ema::new(slow), signal: Ema::new(signal), value: MacdValue::default() }
    }

    /// Adds a close.
    pub fn update(&mut self, close: f64) -> MacdValue {
        let line = self.fast.update(close).zip(self.slow.update(close)).map(|(fast, slow)| fast - slow);
        let signal = line.and_then(|l| self.signal.update(l));
        self.value = MacdValue { line, signal };
        self.value
    }

    /// The current values.
    #[must_use]
    pub fn value(&self) -> MacdValue {
        self.value
    }

    /// The two averages, fast and slow.
    #[must_use]
    pub fn averages(&self) -> (Option<f64>, Option<f64>) {
        (self.fast.value(), self.slow.value())
    }
}
