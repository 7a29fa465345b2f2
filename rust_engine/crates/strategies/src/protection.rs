//! The part of a position whose stop ended without a fill, and what is to be done about it.
//!
//! A stop that a venue, the risk gate or a person ended is sent again at the next price, never in answer to its end. While it
//! is refused again, the pauses double from a second to a minute: a venue that asks for fewer orders does not get more.

use crate::driver::Moment;
use model::{OrderRequest, Price, Qty, Side, Ts};
use serde::{Deserialize, Serialize};

const FIRST_PAUSE_NS: i64 = 1_000 * Ts::MS;
const LONGEST_PAUSE_NS: i64 = 60_000 * Ts::MS;

/// Of one position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Protection {
    /// Of all its stops the one that is hit first; zero before the first.
    tightest: Price,
    uncovered: Qty,
    /// Before this time nothing is sent again.
    not_before: Ts,
    pause_ns: i64,
    /// Whether the last remedy was an exit.
    is_leaving: bool,
}

/// What gives a position its protection back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// A stop for the part that has none.
    Stop { trigger: Price, qty: Qty },
    /// The price is at or beyond the stop: no venue takes it any more, and it would have been hit.
    Exit,
}

impl Protection {
    /// The tightest trigger so far.
    pub(crate) fn tightest(&self) -> Option<Price> {
        Some(self.tightest).filter(|trigger| *trigger > Price::ZERO)
    }

    /// A stop on `side` at `trigger` is asked for.
    pub(crate) fn asked(&mut self, side: Side, trigger: Price) {
        self.tightest = match (self.tightest(), side) {
            (None, _) => trigger,
            (Some(before), Side::Sell) => before.max(trigger),
            (Some(before), Side::Buy) => before.min(trigger),
        };
    }

    /// All of the position has a stop again.
    pub(crate) fn covered(&mut self) {
        self.uncovered = Qty::ZERO;
    }

    /// Forgets where the stops stood: they are measured anew.
    pub(crate) fn measured_anew(&mut self) {
        self.tightest = Price::ZERO;
    }

    /// `stop` ended; what it covered of `position` is open to loss.
    pub(crate) fn lost(&mut self, stop: &OrderRequest, position: Qty) {
        let is_of_it = position.0.signum() == -stop.side.sign();
        if let Some(trigger) = stop.named_price().filter(|_| is_of_it) {
            self.asked(stop.side, trigger);
            self.uncovered = (self.uncovered + stop.qty).min(position.abs());
        }
    }

    /// What `position` needs at the price of `now`. A stop counts as standing from then on; the need for an exit stays until
    /// the position is gone, so that one that is refused is followed by another.
    pub(crate) fn remedy(&mut self, position: Qty, now: Moment) -> Option<Remedy> {
        let qty = self.uncovered.min(position.abs());
        let trigger = self.tightest().filter(|_| qty > Qty::ZERO)?;
        let is_beyond = if position > Qty::ZERO { now.price <= trigger } else { now.price >= trigger };
        // The first exit waits for no stop's pause.
        if now.at < self.not_before && (self.is_leaving || !is_beyond) {
            return None;
        }
        self.is_leaving = is_beyond;
        self.pause(now.at);
        if is_beyond {
            return Some(Remedy::Exit);
        }
        self.covered();
        Some(Remedy::Stop { trigger, qty })
    }

    /// Until the next remedy: longer after each, until there was none for a minute more than asked.
    fn pause(&mut self, at: Ts) {
        let is_quiet = at > self.not_before.plus_ns(LONGEST_PAUSE_NS);
        let longer = if is_quiet { FIRST_PAUSE_NS } else { self.pause_ns.saturating_mul(2) };
        self.pause_ns = longer.clamp(FIRST_PAUSE_NS, LONGEST_PAUSE_NS);
        self.not_before = at.plus_ns(self.pause_ns);
    }
}

#[cfg(test)]
#[path = "protection_tests.rs"]
mod tests;
