//! One feed: the text of an exchange in, market events out. Pure: stamps come in as arguments, what must be fetched goes out
//! as [`Output`].

use super::event::{FeedEvent, FeedHealth, SymbolHealth};
use super::plan::{ConfigError, Listing, Subscription, listings};
use super::source::{self, Body, BookUpdate, Candle, Dropped, Message};
use super::symbol::{SymbolFeed, Wish};
use model::{MarketFeedConfig, MarketVenue, SymbolId, SymbolSpec, Ts};
use std::collections::BTreeMap;

/// What a feed wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Tell the engine.
    Event(FeedEvent),
    /// Get the whole book: by REST, or by subscribing anew where the stream brings it.
    FetchBook(SymbolId),
    /// Get closed candles that opened from `from` on and before `to`.
    FetchCandles {
        /// Whose.
        symbol: SymbolId,
        /// First opening.
        from: Ts,
        /// The opening after the last.
        to: Ts,
    },
}

/// One feed. Every event it makes carries the stamp that came in with what caused it.
#[derive(Debug)]
pub struct Feed {
    venue: MarketVenue,
    by_name: BTreeMap<String, usize>,
    by_id: BTreeMap<SymbolId, usize>,
    symbols: Vec<SymbolFeed>,
    health: FeedHealth,
    wishes: Vec<Wish>,
}

impl Feed {
    /// A feed that has heard nothing at `now`. `known` says by symbol when the newest candle that is there closed; what is not
    /// named, or the smallest time, stands for none.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn new(config: &MarketFeedConfig, specs: &[SymbolSpec], known: &[Ts], now: Ts) -> Result<Self, ConfigError> {
        let listings: Vec<Listing> = listings(config, specs)?;
        let mut feed = Self {
            venue: config.venue,
            by_name: BTreeMap::new(),
            by_id: BTreeMap::new(),
            symbols: Vec::with_capacity(listings.len()),
            health: FeedHealth::new(config.venue),
            wishes: Vec::new(),
        };
        for (index, listing) in listings.into_iter().enumerate() {
            feed.by_id.insert(listing.id, index);
            feed.by_name.insert(listing.exchange_name, index);
            let known = known.get(listing.id.index()).copied().filter(|at| *at > Ts(i64::MIN));
            feed.symbols.push(SymbolFeed::new(config, listing.id, now, known));
        }
        Ok(feed)
    }

    /// Takes one text frame.
    pub fn on_text(&mut self, text: &str, at: Ts, out: &mut Vec<Output>) {
        self.health.frames += 1;
        let (symbol, body) = match source::parse(self.venue, text) {
            Ok(Message::Data { symbol, body }) => (symbol, body),
            Ok(Message::Accepted) => return,
            Ok(Message::Refused(reason)) => {
                self.health.refused += 1;
                return self.problem(None, at, format!("the exchange refused a request: {reason}"), out);
            }
            Err(Dropped::Malformed) => return self.health.malformed += 1,
            Err(Dropped::Unknown) => return self.health.unknown += 1,
            Err(Dropped::Unsound) => return self.health.unsound += 1,
        };
        let Some(index) = self.by_name.get(symbol.as_ref()).copied() else {
            self.health.unknown += 1;
            return;
        };
        self.tell(index, out, |symbol, wishes| symbol.on_body(body, at, wishes), at);
    }

    /// A connection opened and subscribed to these streams.
    pub fn on_opened(&mut self, connection: usize, subscriptions: &[Subscription], at: Ts, out: &mut Vec<Output>) {
        self.health.connections += 1;
        out.push(Output::Event(FeedEvent::Connected { venue: self.venue, connection, at }));
        for subscription in subscriptions {
            if let Some(index) = self.by_id.get(&subscription.symbol).copied() {
                self.tell(index, out, |symbol, wishes| symbol.reopened(subscription.kind, at, wishes), at);
            }
        }
    }

    /// A connection ended, or could not be opened (`was_open` is false).
    pub fn on_closed(&mut self, connection: usize, was_open: bool, reason: String, at: Ts, out: &mut Vec<Output>) {
        if was_open {
            self.health.connections = self.health.connections.saturating_sub(1);
            self.health.reconnects += 1;
            out.push(Output::Event(FeedEvent::Disconnected { venue: self.venue, connection, at, reason }));
        } else {
            self.problem(None, at, format!("connection {connection}: {reason}"), out);
        }
    }

    /// Takes the answer to [`Output::FetchBook`].
    pub fn on_book(&mut self, symbol: SymbolId, snapshot: BookUpdate, at: Ts, out: &mut Vec<Output>) {
        if let Some(index) = self.by_id.get(&symbol).copied() {
            self.tell(index, out, |symbol, wishes| symbol.on_body(Body::Book(snapshot), at, wishes), at);
        }
    }

    /// Takes the answer to the [`Output::FetchCandles`] that began at `from`.
    pub fn on_candles(&mut self, symbol: SymbolId, from: Ts, candles: &[Candle], at: Ts, out: &mut Vec<Output>) {
        if let Some(index) = self.by_id.get(&symbol).copied() {
            self.tell(index, out, |symbol, wishes| symbol.on_fetched(from, candles, wishes), at);
        }
    }

    /// Says that a request did not succeed yet.
    pub fn on_trouble(&mut self, symbol: SymbolId, what: String, at: Ts, out: &mut Vec<Output>) {
        self.problem(Some(symbol), at, what, out);
    }

    /// A book change was lost on its way to the engine: it must be sent whole again.
    pub fn on_depth_lost(&mut self, symbol: SymbolId, at: Ts, out: &mut Vec<Output>) {
        if let Some(index) = self.by_id.get(&symbol).copied() {
            self.tell(index, out, SymbolFeed::on_depth_lost, at);
        }
    }

    /// Counts what was merged because the engine did not keep up.
    pub const fn on_conflated(&mut self) {
        self.health.conflated += 1;
    }

    /// Notices what did not happen; to be called about once a second.
    pub fn on_time(&mut self, now: Ts, out: &mut Vec<Output>) {
        for index in 0..self.symbols.len() {
            self.tell(index, out, |symbol, wishes| symbol.on_time(now, wishes), now);
        }
    }

    /// The figures so far.
    #[must_use]
    pub fn health(&self) -> FeedHealth {
        let symbols: Vec<SymbolHealth> = self.symbols.iter().map(SymbolFeed::health).collect();
        FeedHealth { symbols, ..self.health.clone() }
    }

    fn tell(
        &mut self,
        index: usize,
        out: &mut Vec<Output>,
        what: impl FnOnce(&mut SymbolFeed, &mut Vec<Wish>),
        at: Ts,
    ) {
        let Some(symbol) = self.symbols.get_mut(index) else { return };
        what(symbol, &mut self.wishes);
        let (id, venue) = (symbol.id(), self.venue);
        for wish in self.wishes.drain(..) {
            out.push(match wish {
                Wish::Market(event) => Output::Event(FeedEvent::Market(event)),
                Wish::Resynced(last_id) => Output::Event(FeedEvent::Resynced { venue, symbol: id, at, last_id }),
                Wish::Problem(what) => Output::Event(FeedEvent::Problem { venue, symbol: Some(id), at, what }),
                Wish::FetchBook => Output::FetchBook(id),
                Wish::FetchCandles { from, to } => Output::FetchCandles { symbol: id, from, to },
            });
        }
    }

    fn problem(&self, symbol: Option<SymbolId>, at: Ts, what: String, out: &mut Vec<Output>) {
        out.push(Output::Event(FeedEvent::Problem { venue: self.venue, symbol, at, what }));
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
