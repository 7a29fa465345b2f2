//! Public market data of Binance (spot, USD-M) and Bybit (spot, linear), live.
//!
//! # Layout, from the wire inwards
//! - `connect`: one WebSocket, dialled, subscribed, kept alive, dialled again
//! - [`rest`]: whole books, past candles, within rate limits
//! - [`source`]: text to typed messages, pure
//! - [`sync`]: one stream of one symbol in order, pure; the rule of book changes is [`book::Resync`]'s
//! - [`feed`]: messages to market events, pure; silence is noticed here
//! - [`outbox`]: what waits while the engine is busy, and what of it may be merged
//! - `pump`: the one task between them
//!
//! Prints, candles, funding and every notice reach the engine once and in order, or reading stops until they can. Quotes and
//! book changes of a symbol merge while the engine's queue is full.

mod connect;
pub mod event;
pub mod feed;
mod fetch;
pub mod outbox;
pub mod plan;
mod pump;
pub mod rest;
pub mod source;
mod symbol;
pub mod sync;

pub use event::{FeedEvent, FeedHealth, Span, SymbolHealth};
pub use plan::ConfigError;
pub use rest::{Clock, RestError};

use crate::backoff::Backoff;
use crate::net::{Dial, Endpoint, Network};
use connect::{Heard, Line};
use feed::Feed;
use fetch::{Answer, Fetcher};
use model::{CandleInterval, MarketFeedConfig, MarketVenue, SymbolSpec, Ts};
use outbox::Outbox;
use plan::{connections, listings, ws_url};
use pump::{Pump, Wiring};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rest::RestClient;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Events that the engine's queue holds.
const QUEUE_EVENTS: usize = 8192;
/// Frames that wait to be read.
const QUEUE_FRAMES: usize = 1024;
/// Renewals that wait at one connection: more than it has books.
const QUEUE_RENEWALS: usize = 128;

/// A running feed of all configured markets. It ends when `events` is dropped.
pub struct PublicFeed {
    /// What it says.
    pub events: mpsc::Receiver<FeedEvent>,
    /// How it goes, by configured feed; renewed four times a second.
    pub health: watch::Receiver<Vec<FeedHealth>>,
}

/// Starts listening over the network, on the running tokio runtime. `known` says by symbol when the newest candle that is there
/// closed; candles that closed since come first, as missed. What is not named, or the smallest time, stands for none.
///
/// # Errors
/// [`ConfigError`]: the configuration is refused as a whole; nothing was started.
pub fn start(
    config: &[MarketFeedConfig],
    symbols: &[SymbolSpec],
    known: &[Ts],
    clock: impl Fn() -> Ts + Send + Sync + 'static,
) -> Result<PublicFeed, ConfigError> {
    let network = Network::new().map_err(|e| ConfigError::Tls(e.to_string()))?;
    start_through(Arc::new(network), config, symbols, known, Arc::new(clock))
}

/// [`start`] through a dialler of the caller's.
///
/// # Errors
/// As [`start`].
pub fn start_through(
    dialler: Arc<dyn Dial>,
    config: &[MarketFeedConfig],
    symbols: &[SymbolSpec],
    known: &[Ts],
    clock: Clock,
) -> Result<PublicFeed, ConfigError> {
    check_names(config)?;
    let (to_events, events) = mpsc::channel(QUEUE_EVENTS);
    let (to_heard, heard) = mpsc::channel(QUEUE_FRAMES);
    let (to_answers, answers) = mpsc::channel(QUEUE_FRAMES);
    let (to_health, health) = watch::channel(Vec::new());
    let shared =
        Shared { dialler, known, now: clock(), clock: Arc::clone(&clock), heard: to_heard, answers: to_answers };
    let wired: Vec<Wired> =
        config.iter().enumerate().map(|(index, feed)| shared.wire(index, feed, symbols)).collect::<Result<_, _>>()?;
    let (mut tasks, mut feeds) = (JoinSet::new(), Vec::new());
    for Wired { wiring, lines, fetcher } in wired {
        feeds.push(wiring);
        lines.into_iter().for_each(|line| drop(tasks.spawn(line.keep())));
        tasks.spawn(fetcher.work());
    }
    let (outbox, last_at) = (Outbox::default(), shared.now);
    tokio::spawn(
        Pump { feeds, heard, answers, events: to_events, health: to_health, clock, tasks, outbox, last_at }.run(),
    );
    Ok(PublicFeed { events, health })
}

/// What all feeds have in common.
struct Shared<'a> {
    dialler: Arc<dyn Dial>,
    known: &'a [Ts],
    now: Ts,
    clock: Clock,
    heard: mpsc::Sender<Heard>,
    answers: mpsc::Sender<Answer>,
}

/// One feed before its tasks run.
struct Wired {
    wiring: Wiring,
    lines: Vec<Line>,
    fetcher: Fetcher,
}

impl Shared<'_> {
    fn wire(&self, index: usize, config: &MarketFeedConfig, symbols: &[SymbolSpec]) -> Result<Wired, ConfigError> {
        let listed = listings(config, symbols)?;
        let endpoint = Endpoint::parse(config.ws_url.as_deref().unwrap_or(ws_url(config.venue)))?;
        let (mut connected, mut lines) = (Vec::new(), Vec::new());
        for (connection, plan) in connections(config, &listed).into_iter().enumerate() {
            let (to_renewals, renewals) = mpsc::channel(QUEUE_RENEWALS);
            connected.push((plan.subscriptions.clone(), to_renewals));
            lines.push(Line {
                venue: config.venue,
                feed: index,
                connection,
                endpoint: endpoint.clone(),
                plan,
                dialler: Arc::clone(&self.dialler),
                heard: self.heard.clone(),
                renewals,
                backoff: self.backoff(index, 1 + connection),
            });
        }
        let (jobs, to_do) = mpsc::unbounded_channel();
        let fetcher = Fetcher {
            feed: index,
            client: RestClient::new(config, Arc::clone(&self.dialler), Arc::clone(&self.clock))?,
            names: listed.into_iter().map(|listing| (listing.id, listing.exchange_name)).collect(),
            interval: config.streams.candles.unwrap_or(CandleInterval::M1),
            jobs: to_do,
            answers: self.answers.clone(),
            backoff: self.backoff(index, 0),
            next_book: BTreeMap::new(),
        };
        let is_book_pushed = matches!(config.venue, MarketVenue::BybitSpot | MarketVenue::BybitLinear);
        let feed = Feed::new(config, symbols, self.known, self.now)?;
        let wiring = Wiring { feed, connections: connected, jobs, is_book_pushed };
        Ok(Wired { wiring, lines, fetcher })
    }

    /// Each waits differently, and two processes that start at different times do too.
    fn backoff(&self, feed: usize, task: usize) -> Backoff {
        let mut rng = ChaCha8Rng::seed_from_u64(self.now.0.unsigned_abs());
        rng.set_stream(((feed as u64) << 32) | task as u64);
        Backoff::new(rng)
    }
}

/// A symbol has one source: two would disagree.
fn check_names(config: &[MarketFeedConfig]) -> Result<(), ConfigError> {
    let mut seen = BTreeMap::new();
    let twice = config.iter().flat_map(|feed| feed.symbols.keys()).find(|name| seen.insert(*name, ()).is_some());
    twice.map_or(Ok(()), |name| Err(ConfigError::Twice(name.clone())))
}
