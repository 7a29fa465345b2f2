//! How far values scatter.

use crate::window::Window;
use serde::{Deserialize, Serialize};

/// Standard deviation of the last `n` values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RollingStd {
    window: Window,
    degrees_lost: usize,
}

impl RollingStd {
    /// Over `length` values; `degrees_lost` is 0 for the population form, 1 for the sample form.
    #[must_use]
    pub fn new(length: usize, degrees_lost: usize) -> Self {
        Self { window: Window::new(length), degrees_lost }
    }

    /// Adds a value and gives the deviation, `None` until the window is full.
    pub fn update(&mut self, value: f64) -> Option<f64> {
        self.window.push(value);
        self.value()
    }

    /// The current deviation.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.window.std(self.degrees_lost)
    }

    /// The current mean.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        self.window.mean()
    }
}

/// Bollinger bands: mean plus and minus `width` population standard deviations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bollinger {
    std: RollingStd,
    width: f64,
}

impl Bollinger {
    /// Over `length` closes.
    #[must_use]
    pub fn new(length: usize, width: f64) -> Self {
        Self { std: RollingStd::new(length, 0), width }
    }

    /// Adds a close and gives `(lower, upper)`.
    pub fn update(&mut self, close: f64) -> Option<(f64, f64)> {
        self.std.update(close);
        self.value()
    }

    /// The current `(lower, upper)`.
    #[must_use]
    pub fn value(&self) -> Option<(f64, f64)> {
        let (mean, std) = self.std.mean().zip(self.std.value())?;
        Some((mean - self.width * std, mean + self.width * std))
    }
}

/// Sample standard deviation of the last `n` log returns, per bar.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogReturnStd {
    std: RollingStd,
    previous: Option<f64>,
}

impl LogReturnStd {
    /// Over `length` returns.
    #[must_use]
    pub fn new(length: usize) -> Self {
        Self { std: RollingStd::new(length, 1), previous: None }
    }

    /// Adds a close above zero.
    pub fn update(&mut self, close: f64) -> Option<f64> {
        let previous = self.previous.replace(close)?;
        self.std.update((close / previous).ln())
    }

    /// The current deviation.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.std.value()
    }
}
