//! What keeps connections alive, and what replaces them, over hours of virtual time.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

mod support;

use fake_exchange::http::Ask;
use fake_exchange::{Capture, Dialect, Exchange, Line, Script};
use model::{MarketFeedConfig, MarketStreams, MarketVenue, Ts};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{Memory, config, symbols};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use venues::net::{BoxedStream, Dial, Dialling, Endpoint};
use venues::public::{Clock, FeedEvent, start_through};

fn clock() -> Clock {
    let began = Instant::now();
    Arc::new(move || Ts(1_000_000_000 + i64::try_from(began.elapsed().as_nanos()).unwrap()))
}

fn quotes_only() -> MarketFeedConfig {
    let streams = MarketStreams { quotes: true, ..MarketStreams::default() };
    MarketFeedConfig { streams, ..config(MarketVenue::BinanceSpot) }
}

/// What a feed says of its connections within `seconds`: the second, and what.
async fn said_within(dialler: Arc<dyn Dial>, config: MarketFeedConfig, seconds: u64) -> Vec<(i64, String)> {
    let mut feed = start_through(dialler, &[config], &symbols(), &[], clock()).unwrap();
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut said = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout_at(end, feed.events.recv()).await {
        let second = |at: Ts| (at.0 - 1_000_000_000) / 1_000_000_000;
        match event {
            FeedEvent::Connected { at, .. } => said.push((second(at), "connected".to_owned())),
            FeedEvent::Disconnected { at, reason, .. } => said.push((second(at), reason)),
            FeedEvent::Problem { at, what, .. } => said.push((second(at), what)),
            _ => {}
        }
    }
    said
}

/// Accepts every WebSocket and then neither reads nor answers.
struct Mute(AtomicUsize);

impl Dial for Mute {
    fn dial<'a>(&'a self, _: &'a Endpoint) -> Dialling<'a> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            let (ours, mut theirs) = tokio::io::duplex(64 << 10);
            tokio::spawn(async move {
                let ask = Ask::read(&mut theirs).await?;
                let key = ask.headers.get("sec-websocket-key").cloned().unwrap_or_default();
                let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
                let head = format!(
                    "HTTP/1.1 101 -\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
                );
                theirs.write_all(head.as_bytes()).await?;
                tokio::time::sleep(Duration::from_secs(86_400)).await;
                io::Result::Ok(())
            });
            Ok(Box::new(ours) as BoxedStream)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_even_pong_is_left() {
    let said = said_within(Arc::new(Mute(AtomicUsize::new(0))), quotes_only(), 60).await;
    let [(0, first), (left_at, reason), (_, again)] = &said[..] else { panic!("{said:?}") };
    assert_eq!((first.as_str(), again.as_str()), ("connected", "connected"));
    assert!((40..=46).contains(left_at) && reason.contains("nothing arrived"), "{said:?}");
}

/// Never opens a connection.
struct Dead(AtomicUsize);

impl Dial for Dead {
    fn dial<'a>(&'a self, _: &'a Endpoint) -> Dialling<'a> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Err(io::Error::from(io::ErrorKind::ConnectionRefused)) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_exchange_is_dialled_ever_more_rarely() {
    let dead = Arc::new(Dead(AtomicUsize::new(0)));
    let dialler: Arc<dyn Dial> = Arc::<Dead>::clone(&dead);
    let said = said_within(dialler, quotes_only(), 600).await;
    // Eight waits from 0.2 s to 30 s, then one about every 22 s.
    let n = dead.0.load(Ordering::SeqCst);
    assert!((27..=50).contains(&n), "{n} attempts in ten minutes");
    assert!(said.len() >= n - 1 && said.iter().all(|(_, what)| what.contains("cannot dial")), "{said:?}");
    assert!(said.windows(2).all(|pair| pair[1].0 - pair[0].0 <= 30));
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_renewed_before_the_exchange_ends_it() {
    let lines = vec![Line { at_ns: 0, stream: "x".into(), text: String::new() }];
    let exchange = Exchange::new(Dialect::Bybit, "BTCUSDT", &Capture::new(lines).unwrap(), Script::default(), 1.0);
    let config = MarketFeedConfig { venue: MarketVenue::BybitSpot, ..quotes_only() };
    let said = said_within(Arc::new(Memory(Arc::clone(&exchange))), config, 86_400).await;
    let [(0, first), (left_at, reason), (_, again)] = &said[..] else { panic!("{said:?}") };
    assert_eq!((first.as_str(), again.as_str()), ("connected", "connected"));
    assert_eq!(*left_at, 23 * 3_600 + 50 * 60);
    assert!(reason.contains("24 hours"));
    assert_eq!(exchange.n_connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_streams_are_asked_for_within_the_rate() {
    let lines = vec![Line { at_ns: 0, stream: "x".into(), text: String::new() }];
    let exchange = Exchange::new(Dialect::Binance, "BTCUSDT", &Capture::new(lines).unwrap(), Script::default(), 1.0);
    let names: Vec<String> = (0..50).map(|n| format!("S{n}USDT")).collect();
    let specs: Vec<_> = names.iter().map(|n| model::SymbolSpec::new(n, model::Price(1), model::Qty(1))).collect();
    let symbols = names.iter().map(|n| (n.clone(), n.clone())).collect();
    let streams = MarketStreams { quotes: true, trades: true, ..MarketStreams::default() };
    let config = MarketFeedConfig { symbols, streams, ..quotes_only() };
    let feed = start_through(Arc::new(Memory(Arc::clone(&exchange))), &[config], &specs, &[], clock()).unwrap();
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert!(exchange.subscribed().len() <= 50, "not more than five requests of ten in the first second");
    tokio::time::sleep(Duration::from_millis(3_000)).await;
    assert_eq!(exchange.subscribed().len(), 100);
    assert!(exchange.subscribed().contains("s7usdt@trade"));
    drop(feed);
}
