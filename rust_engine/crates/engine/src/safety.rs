//! The account's losses, watched while the market moves: a limit that is reached stops trading without anybody's word.

use crate::control::released_by;
use crate::core::Core;
use crate::error::CoreError;
use crate::recorder::Recorder;
use model::message::{Message, StateChanged};
use model::{CancelReason, Mode, Money, TradingState, Ts};

/// Between two looks at the account at least so much market time passes, so that a burst of quotes costs nothing.
const LOOK_EVERY_NS: i64 = 1_000_000_000;
const BY: &str = "risk";

impl<R: Recorder> Core<R> {
    /// What is seen to with every event of the market: a flatten in force, and what the account lost.
    ///
    /// # Errors
    /// [`CoreError::Runaway`].
    pub(crate) fn keep_safe(&mut self, at: Ts) -> Result<(), CoreError> {
        self.keep_flat(at)?;
        self.watch_losses(at)
    }

    /// Looks at the account when it is time to; a breach cancels what may open and, if configured, closes every position.
    ///
    /// # Errors
    /// [`CoreError::Runaway`].
    fn watch_losses(&mut self, at: Ts) -> Result<(), CoreError> {
        if !self.limits_losses || at.0 < self.market.looked_at.0.saturating_add(LOOK_EVERY_NS) {
            return Ok(());
        }
        self.market.looked_at = at;
        let (mut profit, mut capital) = (Money::ZERO, Money::ZERO);
        for instance in self.instances.iter().filter(|i| i.identity.mode.is_funded()) {
            // A canary trades the money of a live instance: it adds its profit and no capital, and no share moves the account.
            if instance.identity.mode == Mode::Live {
                capital += instance.capital;
            }
            profit += instance.ledger.profit(&self.market.last);
        }
        let Some(breach) = self.gate.on_equity(at, capital + profit, capital) else { return Ok(()) };
        if breach.state == TradingState::Halted && self.flattens {
            self.flattening.begin();
        }
        self.cancel_for(breach.state);
        // The state in force may be a stronger one, while the account does not agree; what it lost is said all the same.
        let told = StateChanged {
            state: self.gate.state(),
            at_ns: at.0,
            by: BY.to_owned(),
            reason: released_by(&breach.text, self.gate.latched()),
        };
        self.recorder.said(Message::StateChanged(told));
        self.settle_all(at)?;
        self.keep_flat(at)
    }

    /// Takes what a comparison with the venue found. While something differs nothing may open, whatever is latched; what rests is
    /// left alone, because it is not known which side is right.
    pub(crate) fn reconciled(&mut self, mismatch: Option<&str>, at: Ts) {
        let changed = match mismatch {
            Some(reason) => self.gate.make_unready(reason, at),
            None => self.gate.make_ready(),
        };
        if changed {
            let reason = self.with_release(mismatch.unwrap_or("the venue and the engine agree"));
            let (state, by) = (self.gate.state(), "reconciliation".to_owned());
            self.recorder.said(Message::StateChanged(StateChanged { state, at_ns: at.0, by, reason }));
        }
    }

    /// Cancels what a trading state does not allow to rest.
    pub(crate) fn cancel_for(&mut self, state: TradingState) {
        for i in 0..self.instances.len() {
            match state {
                TradingState::Active => {}
                TradingState::Reducing => {
                    self.cancel_resting(i, |order| !order.reduce_only, CancelReason::Halted, "reducing");
                }
                TradingState::Halted => self.cancel_resting(i, |_| true, CancelReason::Halted, "halted"),
            }
        }
    }
}

#[cfg(test)]
#[path = "safety_tests.rs"]
mod tests;
