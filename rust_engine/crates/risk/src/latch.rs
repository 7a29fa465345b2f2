//! Whether new exposure may be opened, and why not.
//!
//! A state is latched: it only grows stronger, until a named operator resumes. Apart from it there is readiness: an engine that
//! does not yet agree with its venue counts as halted, whatever is latched, and becomes ready without weakening the latch.

use model::{TradingState, Ts};
use serde::{Deserialize, Serialize};

/// What may stop trading but never start it again: machines, and an operator who gave no name.
const NOBODY: [&str; 7] = ["engine", "risk", "kill_file", "signal", "dead_man", "reconciliation", "operator"];

/// Why trading is reduced or halted, and what ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// `Reducing` or `Halted`.
    pub state: TradingState,
    /// Why.
    pub reason: String,
    /// Who or what: an operator's name, or `risk`, `kill_file`, `signal`, `dead_man`, `reconciliation`.
    pub by: String,
    /// Since when.
    pub at: Ts,
    /// What releases it.
    pub release: String,
}

impl Halt {
    /// A stop that `resume` by a named operator releases.
    #[must_use]
    pub fn until_resume(state: TradingState, reason: &str, by: &str, at: Ts) -> Self {
        let release = match by {
            "kill_file" => "remove the kill file, then `resume` by a named operator",
            "dead_man" => "`resume` by a named operator; it fires again if nobody is heard from",
            "risk" => "`resume` by a named operator, which measures losses anew from the equity of that moment",
            _ => "`resume` by a named operator",
        };
        Self { state, reason: reason.to_owned(), by: by.to_owned(), at, release: release.to_owned() }
    }
}

/// `resume` came from nobody in particular.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("resume needs the name of an operator; '{by}' is none")]
pub struct Unnamed {
    /// The name given.
    pub by: String,
}

/// How strongly a state stops trading.
const fn strength(state: TradingState) -> u8 {
    match state {
        TradingState::Active => 0,
        TradingState::Reducing => 1,
        TradingState::Halted => 2,
    }
}

/// The latched state, and readiness beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Latch {
    /// The stronger of the two below, kept because every order asks for it.
    state: TradingState,
    latched: Option<Halt>,
    unready: Option<Halt>,
}

impl Default for Latch {
    fn default() -> Self {
        Self { state: TradingState::Active, latched: None, unready: None }
    }
}

impl Latch {
    pub(crate) fn state(&self) -> TradingState {
        self.state
    }

    /// The stop in force; the first of its strength.
    pub(crate) fn stop(&self) -> Option<&Halt> {
        self.unready.as_ref().or(self.latched.as_ref())
    }

    /// What is latched, whatever readiness says.
    pub(crate) fn latched(&self) -> Option<&Halt> {
        self.latched.as_ref()
    }

    /// Whether `state` would be latched.
    pub(crate) fn is_weaker_than(&self, state: TradingState) -> bool {
        self.latched.as_ref().map_or(0, |h| strength(h.state)) < strength(state)
    }

    /// Latches `halt` if it is stronger than what is latched, and says whether the state in force changed.
    pub(crate) fn tighten(&mut self, halt: Halt) -> bool {
        if !self.is_weaker_than(halt.state) {
            return false;
        }
        self.latched = Some(halt);
        self.settle()
    }

    /// Releases what is latched and accepts a venue that disagrees; says whether the state in force changed.
    pub(crate) fn resume(&mut self, by: &str) -> Result<bool, Unnamed> {
        if by.trim().is_empty() || NOBODY.contains(&by) {
            return Err(Unnamed { by: by.to_owned() });
        }
        (self.latched, self.unready) = (None, None);
        Ok(self.settle())
    }

    /// Halts until [`Latch::make_ready`] or [`Latch::resume`].
    pub(crate) fn make_unready(&mut self, reason: &str, at: Ts) -> bool {
        self.unready = Some(Halt {
            state: TradingState::Halted,
            reason: reason.to_owned(),
            by: "reconciliation".to_owned(),
            at,
            release: "the venue and the engine agree, or `resume` by a named operator accepts the difference"
                .to_owned(),
        });
        self.settle()
    }

    pub(crate) fn make_ready(&mut self) -> bool {
        self.unready = None;
        self.settle()
    }

    fn settle(&mut self) -> bool {
        let before = self.state;
        self.state = self.stop().map_or(TradingState::Active, |halt| halt.state);
        self.state != before
    }
}

#[cfg(test)]
#[path = "latch_tests.rs"]
mod tests;
