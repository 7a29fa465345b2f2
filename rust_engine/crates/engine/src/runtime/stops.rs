//! What a run waits for, and what keeps it from trading.

use super::Runtime;
use model::TradingState;
use risk::Halt;

impl Runtime {
    /// Active, reducing or halted.
    #[must_use]
    pub fn state(&self) -> TradingState {
        self.core.gate.state()
    }

    /// The state that was latched, whatever an account that does not agree adds to it.
    #[must_use]
    pub fn latched_state(&self) -> TradingState {
        self.core.gate.latched().map_or(TradingState::Active, |halt| halt.state)
    }

    /// Why trading is reduced or halted, and what releases it; `None` when active.
    #[must_use]
    pub fn stop(&self) -> Option<&Halt> {
        self.core.gate.stop()
    }

    /// Whether an order waits for the advisor, so that the market stands still.
    #[must_use]
    pub fn waits_for_advice(&self) -> bool {
        !self.core.desk.held.is_empty()
    }

    /// The requests for advice whose orders wait, oldest first.
    pub fn advice_waited_for(&self) -> impl Iterator<Item = &str> {
        self.core.desk.held.iter().map(|held| held.pending.advice_id.as_str())
    }
}
