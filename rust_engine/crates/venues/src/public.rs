//! Public market data of Binance (spot, USD-M) and Bybit (spot, linear), live.
//!
//! # Layout, from the wire inwards
//! - `connect`: one WebSocket, dialled, subscribed, kept alive, dialled again
//! - [`rest`]: whole books, past candles, listed symbols, within rate limits
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

pub use event::{FeedEvent, FeedHealth, SymbolHealth};
pub use plan::ConfigError;
pub use rest::{Clock, ListedSymbol, RestError};

use crate::backoff::Backoff;
use crate::net::{Dial, Endpoint, Network};
use connect::{Heard, Line};
use feed::Feed;
use fetch::{Answer, Fetcher};
use model::{Bar, CandleInterval, MarketFeedConfig, MarketVenue, SymbolSpec, Ts};
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
/// Attempts of a backfill at one request before it gives up.
const BACKFILL_ATTEMPTS: u32 = 6;

/// A running feed of all configured markets. It ends when `events` is dropped.
pub struct PublicFeed {
    /// What it says.
    pub events: mpsc::Receiver<FeedEvent>,
    /// How it goes, by configured feed; renewed four times a second.
    pub health: watch::Receiver<Vec<FeedHealth>>,
}

/// Starts listening over the network, on the running tokio runtime.
///
/// # Errors
/// [`ConfigError`]: the configuration is refused as a whole; nothing was started.
pub fn start(
    config: &[MarketFeedConfig],
    symbols: &[SymbolSpec],
    clock: impl Fn() -> Ts + Send + Sync + 'static,
) -> Result<PublicFeed, ConfigError> {
    let network = Network::new().map_err(|e| ConfigError::Tls(e.to_string()))?;
    start_through(Arc::new(network), config, symbols, Arc::new(clock))
}

/// [`start`] through a dialler of the caller's.
///
/// # Errors
/// As [`start`].
pub fn start_through(
    dialler: Arc<dyn Dial>,
    config: &[MarketFeedConfig],
    symbols: &[SymbolSpec],
    clock: Clock,
) -> Result<PublicFeed, ConfigError> {
    check_names(config)?;
    let (to_events, events) = mpsc::channel(QUEUE_EVENTS);
    let (to_heard, heard) = mpsc::channel(QUEUE_FRAMES);
    let (to_answers, answers) = mpsc::channel(QUEUE_FRAMES);
    let (to_health, health) = watch::channel(Vec::new());
    let shared = Shared { dialler, now: clock(), clock: Arc::clone(&clock), heard: to_heard, answers: to_answers };
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
struct Shared {
    dialler: Arc<dyn Dial>,
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

impl Shared {
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
        let wiring =
            Wiring { feed: Feed::new(config, symbols, self.now)?, connections: connected, jobs, is_book_pushed };
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

/// Closed candles of every symbol of a feed that opened from `from` on and before `to`, in the order in which they closed.
/// Where the exchange has none, none is made up.
///
/// # Errors
/// [`RestError`] of the request that failed to the last attempt, or that can never succeed.
pub async fn backfill(
    config: &MarketFeedConfig,
    symbols: &[SymbolSpec],
    from: Ts,
    to: Ts,
    clock: impl Fn() -> Ts + Send + Sync + 'static,
) -> Result<Vec<Bar>, BackfillError> {
    backfill_through(network()?, config, symbols, from, to, Arc::new(clock)).await
}

/// [`backfill`] through a dialler of the caller's.
///
/// # Errors
/// As [`backfill`].
pub async fn backfill_through(
    dialler: Arc<dyn Dial>,
    config: &MarketFeedConfig,
    symbols: &[SymbolSpec],
    from: Ts,
    to: Ts,
    clock: Clock,
) -> Result<Vec<Bar>, BackfillError> {
    let interval = config.streams.candles.ok_or(BackfillError::NoCandles)?;
    let seed = clock().0.unsigned_abs();
    let client = RestClient::new(config, dialler, clock).map_err(RestError::from)?;
    let mut backoff = Backoff::new(ChaCha8Rng::seed_from_u64(seed));
    let mut bars = Vec::new();
    for listing in listings(config, symbols)? {
        backoff.reset();
        let mut attempt = 1;
        let candles = loop {
            match client.candles(&listing.exchange_name, interval, from, to).await {
                Ok(candles) => break candles,
                Err(error) if error.is_passing() && attempt < BACKFILL_ATTEMPTS => {
                    attempt += 1;
                    tokio::time::sleep(backoff.next_wait()).await;
                }
                Err(error) => return Err(error.into()),
            }
        };
        bars.extend(candles.iter().map(|candle| symbol::bar_of(candle, listing.id, interval.ns())));
    }
    bars.sort_by_key(|bar| (bar.closed_at, bar.symbol));
    Ok(bars)
}

/// Why there is no backfill.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// The feed has no candles.
    #[error("the feed subscribes to no candles, so their length is not known")]
    NoCandles,
    /// See [`ConfigError`].
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// See [`RestError`].
    #[error(transparent)]
    Rest(#[from] RestError),
}

/// What the exchange lists under the feed's symbols, by the engine's names: base, quote, tick and lot.
///
/// # Errors
/// [`RestError`].
pub async fn listed_symbols(
    config: &MarketFeedConfig,
    clock: impl Fn() -> Ts + Send + Sync + 'static,
) -> Result<BTreeMap<String, ListedSymbol>, RestError> {
    listed_symbols_through(network()?, config, Arc::new(clock)).await
}

/// [`listed_symbols`] through a dialler of the caller's.
///
/// # Errors
/// As [`listed_symbols`].
pub async fn listed_symbols_through(
    dialler: Arc<dyn Dial>,
    config: &MarketFeedConfig,
    clock: Clock,
) -> Result<BTreeMap<String, ListedSymbol>, RestError> {
    let client = RestClient::new(config, dialler, clock)?;
    let names: Vec<String> = config.symbols.values().map(|name| name.to_ascii_uppercase()).collect();
    let listed = client.listed(&names).await?;
    let find = |name: &str| listed.iter().find(|symbol| symbol.name.eq_ignore_ascii_case(name)).cloned();
    Ok(config.symbols.iter().filter_map(|(name, theirs)| Some((name.clone(), find(theirs)?))).collect())
}

fn network() -> Result<Arc<dyn Dial>, RestError> {
    Ok(Arc::new(Network::new().map_err(|e| RestError::Tls(e.to_string()))?))
}
