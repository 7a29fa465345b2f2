//! What a strategy is told and what it may ask for.

use crate::{Bar, Fill, OrderId, OrderRequest, OrderUpdate, Price, Side, SymbolId};

/// Everything a strategy ever learns. Time is the event's own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// A candle closed.
    Bar(&'a Bar),
    /// One of its orders traded.
    Fill(&'a Fill),
    /// One of its orders ended otherwise.
    OrderUpdate(&'a OrderUpdate),
}

/// A view worth recording although no order came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignalView {
    /// Of which symbol.
    pub symbol: SymbolId,
    /// Direction it would have traded.
    pub side: Side,
    /// 0 to 1.
    pub strength: f64,
    /// Price it looked at.
    pub price: Price,
    /// Why no order followed.
    pub skipped: &'static str,
}

/// One request of a strategy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Send this order. `id`, `instance` and `decided_at` are set by the engine.
    Submit(OrderRequest),
    /// Cancel one resting order.
    Cancel(OrderId),
    /// Cancel every resting order of this instance in this symbol.
    CancelAll(SymbolId),
    /// Record a signal that was not taken.
    Skip(SignalView),
}

/// The requests of one event, in order. Reused between events, so that a quiet bar allocates nothing.
#[derive(Debug, Default)]
pub struct Actions {
    list: Vec<Action>,
}

impl Actions {
    /// Adds a request.
    pub fn push(&mut self, action: Action) {
        self.list.push(action);
    }

    /// The requests so far.
    #[must_use]
    pub fn as_slice(&self) -> &[Action] {
        &self.list
    }

    /// Whether nothing was asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.list.clear();
    }
}
