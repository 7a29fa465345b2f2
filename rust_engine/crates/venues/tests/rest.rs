//! Requests: past candles page by page, and what an exchange can do to a client.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

#[path = "support/candles.rs"]
mod candles;
mod support;

use candles::{Candles, MINUTE_MS, OUTAGE};
use fake_exchange::http::{Api, Ask, Reply};
use fake_exchange::{Capture, Dialect, Exchange, Line, Script};
use hyper::Method;
use model::{CandleInterval, MarketVenue, Ts};
use std::sync::Arc;
use std::time::Duration;
use support::{Memory, config};
use venues::http::{HttpClient, HttpError, HttpRequest};
use venues::net::{BoxedStream, Dial, Dialling, Endpoint};
use venues::public::rest::RestClient;
use venues::public::source::Candle;
use venues::public::{Clock, RestError};

fn empty_capture() -> Capture {
    Capture::new(vec![Line { at_ns: 0, stream: "x".into(), text: String::new() }]).unwrap()
}

fn exchange_with(api: Box<dyn Api>) -> Arc<dyn Dial> {
    Arc::new(Memory(Exchange::with_apis(
        Dialect::Binance,
        "BTCUSDT",
        &empty_capture(),
        Script::default(),
        1.0,
        vec![api],
    )))
}

/// A clock that stands in the middle of minute 3000.
fn clock() -> Clock {
    Arc::new(|| Ts((3_000 * MINUTE_MS + 30_000) * Ts::MS))
}

fn minute(n: i64) -> Ts {
    Ts(n * MINUTE_MS * Ts::MS)
}

async fn past(venue: MarketVenue, statuses: &[u16]) -> Result<Vec<Candle>, RestError> {
    let dialler = exchange_with(Box::new(Candles::failing_with(statuses)));
    let client = RestClient::new(&config(venue), dialler, clock())?;
    client.candles("BTCUSDT", CandleInterval::M1, minute(700), minute(5_000)).await
}

#[tokio::test(start_paused = true)]
async fn past_candles_come_from_all_pages_and_holes_stay_open() {
    for venue in [MarketVenue::BinanceSpot, MarketVenue::BinanceUsdm, MarketVenue::BybitSpot, MarketVenue::BybitLinear]
    {
        let candles = past(venue, &[]).await.unwrap();
        let minutes: Vec<i64> = candles.iter().map(|candle| candle.opened_at.ms() / MINUTE_MS).collect();
        let expected: Vec<i64> = (700..3_000).filter(|minute| !OUTAGE.contains(minute)).collect();
        assert_eq!(minutes, expected, "{venue:?}: every closed candle once, the forming one not");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_says_whether_to_ask_again() {
    for (status, is_passing) in [(500, true), (503, true), (429, true), (400, false)] {
        let error = past(MarketVenue::BinanceSpot, &[status]).await.unwrap_err();
        assert_eq!(error.is_passing(), is_passing, "{error}");
        assert!(error.to_string().contains(&status.to_string()), "{error}");
    }
}

/// Says back what it was asked.
struct Echo;

impl Api for Echo {
    fn answer(&self, ask: &Ask) -> Option<Reply> {
        let key = ask.headers.get("x-key").cloned().unwrap_or_default();
        Some(Reply::json(format!("{} {}?{} {} {}", ask.method, ask.path, ask.query, key, ask.body)))
    }
}

fn client(dialler: Arc<dyn Dial>) -> HttpClient {
    HttpClient::new(dialler, Endpoint::parse("http://exchange.test/base").unwrap(), Duration::from_secs(5))
}

#[tokio::test(start_paused = true)]
async fn a_request_arrives_whole() {
    let headers = vec![("x-key".parse().unwrap(), "k".parse().unwrap())];
    let request = HttpRequest { method: Method::POST, path: "/order?a=1".into(), headers, body: "b=2".into() };
    let answer = client(exchange_with(Box::new(Echo))).send(&request).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (200, &b"POST /base/order?a=1 k b=2"[..]));
}

/// A peer that answers every request with these bytes and then, if it is to, hangs.
struct Peer(&'static [u8], bool);

impl Dial for Peer {
    fn dial<'a>(&'a self, _: &'a Endpoint) -> Dialling<'a> {
        let (bytes, hangs) = (self.0, self.1);
        Box::pin(async move {
            let (ours, mut theirs) = tokio::io::duplex(64 << 10);
            tokio::spawn(async move {
                Ask::read(&mut theirs).await.unwrap();
                tokio::io::AsyncWriteExt::write_all(&mut theirs, bytes).await.ok();
                if hangs {
                    tokio::time::sleep(Duration::from_secs(3_600)).await;
                }
            });
            Ok(Box::new(ours) as BoxedStream)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn broken_answers_are_errors() {
    let asked =
        |bytes, hangs| async move { client(Arc::new(Peer(bytes, hangs))).send(&HttpRequest::get("/".into())).await };
    for bytes in [&b""[..], b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"] {
        assert!(matches!(asked(bytes, false).await, Err(HttpError::Broken(..))), "{bytes:?}");
    }
    let slow = asked(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", true).await;
    assert!(matches!(slow, Err(HttpError::Timeout(..))), "{slow:?}");
    let long = asked(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nx", true).await;
    assert!(matches!(long, Err(HttpError::TooLong(_))), "{long:?}");
}
