//! A feed and an exchange in one process, on a virtual clock, joined by memory.

#![allow(dead_code, reason = "each test file uses its part")]

use fake_exchange::{Capture, Dialect, Exchange, Script};
use model::{
    CandleInterval, Depth, MarketEvent, MarketFeedConfig, MarketStreams, MarketTrade, MarketVenue, Quote, SymbolSpec,
    Ts,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use venues::net::{BoxedStream, Dial, Dialling, Endpoint};
use venues::public::{Clock, FeedEvent, FeedHealth, start_through};

/// Bytes in flight in one direction.
const PIPE_BYTES: usize = 256 << 10;
/// More than any recording lasts.
pub const WHOLE: i64 = 3600;
/// Between the feed's start and the first line.
pub const LEAD: Duration = Duration::from_secs(2);

/// Opens connections to an exchange in the same process.
pub struct Memory(pub Arc<Exchange>);

impl Dial for Memory {
    fn dial<'a>(&'a self, _: &'a Endpoint) -> Dialling<'a> {
        let exchange = Arc::clone(&self.0);
        Box::pin(async move {
            let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
            // How a served connection ends is the feed's to notice.
            tokio::spawn(async move { exchange.serve(theirs).await.ok() });
            Ok(Box::new(ours) as BoxedStream)
        })
    }
}

/// The first `seconds` of the recorded session of a market, or nothing, said aloud, where there are no data.
pub fn capture(market: &str, seconds: i64) -> Option<Capture> {
    let name = format!("ticks/raw_binance_{market}_btcusdt_20240808.gz");
    let Some(dir) = std::env::var_os("XCRACK_DATA_DIR").map(PathBuf::from) else {
        assert!(std::env::var_os("CI").is_none(), "XCRACK_DATA_DIR must be set in CI");
        eprintln!("skipped: XCRACK_DATA_DIR is not set, so {name} is not there");
        return None;
    };
    Some(Capture::read_seconds(&dir.join(name), seconds).expect("the recording is readable"))
}

/// BTCUSDT alone.
pub fn symbols() -> Vec<SymbolSpec> {
    vec![SymbolSpec::new("BTCUSDT", "0.01".parse().unwrap(), "0.00001".parse().unwrap())]
}

/// All streams of BTCUSDT that the recording has.
pub fn config(venue: MarketVenue) -> MarketFeedConfig {
    let is_binance = matches!(venue, MarketVenue::BinanceSpot | MarketVenue::BinanceUsdm);
    MarketFeedConfig {
        venue,
        symbols: BTreeMap::from([("BTCUSDT".to_owned(), "BTCUSDT".to_owned())]),
        streams: MarketStreams {
            trades: true,
            quotes: true,
            depth: true,
            candles: is_binance.then_some(CandleInterval::M1),
            funding: false,
        },
        ws_url: Some("ws://exchange.test".to_owned()),
        rest_url: Some("http://exchange.test".to_owned()),
        stale_after_ms: 60_000,
    }
}

/// A virtual clock that shows the recording's time when its first line is played.
pub fn clock(capture: &Capture) -> Clock {
    let began = Instant::now();
    let zero = capture.began_at_ns() - i64::try_from(LEAD.as_nanos()).unwrap();
    Arc::new(move || Ts(zero + i64::try_from(began.elapsed().as_nanos()).unwrap()))
}

/// What a session left behind.
pub struct Session {
    pub events: Vec<FeedEvent>,
    pub health: Vec<FeedHealth>,
    pub exchange: Arc<Exchange>,
}

/// Plays `capture` with `script` to a feed, listens until `settle` after the last line.
pub async fn session(venue: MarketVenue, capture: &Capture, script: Script, settle: Duration) -> Session {
    let dialect = match venue {
        MarketVenue::BinanceSpot | MarketVenue::BinanceUsdm => Dialect::Binance,
        MarketVenue::BybitSpot | MarketVenue::BybitLinear => Dialect::Bybit,
    };
    let exchange = Exchange::new(dialect, "BTCUSDT", capture, script, 1.0);
    session_with(venue, exchange, clock(capture), settle).await
}

/// Has `exchange` play to a feed on `clock`, listens until `settle` after the last line.
pub async fn session_with(venue: MarketVenue, exchange: Arc<Exchange>, clock: Clock, settle: Duration) -> Session {
    let dialler = Arc::new(Memory(Arc::clone(&exchange)));
    let mut feed = start_through(dialler, &[config(venue)], &symbols(), &[], clock).expect("the feed starts");
    let player = Arc::clone(&exchange);
    let playing = tokio::spawn(async move {
        tokio::time::sleep(LEAD).await;
        player.play().await;
        tokio::time::sleep(settle).await;
    });
    tokio::pin!(playing);
    let mut events = Vec::new();
    loop {
        tokio::select! {
            biased;
            Some(event) = feed.events.recv() => events.push(event),
            _ = &mut playing => break,
        }
    }
    let health = feed.health.borrow().clone();
    Session { events, health, exchange }
}

impl Session {
    pub fn market(&self) -> impl Iterator<Item = &MarketEvent> {
        self.events.iter().filter_map(|event| match event {
            FeedEvent::Market(event) => Some(event),
            _ => None,
        })
    }

    pub fn trades(&self) -> Vec<MarketTrade> {
        self.market().filter_map(|e| if let MarketEvent::Trade(x) = e { Some(*x) } else { None }).collect()
    }

    pub fn quotes(&self) -> Vec<Quote> {
        self.market().filter_map(|e| if let MarketEvent::Quote(x) = e { Some(*x) } else { None }).collect()
    }

    pub fn depths(&self) -> Vec<&Depth> {
        self.market().filter_map(|e| if let MarketEvent::Depth(x) = e { Some(x) } else { None }).collect()
    }

    /// Closed candles, live or missed.
    pub fn bars(&self) -> Vec<model::Bar> {
        let bar = |e: &MarketEvent| match e {
            MarketEvent::Bar(x) | MarketEvent::Missed(x) => Some(*x),
            _ => None,
        };
        self.market().filter_map(bar).collect()
    }

    pub fn staleness(&self) -> Vec<(Ts, bool)> {
        self.market()
            .filter_map(|e| if let MarketEvent::Staleness(x) = e { Some((x.at, x.is_stale)) } else { None })
            .collect()
    }

    pub fn problems(&self) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|event| match event {
                FeedEvent::Problem { what, .. } => Some(what.as_str()),
                _ => None,
            })
            .collect()
    }

    pub fn symbol_health(&self) -> &venues::public::SymbolHealth {
        &self.health[0].symbols[0]
    }
}
