//! An order's place in the queue at its price, estimated from what the book and the prints show.
//!
//! A level's change says how much left the queue and not from where. [`QueueModel::RiskAverse`] lets only prints move the
//! order up. [`QueueModel::ProbPower`] splits what was cancelled: with `f(x) = x^power`, a share of `f(back) / (f(back) +
//! f(front))` left from behind and the rest from before it, never more from behind than stood there. What prints took is
//! taken off the next change of the level, which shows it a second time.
//!
//! Source of the probability model: R. Gatheral's and E. Rigtorp's notes on queue estimation ("Estimating order queue
//! position", 2013), in the form that hftbacktest calls `PowerProbQueueFunc`.

use model::{Qty, QueueModel};
use serde::{Deserialize, Serialize};

/// Stands for a queue of unknown length.
const UNKNOWN: f64 = f64::INFINITY;

/// A place in a queue. Quantities are floats in base units: it is an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "SavedPlace", from = "SavedPlace")]
pub(crate) struct Place {
    /// What stands before the order; below zero is what a print left over for it.
    front: f64,
    /// What was printed at this price since the level last changed.
    printed: f64,
}

/// A place as bits: text would lose digits and refuse an unknown queue.
#[derive(Serialize, Deserialize)]
struct SavedPlace {
    front: u64,
    printed: u64,
}

impl From<Place> for SavedPlace {
    fn from(place: Place) -> Self {
        Self { front: place.front.to_bits(), printed: place.printed.to_bits() }
    }
}

impl From<SavedPlace> for Place {
    fn from(saved: SavedPlace) -> Self {
        Self { front: f64::from_bits(saved.front), printed: f64::from_bits(saved.printed) }
    }
}

impl Place {
    /// Behind what rests at the price.
    pub(crate) fn behind(resting: Qty) -> Self {
        Self { front: resting.to_f64(), printed: 0.0 }
    }

    /// Behind a queue that no data show yet.
    pub(crate) const fn unknown() -> Self {
        Self { front: UNKNOWN, printed: 0.0 }
    }

    /// The market came to the order or past it: nothing stands before it.
    pub(crate) const fn reached(&mut self) {
        self.front = 0.0;
    }

    /// A print at this price took from the front of the queue.
    pub(crate) fn on_print(&mut self, qty: Qty, model: QueueModel) {
        let qty = qty.to_f64();
        self.front -= qty;
        if matches!(model, QueueModel::ProbPower { .. }) {
            self.printed += qty;
        }
    }

    /// What rests at this price changed.
    pub(crate) fn on_level(&mut self, before: Qty, after: Qty, model: QueueModel) {
        let (before, after) = (before.to_f64(), after.to_f64());
        let QueueModel::ProbPower { power } = model else {
            self.front = self.front.min(after);
            return;
        };
        let cancelled = before - after - self.printed;
        self.printed = 0.0;
        if cancelled < 0.0 {
            self.front = self.front.min(after);
            return;
        }
        let (front, back) = (self.front, before - self.front);
        let (f_back, f_front) = (back.powf(power), front.powf(power));
        let mut from_back = f_back / (f_back + f_front);
        if from_back.is_infinite() {
            from_back = 1.0;
        }
        let moved = front - (1.0 - from_back) * cancelled + (back - from_back * cancelled).min(0.0);
        // Cancels bring nobody further than to the front. `min` also settles a queue that was empty before and after, whose
        // share is not a number.
        self.front = moved.min(after).max(0.0);
    }

    /// Takes what the last print left over for the order, in whole lots.
    pub(crate) fn take_left_over(&mut self, lot: Qty) -> Qty {
        let lots = (-self.front / lot.to_f64()).round();
        if lots < 1.0 {
            return Qty::ZERO;
        }
        self.front = 0.0;
        // A print's quantity fits, and so does what is left of it.
        Qty(lots as i64 * lot.0)
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
