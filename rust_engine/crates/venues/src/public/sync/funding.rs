//! Funding: exchanges announce the next payment; it fell due when they announce the one after it.

use crate::public::source::Mark;
use model::{Price, Ts};

/// What was last heard this long before a payment is no longer its rate.
const MAX_AGE_NS: i64 = 60_000_000_000;
/// How far this machine's clock may be behind the exchange's.
const MAX_CLOCK_BEHIND_NS: i64 = 5_000_000_000;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FundingStep {
    /// Nothing fell due.
    Waiting,
    /// A payment fell due.
    Due {
        /// Rate in 1e-8 of notional.
        rate_e8: i64,
        /// The price it is computed on.
        mark: Price,
    },
    /// A payment fell due while its rate was not known.
    Missed {
        /// When.
        due_at: Ts,
    },
}

/// Funding of one symbol.
#[derive(Clone, Debug, Default)]
pub struct FundingSync {
    known: Mark,
    heard_at: Ts,
}

impl FundingSync {
    /// Takes what changed, received at `at`.
    pub fn on_mark(&mut self, mark: &Mark, at: Ts) -> FundingStep {
        let step = self.judge(mark, at);
        self.known.mark = mark.mark.or(self.known.mark);
        self.known.rate_e8 = mark.rate_e8.or(self.known.rate_e8);
        self.known.next_at = mark.next_at.or(self.known.next_at);
        self.heard_at = at;
        step
    }

    fn judge(&self, mark: &Mark, at: Ts) -> FundingStep {
        let (Some(due_at), Some(after)) = (self.known.next_at, mark.next_at) else { return FundingStep::Waiting };
        if after <= due_at || at.0.saturating_add(MAX_CLOCK_BEHIND_NS) < due_at.0 {
            return FundingStep::Waiting;
        }
        match (self.known.rate_e8, self.known.mark) {
            (Some(rate_e8), Some(mark)) if self.heard_at.0.saturating_add(MAX_AGE_NS) >= due_at.0 => {
                FundingStep::Due { rate_e8, mark }
            }
            _ => FundingStep::Missed { due_at },
        }
    }
}
