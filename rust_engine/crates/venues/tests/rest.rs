//! Requests: past candles page by page, listed symbols, and what an exchange can do to a client.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

mod support;

use fake_exchange::http::{Api, Ask, Reply};
use fake_exchange::{Capture, Dialect, Exchange, Line, Script};
use hyper::Method;
use model::{Bar, CandleInterval, MarketFeedConfig, MarketVenue, Ts};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Memory, config, symbols};
use venues::http::{HttpClient, HttpError, HttpRequest};
use venues::net::{BoxedStream, Dial, Dialling, Endpoint};
use venues::public::{BackfillError, Clock, RestError, backfill_through, listed_symbols_through};

const MINUTE_MS: i64 = 60_000;
/// Minutes that the exchange below never had.
const OUTAGE: std::ops::Range<i64> = 1_500..1_510;

/// Candles for every minute but those of an outage, in the words of either exchange; the first answers fail.
struct Candles {
    statuses: Mutex<Vec<u16>>,
    n_asked: AtomicUsize,
}

impl Candles {
    fn failing_with(statuses: &[u16]) -> Box<Self> {
        Box::new(Self { statuses: Mutex::new(statuses.to_vec()), n_asked: AtomicUsize::new(0) })
    }
}

impl Api for Candles {
    fn answer(&self, ask: &Ask) -> Option<Reply> {
        let number = |name: &str| ask.parameter(name)?.parse::<i64>().ok();
        let (start, end) = (number("startTime").or(number("start"))?, number("endTime").or(number("end"))?);
        self.n_asked.fetch_add(1, Ordering::SeqCst);
        if let Some(status) = self.statuses.lock().unwrap().pop() {
            return Some(Reply::status(status));
        }
        let is_bybit = ask.path.starts_with("/v5/");
        let minutes = (start + MINUTE_MS - 1) / MINUTE_MS..=end / MINUTE_MS;
        let row = |minute: i64| {
            let (at, price) = (minute * MINUTE_MS, (100 + minute).to_string());
            if is_bybit {
                json!([at.to_string(), price, price, price, price, "1", "1"])
            } else {
                json!([at, price, price, price, price, "1", at + MINUTE_MS - 1, "1", 1, "1", "1", "0"])
            }
        };
        let mut rows: Vec<Value> = minutes.filter(|minute| !OUTAGE.contains(minute)).map(row).collect();
        assert!(rows.len() <= 1000, "no page is larger than the exchange gives");
        if is_bybit {
            rows.reverse();
            return Some(Reply::json(json!({"retCode": 0, "retMsg": "OK", "result": {"list": rows}}).to_string()));
        }
        Some(Reply::json(Value::from(rows).to_string()))
    }
}

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

fn minute_candles(venue: MarketVenue) -> MarketFeedConfig {
    let mut config = config(venue);
    config.streams.candles = Some(CandleInterval::M1);
    config
}

/// A clock that stands in the middle of minute 3000.
fn clock() -> Clock {
    Arc::new(|| Ts((3_000 * MINUTE_MS + 30_000) * Ts::MS))
}

fn minute(n: i64) -> Ts {
    Ts(n * MINUTE_MS * Ts::MS)
}

async fn backfill(venue: MarketVenue, statuses: &[u16]) -> Result<Vec<Bar>, BackfillError> {
    let dialler = exchange_with(Candles::failing_with(statuses));
    backfill_through(dialler, &minute_candles(venue), &symbols(), minute(700), minute(5_000), clock()).await
}

#[tokio::test(start_paused = true)]
async fn a_backfill_takes_all_pages_and_leaves_holes_open() {
    for venue in [MarketVenue::BinanceSpot, MarketVenue::BinanceUsdm, MarketVenue::BybitSpot, MarketVenue::BybitLinear]
    {
        let bars = backfill(venue, &[]).await.unwrap();
        let minutes: Vec<i64> = bars.iter().map(|bar| bar.opened_at.ms() / MINUTE_MS).collect();
        let expected: Vec<i64> = (700..3_000).filter(|minute| !OUTAGE.contains(minute)).collect();
        assert_eq!(minutes, expected, "{venue:?}: every closed candle once, the forming one not");
        assert!(bars.iter().all(|bar| bar.is_sound() && bar.closed_at == bar.opened_at.plus_ns(60_000_000_000)));
    }
}

#[tokio::test(start_paused = true)]
async fn trouble_that_passes_is_waited_out() {
    let bars = backfill(MarketVenue::BinanceSpot, &[500, 503, 429]).await.unwrap();
    assert_eq!(bars.len(), 2_300 - 10);
}

#[tokio::test(start_paused = true)]
async fn trouble_that_stays_is_an_error_with_its_reason() {
    let error = backfill(MarketVenue::BinanceSpot, &[500; 20]).await.unwrap_err();
    assert!(matches!(error, BackfillError::Rest(RestError::Failed(500))), "{error}");
    let error = backfill(MarketVenue::BinanceSpot, &[400]).await.unwrap_err();
    assert!(matches!(error, BackfillError::Rest(RestError::Refused { status: 400, .. })), "{error}");
    let mut config = config(MarketVenue::BinanceSpot);
    config.streams.candles = None;
    let dialler = exchange_with(Candles::failing_with(&[]));
    let error = backfill_through(dialler, &config, &symbols(), minute(1), minute(2), clock()).await.unwrap_err();
    assert!(matches!(error, BackfillError::NoCandles));
}

/// Answers one path with one text.
struct Fixed(&'static str, String);

impl Api for Fixed {
    fn answer(&self, ask: &Ask) -> Option<Reply> {
        (ask.path == self.0).then(|| Reply::json(self.1.clone()))
    }
}

#[tokio::test(start_paused = true)]
async fn listed_symbols_go_by_the_engines_names() {
    let filters =
        json!([{"filterType": "PRICE_FILTER", "tickSize": "0.10"}, {"filterType": "LOT_SIZE", "stepSize": "0.001"}]);
    let row = |name: &str| json!({"symbol": name, "baseAsset": "BTC", "quoteAsset": "USDT", "filters": filters});
    let answer = json!({"symbols": [row("BTCUSDT"), row("OTHER"), {"symbol": "ODD", "baseAsset": "", "quoteAsset": "", "filters": []}]});
    let dialler = exchange_with(Box::new(Fixed("/fapi/v1/exchangeInfo", answer.to_string())));
    let listed = listed_symbols_through(dialler, &config(MarketVenue::BinanceUsdm), clock()).await.unwrap();
    assert_eq!(listed.len(), 1);
    let btc = &listed["BTCUSDT"];
    assert_eq!((btc.base.as_str(), btc.quote.as_str()), ("BTC", "USDT"));
    assert_eq!((btc.tick, btc.lot), ("0.1".parse().unwrap(), "0.001".parse().unwrap()));
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
