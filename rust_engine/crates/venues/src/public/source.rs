//! What an exchange says, read from its text: pure functions from untrusted bytes to typed messages.
//!
//! Numbers go from decimal text straight into fixed point. Unknown fields are ignored; a message that lacks a field, carries
//! a number that does not fit, or says what no market can say (a negative quantity, a crossed quote) is refused whole.

use model::{Level, MarketVenue, Price, Qty, Side, Ts};
use std::borrow::Cow;

pub mod binance;
pub mod bybit;
mod decimal;

pub use decimal::{parse_price, parse_qty};

/// One public print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print {
    /// The exchange's number; where its numbers are texts, a 64-bit digest of them.
    pub id: u64,
    /// Price, above zero.
    pub price: Price,
    /// Quantity, above zero.
    pub qty: Qty,
    /// Who crossed the spread.
    pub aggressor: Side,
    /// When the exchange matched it.
    pub exch_at: Ts,
}

/// The best of both sides. A side without orders has price and quantity zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Best {
    /// The exchange's number of this state of the book.
    pub update_id: u64,
    /// Best bid.
    pub bid: Price,
    /// Its quantity.
    pub bid_qty: Qty,
    /// Best ask.
    pub ask: Price,
    /// Its quantity.
    pub ask_qty: Qty,
    /// When the exchange made it, where it says so.
    pub exch_at: Option<Ts>,
}

impl Best {
    /// Whether both numbers and both prices equal those of `other`.
    #[must_use]
    pub fn shows_the_same(&self, other: &Self) -> bool {
        (self.bid, self.bid_qty, self.ask, self.ask_qty) == (other.bid, other.bid_qty, other.ask, other.ask_qty)
    }
}

/// A change of a book, or a whole book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookUpdate {
    /// Whether it replaces the book.
    pub is_snapshot: bool,
    /// First update number it covers.
    pub first_id: u64,
    /// Last update number it covers.
    pub last_id: u64,
    /// The `last_id` of the message before, where the exchange says it.
    pub previous_id: Option<u64>,
    /// Levels, bids first, in the exchange's order.
    pub levels: Vec<Level>,
    /// When the exchange made it, where it says so.
    pub exch_at: Option<Ts>,
}

/// A candle, closed or still forming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candle {
    /// When it opened.
    pub opened_at: Ts,
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
    /// Whether the exchange says that it is over.
    pub is_closed: bool,
}

/// What is known of a perpetual's next funding payment; an exchange may send only what changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Mark price.
    pub mark: Option<Price>,
    /// Rate of the next payment, in 1e-8 of notional.
    pub rate_e8: Option<i64>,
    /// When the next payment falls due.
    pub next_at: Option<Ts>,
}

/// What one message says of one symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Prints, in the exchange's order.
    Prints(Vec<Print>),
    /// Best prices.
    Best(Best),
    /// A side of the best prices where the other did not change: bid, then ask.
    BestDelta(u64, Option<(Price, Qty)>, Option<(Price, Qty)>, Option<Ts>),
    /// Book.
    Book(BookUpdate),
    /// Candles, in the exchange's order.
    Candles(Vec<Candle>),
    /// Funding.
    Mark(Mark),
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Market data of `symbol`, by the exchange's name.
    Data {
        /// The exchange's name.
        symbol: Cow<'a, str>,
        /// What is said of it.
        body: Body,
    },
    /// A request was accepted, or a pong came.
    Accepted,
    /// A request was refused, in the exchange's words (cut to 200 characters).
    Refused(String),
}

/// Why a message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Dropped {
    /// Not JSON, or JSON of another shape.
    #[error("not a message of this exchange")]
    Malformed,
    /// A kind of message that nobody asked for.
    #[error("an unknown kind of message")]
    Unknown,
    /// Numbers that no market has.
    #[error("numbers that no market has")]
    Unsound,
}

/// Reads one text frame of `venue`.
///
/// # Errors
/// [`Dropped`]: the message is to be counted and forgotten.
pub fn parse(venue: MarketVenue, text: &str) -> Result<Message<'_>, Dropped> {
    match venue {
        MarketVenue::BinanceSpot | MarketVenue::BinanceUsdm => binance::parse(text),
        MarketVenue::BybitSpot | MarketVenue::BybitLinear => bybit::parse(text),
    }
}

/// A stamp in milliseconds as both exchanges write it.
fn stamp(ms: i64) -> Result<Ts, Dropped> {
    // The year 2200 still fits nanoseconds in 64 bits; anything beyond is no stamp.
    const YEAR_2200_MS: i64 = 7_258_118_400_000;
    if (1..YEAR_2200_MS).contains(&ms) { Ok(Ts(ms * Ts::MS)) } else { Err(Dropped::Unsound) }
}

fn sound_print(print: Print) -> Result<Print, Dropped> {
    if print.price.0 > 0 && print.qty.0 > 0 { Ok(print) } else { Err(Dropped::Unsound) }
}

fn sound_best(best: Best) -> Result<Best, Dropped> {
    let side = |price: Price, qty: Qty| (price.0 > 0 && qty.0 > 0) || (price.0 >= 0 && qty.0 == 0);
    let both = best.bid_qty.0 > 0 && best.ask_qty.0 > 0;
    let is_sound = side(best.bid, best.bid_qty) && side(best.ask, best.ask_qty) && (!both || best.bid < best.ask);
    if is_sound { Ok(best) } else { Err(Dropped::Unsound) }
}

fn sound_candle(candle: Candle) -> Result<Candle, Dropped> {
    let is_sound = candle.low.0 > 0
        && candle.low <= candle.open.min(candle.close)
        && candle.open.max(candle.close) <= candle.high
        && candle.volume.0 >= 0;
    if is_sound { Ok(candle) } else { Err(Dropped::Unsound) }
}

/// No exchange counts this far; numbers beyond it leave no room to count on.
const LARGEST_ID: u64 = i64::MAX as u64;

fn sound_book(update: BookUpdate) -> Result<BookUpdate, Dropped> {
    let is_sound = update.last_id <= LARGEST_ID
        && update.levels.iter().all(|level| level.price.0 > 0 && level.qty.0 >= 0)
        && update.first_id <= update.last_id
        && update.previous_id.is_none_or(|previous| previous < update.last_id);
    if is_sound { Ok(update) } else { Err(Dropped::Unsound) }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
