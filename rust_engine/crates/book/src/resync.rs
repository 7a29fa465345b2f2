//! Whether the next update of a book fits the last one.
//!
//! | exchange | first update after the snapshot `s` | every later one |
//! |---|---|---|
//! | Binance spot | `first <= s + 1 <= last` | `first = last before + 1` |
//! | Binance USD-M | `first <= s <= last` | `previous = last before` |
//! | Bybit | as every later one | `last = last before + 1`; a snapshot is sent on the stream, a number of 1 restarts it |
//!
//! What ends at or before the number reached is old and skipped.

use serde::{Deserialize, Serialize};

/// Whose rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SequenceRule {
    /// Binance spot: ranges of numbers without holes.
    BinanceSpot,
    /// Binance USD-M futures: every update names the one before it.
    BinanceUsdm,
    /// Bybit v5: one number an update.
    Bybit,
}

/// The numbers of one update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateIds {
    /// First number it covers (`U`); equal to `last` where an exchange sends one number.
    pub first: u64,
    /// Last number it covers (`u`).
    pub last: u64,
    /// The last number of the update before it (`pu`), where the exchange sends it.
    pub previous: Option<u64>,
    /// Whether it replaces the book.
    pub is_snapshot: bool,
}

/// What to do with an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Apply it.
    Applied,
    /// It is older than the book: leave it.
    Skipped,
    /// Updates are missing: the book is worth nothing until a snapshot comes.
    GapNeedsSnapshot,
}

/// Follows the numbers of one symbol's book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resync {
    rule: SequenceRule,
    /// The number reached; none before a snapshot and after a gap.
    last: Option<u64>,
    /// Whether the update before was the snapshot.
    is_fresh: bool,
    gaps: u64,
}

impl Resync {
    /// Waits for its first snapshot.
    #[must_use]
    pub const fn new(rule: SequenceRule) -> Self {
        Self { rule, last: None, is_fresh: false, gaps: 0 }
    }

    /// Whether a snapshot was applied and nothing is missing since.
    #[must_use]
    pub const fn is_synced(&self) -> bool {
        self.last.is_some()
    }

    /// The number reached.
    #[must_use]
    pub const fn last_id(&self) -> Option<u64> {
        self.last
    }

    /// How many gaps were met; updates before a snapshot are none.
    #[must_use]
    pub const fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Takes the next update in the order of arrival. An older snapshot than the book is skipped.
    pub fn take(&mut self, ids: UpdateIds) -> Step {
        let restarts = self.rule == SequenceRule::Bybit && ids.last == 1;
        if ids.is_snapshot || restarts {
            if !restarts && self.last.is_some_and(|last| ids.last < last) {
                return Step::Skipped;
            }
            self.last = Some(ids.last);
            self.is_fresh = true;
            return Step::Applied;
        }
        let Some(last) = self.last else { return Step::GapNeedsSnapshot };
        if self.is_old(ids, last) {
            return Step::Skipped;
        }
        if !self.follows(ids, last) {
            self.gaps += 1;
            self.forget();
            return Step::GapNeedsSnapshot;
        }
        self.last = Some(ids.last);
        self.is_fresh = false;
        Step::Applied
    }

    /// Forgets the number reached, for example because the connection was lost.
    pub const fn forget(&mut self) {
        self.last = None;
        self.is_fresh = false;
    }

    fn is_old(&self, ids: UpdateIds, last: u64) -> bool {
        // A USD-M update that ends exactly at the snapshot is the one the next update names as its previous.
        let ends_at_snapshot = self.rule == SequenceRule::BinanceUsdm && self.is_fresh && ids.last == last;
        ids.last <= last && !ends_at_snapshot
    }

    fn follows(&self, ids: UpdateIds, last: u64) -> bool {
        match (self.rule, self.is_fresh) {
            (SequenceRule::BinanceSpot, true) => ids.first <= last + 1,
            (SequenceRule::BinanceSpot, false) | (SequenceRule::Bybit, _) => ids.first == last + 1,
            (SequenceRule::BinanceUsdm, true) => ids.first <= last || ids.previous == Some(last),
            (SequenceRule::BinanceUsdm, false) => ids.previous == Some(last),
        }
    }
}

#[cfg(test)]
#[path = "resync_tests.rs"]
mod tests;
