//! Moving averages.

use crate::window::Window;
use serde::{Deserialize, Serialize};

/// Simple moving average of the last `n` values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sma(Window);

impl Sma {
    /// An empty average over `length` values.
    #[must_use]
    pub fn new(length: usize) -> Self {
        Self(Window::new(length))
    }

    /// Adds a value and gives the average, `None` until the window is full.
    pub fn update(&mut self, value: f64) -> Option<f64> {
        self.0.push(value);
        self.0.mean()
    }
}

/// Exponential moving average with weight `2 / (n + 1)`, started at the mean of the first `n` values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ema {
    length: usize,
    weight: f64,
    seen: usize,
    value: f64,
}

impl Ema {
    /// An empty average of span `length`.
    #[must_use]
    pub fn new(length: usize) -> Self {
        Self { length, weight: 2.0 / (length as f64 + 1.0), seen: 0, value: 0.0 }
    }

    /// Adds a value and gives the average, `None` before `length` values.
    pub fn update(&mut self, value: f64) -> Option<f64> {
        if self.seen < self.length {
            self.seen += 1;
            self.value += value;
            if self.seen == self.length {
                self.value /= self.length as f64;
            }
        } else {
            self.value += self.weight * (value - self.value);
        }
        self.value()
    }

    /// The current average.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        (self.seen == self.length).then_some(self.value)
    }
}
