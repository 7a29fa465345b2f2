//! Who listens to the core. A backtest keeps little and pays for nothing else; a live run turns everything into messages.

use crate::ledger::Closed;
use model::message::Message;
use model::{Bar, BookTop, Fill, Mode, Money, OrderRequest, Price, Qty, Side, SymbolId, Ts};
use std::sync::Arc;

/// Who an instance is at this moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// Name.
    pub instance_id: String,
    /// What the ids that it gives begin with: `{engine_id}:{instance_id}`, so that an engine that begins anew under another
    /// name repeats none of them. In a backtest the name alone.
    pub origin: String,
    /// Strategy.
    pub strategy: &'static str,
    /// Mode.
    pub mode: Mode,
    /// Version of the parameters in force.
    pub version: u64,
    /// Their hash.
    pub params_sha256: Arc<str>,
}

/// A wish to open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wish {
    /// Symbol.
    pub symbol: SymbolId,
    /// Direction.
    pub side: Side,
    /// Strength of the signal.
    pub strength: f64,
    /// Price looked at.
    pub price: Price,
    /// Quantity wanted; zero where the strategy did not size it.
    pub qty: Qty,
    /// When.
    pub at: Ts,
}

impl From<&OrderRequest> for Wish {
    fn from(order: &OrderRequest) -> Self {
        let OrderRequest { symbol, side, strength, qty, .. } = *order;
        Self { symbol, side, strength, qty, price: order.decision_price, at: order.decided_at }
    }
}

/// A large opening order that waits for the advisor.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// `{engine_id}:{instance_id}-a{n}`.
    pub advice_id: String,
    /// The order.
    pub order: OrderRequest,
    /// Wait until then.
    pub deadline: Ts,
    /// KRW per quote unit, `None` when unknown or too old.
    pub krw_per_quote: Option<f64>,
    /// Equity of the instance.
    pub equity: Money,
    /// Signed position in the symbol.
    pub position: Qty,
}

/// Listens to the core.
pub trait Recorder {
    /// What it wants to find again on a trade that an order opened.
    type Tag: Clone;

    /// A bar closed, before anything is decided on it.
    fn observed(&mut self, bar: &Bar);
    /// An order is about to be sent, or held for advice: what to remember of this moment. `top` is the book, where one is known.
    fn tag(&mut self, who: &Identity, order: &OrderRequest, top: Option<BookTop>) -> Self::Tag;
    /// The advisor let this order pass.
    fn advised(&mut self, tag: &mut Self::Tag, advice_id: &str);
    /// An approved order went to the venue.
    fn sent(&mut self, order: &OrderRequest);
    /// An order filled.
    fn filled(&mut self, fill: &Fill);
    /// A round trip closed.
    fn closed(&mut self, who: &Identity, trade: &Closed<'_, Self::Tag>);
    /// A signal was taken, or stopped by `outcome`.
    fn wished(&mut self, who: &Identity, wish: &Wish, outcome: &str);
    /// An order waits for advice.
    fn asked(&mut self, who: &Identity, ask: &Ask);
    /// Something else worth telling.
    fn said(&mut self, message: Message);
    /// Takes the messages made so far, in the order in which things happened.
    fn drain(&mut self) -> Vec<Message>;
    /// Hash chain over everything sent and filled; empty if not kept.
    fn actions_sha256(&self) -> String;
}
