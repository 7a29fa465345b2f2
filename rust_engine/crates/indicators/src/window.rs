//! A ring of the last `n` values with their running mean and squared deviations.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Window {
    values: Vec<f64>,
    length: usize,
    next: usize,
    mean: f64,
    squares: f64,
}

impl Window {
    pub(crate) fn new(length: usize) -> Self {
        assert!(length > 0, "a window holds at least one value");
        Self { values: Vec::with_capacity(length), length, next: 0, mean: 0.0, squares: 0.0 }
    }

    pub(crate) fn push(&mut self, value: f64) {
        if self.values.len() < self.length {
            self.values.push(value);
            if self.values.len() == self.length {
                self.recompute();
            }
            return;
        }
        let old = std::mem::replace(&mut self.values[self.next], value);
        self.next += 1;
        if self.next == self.length {
            self.next = 0;
            self.recompute();
            return;
        }
        let mean = self.mean + (value - old) / self.length as f64;
        let before = self.squares;
        self.squares += (value - old) * ((value - mean) + (old - self.mean));
        self.mean = mean;
        // A jump that leaves the window takes nearly all of the sum with it, and its digits too.
        if self.squares < before * 1e-4 {
            self.recompute();
        }
    }

    // Once per window, so that the rounding of the running form cannot add up.
    fn recompute(&mut self) {
        self.mean = self.values.iter().sum::<f64>() / self.length as f64;
        self.squares = self.values.iter().map(|v| (v - self.mean) * (v - self.mean)).sum();
    }

    pub(crate) fn mean(&self) -> Option<f64> {
        (self.values.len() == self.length).then_some(self.mean)
    }

    pub(crate) fn std(&self, degrees_lost: usize) -> Option<f64> {
        let full = self.values.len() == self.length && self.length > degrees_lost;
        full.then(|| (self.squares.max(0.0) / (self.length - degrees_lost) as f64).sqrt())
    }
}
