//! What the market says: symbols, bars, prints, best quotes and books.
//!
//! Every event carries two stamps: `exch_at`, when the exchange made it, and `at`, when this machine received it. They are
//! equal where a source knows only one. The engine orders events by `at`; `exch_at` matters to the simulated venue alone.

use crate::{Price, Qty, Side, Ts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A symbol's index in the configuration of this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct SymbolId(pub u16);

impl SymbolId {
    /// The index as a `usize`.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A traded symbol and its grid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SymbolSpec {
    /// Exchange name, ASCII upper case, for example `BTCUSDT`.
    pub name: String,
    /// Smallest price step.
    pub tick: Price,
    /// Smallest quantity step.
    pub lot: Qty,
    /// Where it trades, for example `binance`; empty where one venue is all there is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub venue: String,
    /// What is bought and sold, for example `BTC`; needed where symbols are combined.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub base: String,
    /// What prices are in, for example `USDT`; needed where symbols are combined.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub quote: String,
}

impl SymbolSpec {
    /// A symbol of the only venue.
    #[must_use]
    pub fn new(name: &str, tick: Price, lot: Qty) -> Self {
        Self { name: name.to_owned(), tick, lot, venue: String::new(), base: String::new(), quote: String::new() }
    }
}

/// One closed candle. It is known at `closed_at` and not before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bar {
    /// Whose candle.
    pub symbol: SymbolId,
    /// When the candle opened.
    pub opened_at: Ts,
    /// When it closed, which is when a strategy first sees it.
    pub closed_at: Ts,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Base volume.
    pub volume: Qty,
}

impl Bar {
    /// Whether the four prices can be one candle's: all above zero, `low <= open, close <= high`.
    #[must_use]
    #[inline]
    pub fn is_sound(&self) -> bool {
        self.low.0 > 0
            && self.low <= self.open.min(self.close)
            && self.open.max(self.close) <= self.high
            && self.volume.0 >= 0
            && self.opened_at < self.closed_at
    }
}

/// A public print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarketTrade {
    /// Whose.
    pub symbol: SymbolId,
    /// Received.
    pub at: Ts,
    /// Made by the exchange.
    pub exch_at: Ts,
    /// Price.
    pub price: Price,
    /// Quantity.
    pub qty: Qty,
    /// Who crossed the spread.
    pub aggressor: Side,
    /// The exchange's number.
    pub id: u64,
}

/// The best bid and ask. A side without orders has quantity zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// Whose.
    pub symbol: SymbolId,
    /// Received.
    pub at: Ts,
    /// Made by the exchange.
    pub exch_at: Ts,
    /// Best bid.
    pub bid: Price,
    /// Its quantity.
    pub bid_qty: Qty,
    /// Best ask.
    pub ask: Price,
    /// Its quantity.
    pub ask_qty: Qty,
}

impl Quote {
    /// Whether both sides stand and do not cross.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.bid.0 > 0 && self.bid < self.ask && self.bid_qty.0 > 0 && self.ask_qty.0 > 0
    }

    /// The middle, rounded down to the unit of prices.
    #[must_use]
    pub fn mid(&self) -> Price {
        Price(self.bid.0 + (self.ask.0 - self.bid.0) / 2)
    }
}

/// One price of a book and what rests there now; zero deletes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// Bids are [`Side::Buy`].
    pub side: Side,
    /// Price.
    pub price: Price,
    /// What rests there, not the change.
    pub qty: Qty,
}

/// A snapshot of a book, or what changed since the last update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depth {
    /// Whose.
    pub symbol: SymbolId,
    /// Received.
    pub at: Ts,
    /// Made by the exchange.
    pub exch_at: Ts,
    /// First update number it covers.
    pub first_id: u64,
    /// Last update number it covers.
    pub last_id: u64,
    /// Whether it replaces the book.
    pub is_snapshot: bool,
    /// Levels, in the exchange's order.
    pub levels: Vec<Level>,
}

/// Levels of each side in a [`BookTop`].
pub const TOP_LEVELS: usize = 5;

/// The best levels of a book, best first; a level that does not exist has quantity zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookTop {
    /// Whose.
    pub symbol: SymbolId,
    /// Received.
    pub at: Ts,
    /// Bids.
    pub bids: [(Price, Qty); TOP_LEVELS],
    /// Asks.
    pub asks: [(Price, Qty); TOP_LEVELS],
}

/// A funding payment of a perpetual falls due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Funding {
    /// Whose.
    pub symbol: SymbolId,
    /// When.
    pub at: Ts,
    /// Rate in 1e-8 of notional; longs pay when it is above zero.
    pub rate_e8: i64,
    /// The price it is computed on.
    pub mark: Price,
}

/// A symbol's data stopped, or came back. While it is stale its strategies open nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staleness {
    /// Whose.
    pub symbol: SymbolId,
    /// When it was noticed.
    pub at: Ts,
    /// Whether the data are too old to trade on.
    pub is_stale: bool,
}

/// One event of the market.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum MarketEvent {
    /// A candle closed.
    Bar(Bar),
    /// A candle closed while nobody listened, and was fetched later: history, on which nothing is decided.
    Missed(Bar),
    /// A public print.
    Trade(MarketTrade),
    /// The best prices changed.
    Quote(Quote),
    /// The book changed.
    Depth(Depth),
    /// Funding falls due.
    Funding(Funding),
    /// Data stopped or came back.
    Staleness(Staleness),
}

impl MarketEvent {
    /// Whose event.
    #[must_use]
    pub fn symbol(&self) -> SymbolId {
        match self {
            Self::Bar(x) | Self::Missed(x) => x.symbol,
            Self::Trade(x) => x.symbol,
            Self::Quote(x) => x.symbol,
            Self::Depth(x) => x.symbol,
            Self::Funding(x) => x.symbol,
            Self::Staleness(x) => x.symbol,
        }
    }

    /// When this machine knew it.
    #[must_use]
    pub fn at(&self) -> Ts {
        match self {
            Self::Bar(x) | Self::Missed(x) => x.closed_at,
            Self::Trade(x) => x.at,
            Self::Quote(x) => x.at,
            Self::Depth(x) => x.at,
            Self::Funding(x) => x.at,
            Self::Staleness(x) => x.at,
        }
    }
}
