//! What a strategy is told and what it may ask for.

use crate::message::{MevOpportunity, Prediction, Shortfall};
use crate::{
    Bar, BookTop, Fill, MarketTrade, Money, OrderId, OrderRequest, OrderUpdate, ParentOrder, Price, Purpose, Qty,
    Quote, Side, Staleness, SymbolId, Ts,
};
use serde::{Deserialize, Serialize};

/// A model's view of a symbol that the instance trades.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PredictionView<'a> {
    /// Of which symbol.
    pub symbol: SymbolId,
    /// When the engine received it, on the market's clock.
    pub at: Ts,
    /// The engine's own number of it, which [`FeedbackView`] gives back.
    pub number: u64,
    /// What was sent.
    pub prediction: &'a Prediction,
}

/// A chance on a chain that somebody saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpportunityView<'a> {
    /// The symbol in which it pays.
    pub symbol: SymbolId,
    /// When the engine received it, on the market's clock.
    pub at: Ts,
    /// What was sent.
    pub opportunity: &'a MevOpportunity,
}

/// Everything a strategy ever learns. Time is the event's own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// A candle closed.
    Bar(&'a Bar),
    /// A public print.
    Trade(&'a MarketTrade),
    /// The best prices changed.
    Quote(&'a Quote),
    /// The book changed; its best levels.
    Book(&'a BookTop),
    /// Data stopped or came back. While they are stale nothing may be opened.
    Staleness(&'a Staleness),
    /// A model spoke.
    Prediction(PredictionView<'a>),
    /// A chance on a chain.
    Opportunity(OpportunityView<'a>),
    /// A parent order ended; what was filled of it, at which mean price.
    Worked(&'a Worked),
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

/// The end of a parent order. What was not filled of it is unwanted from then on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worked {
    /// The parent.
    pub parent: ParentOrder,
    /// When it ended.
    pub at: Ts,
    /// What its children filled.
    pub filled: Qty,
    /// Sum of price times quantity of those fills.
    pub notional: Money,
    /// What getting there cost, split.
    pub shortfall: Shortfall,
}

/// What became of one prediction; the engine makes a `PerformanceFeedback` of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeedbackView {
    /// [`PredictionView::number`].
    pub number: u64,
    /// Of which symbol.
    pub symbol: SymbolId,
    /// `taken`, or why not; the words are `PerformanceFeedback`'s.
    pub outcome: &'static str,
    /// When the prediction was received, on the market's clock.
    pub received_at: Ts,
    /// Side traded, if any.
    pub side: Option<Side>,
    /// Quantity filled.
    pub qty: Qty,
    /// Price when it was decided, if anything was.
    pub decision_price: Option<Price>,
    /// Mean fill price, if anything filled.
    pub mean_fill_price: Option<Price>,
    /// Cost of getting in, if anything was ordered.
    pub shortfall: Option<Shortfall>,
    /// Signed move of the price over the horizon in bps, if it was lived to its end.
    pub realised_move_bps: Option<f64>,
}

/// Resting orders named by what they are, because a strategy does not choose their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resting {
    /// In which symbol.
    pub symbol: SymbolId,
    /// Which side.
    pub side: Side,
    /// Why they were sent.
    pub purpose: Purpose,
    /// The limit or trigger they name.
    pub price: Price,
}

impl Resting {
    /// Whether `order` is meant.
    #[must_use]
    pub fn names(&self, order: &OrderRequest) -> bool {
        (order.symbol, order.side, order.purpose) == (self.symbol, self.side, self.purpose)
            && order.named_price() == Some(self.price)
    }
}

/// A paper round trip on a chain: bought and sold in one transaction, or not at all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capture {
    /// The symbol that is bought and sold.
    pub symbol: SymbolId,
    /// How much.
    pub qty: Qty,
    /// What a unit costs.
    pub buy_price: Price,
    /// What a unit brings.
    pub sell_price: Price,
    /// Gas, flash fee and bid together.
    pub fee: Money,
    /// Strength of the signal, 0 to 1.
    pub strength: f64,
}

/// One request of a strategy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Send this order. `id`, `instance` and `decided_at` are set by the engine.
    Submit(OrderRequest),
    /// The next so many `Submit`s pass the risk gate together or not at all.
    Together(u8),
    /// Work this order in children.
    Execute(ParentOrder),
    /// End a parent order and cancel its children.
    StopExecution(OrderId),
    /// Book a paper round trip on a chain.
    Capture(Capture),
    /// Cancel one resting order.
    Cancel(OrderId),
    /// Cancel the resting orders of this instance that it names.
    CancelAt(Resting),
    /// Cancel every resting order of this instance in this symbol.
    CancelAll(SymbolId),
    /// Record a signal that was not taken.
    Skip(SignalView),
    /// Report what became of a prediction.
    Feedback(FeedbackView),
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
