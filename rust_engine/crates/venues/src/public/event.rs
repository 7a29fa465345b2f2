//! What the engine is told, and the figures that say how well the listening goes.

use model::{MarketEvent, MarketVenue, SymbolId, Ts};
use serde::Serialize;

/// One thing that a feed says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedEvent {
    /// The market. Stamps `at` never go back within one receiver; a bar's is its close, which lies before.
    Market(MarketEvent),
    /// A connection opened and its subscriptions were sent.
    Connected {
        /// Whose.
        venue: MarketVenue,
        /// Its number within the feed.
        connection: usize,
        /// When.
        at: Ts,
    },
    /// A connection ended; it is dialled again.
    Disconnected {
        /// Whose.
        venue: MarketVenue,
        /// Its number within the feed.
        connection: usize,
        /// When.
        at: Ts,
        /// Why.
        reason: String,
    },
    /// A book was sent whole again: the snapshot comes next.
    Resynced {
        /// Whose.
        venue: MarketVenue,
        /// Which.
        symbol: SymbolId,
        /// When.
        at: Ts,
        /// The update number of the snapshot.
        last_id: u64,
    },
    /// Something that an operator may want to know and that needs no answer.
    Problem {
        /// Where.
        venue: MarketVenue,
        /// Of which symbol, where it is one symbol's.
        symbol: Option<SymbolId>,
        /// When.
        at: Ts,
        /// What.
        what: String,
    },
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Its first moment.
    pub from: Ts,
    /// The moment after its last.
    pub to: Ts,
}

/// Figures of one symbol since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SymbolHealth {
    /// Whose.
    pub symbol: SymbolId,
    /// Messages understood.
    pub messages: u64,
    /// Messages seen before or older than what was seen.
    pub duplicates: u64,
    /// Messages that no sequence has.
    pub strange: u64,
    /// Times that something was missing.
    pub gaps: u64,
    /// Candles that the stream did not bring and a request did.
    pub missed_candles: u64,
    /// Candles that neither brought.
    pub lost_candles: u64,
    /// Which of them were lost last; absent while none was.
    pub last_lost: Option<Span>,
    /// Snapshots of the book after the first.
    pub resyncs: u64,
    /// When the last message came; zero before the first.
    pub last_at: Ts,
    /// Receive stamp less exchange stamp of the last message that had one; the clocks' difference is part of it.
    pub lag_ns: i64,
    /// Whether it is stale now.
    pub is_stale: bool,
    /// Whether its book stands now.
    pub is_book_live: bool,
}

/// Figures of one feed since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FeedHealth {
    /// Whose.
    pub venue: MarketVenue,
    /// Connections that are open now.
    pub connections: u64,
    /// Connections that ended.
    pub reconnects: u64,
    /// Frames received.
    pub frames: u64,
    /// Frames that were not messages of the exchange.
    pub malformed: u64,
    /// Messages of a kind or symbol that was not asked for.
    pub unknown: u64,
    /// Messages with numbers that no market has.
    pub unsound: u64,
    /// Requests that the exchange refused.
    pub refused: u64,
    /// Quotes and book changes that were merged because the engine did not keep up.
    pub conflated: u64,
    /// By symbol, in the order of their ids.
    pub symbols: Vec<SymbolHealth>,
}

impl FeedHealth {
    pub(super) const fn new(venue: MarketVenue) -> Self {
        Self {
            venue,
            connections: 0,
            reconnects: 0,
            frames: 0,
            malformed: 0,
            unknown: 0,
            unsound: 0,
            refused: 0,
            conflated: 0,
            symbols: Vec::new(),
        }
    }
}
