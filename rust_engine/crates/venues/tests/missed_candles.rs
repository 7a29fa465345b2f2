//! What closed while nobody listened comes by request, once and as history, before what is live.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

#[path = "support/candles.rs"]
mod candles;
mod support;

use candles::{Candles, MINUTE_MS, OUTAGE};
use fake_exchange::truth::TrueCandle;
use fake_exchange::{Capture, Dialect, Exchange, Line, Script};
use model::{CandleInterval, MarketEvent, MarketFeedConfig, MarketStreams, MarketVenue, Ts};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Memory, config, symbols};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};
use venues::net::{BoxedStream, Dial, Dialling, Endpoint};
use venues::public::{FeedEvent, PublicFeed, start_through};

/// The way to an exchange, which can be cut.
struct Cable {
    exchange: Arc<Exchange>,
    served: Mutex<Vec<AbortHandle>>,
    is_cut: Mutex<bool>,
}

impl Cable {
    fn cut(&self) {
        *self.is_cut.lock().unwrap() = true;
        self.served.lock().unwrap().drain(..).for_each(|task| task.abort());
    }

    fn mend(&self) {
        *self.is_cut.lock().unwrap() = false;
    }
}

impl Dial for Cable {
    fn dial<'a>(&'a self, _: &'a Endpoint) -> Dialling<'a> {
        Box::pin(async move {
            if *self.is_cut.lock().unwrap() {
                return Err(io::Error::from(io::ErrorKind::NetworkUnreachable));
            }
            let (ours, theirs) = tokio::io::duplex(64 << 10);
            let exchange = Arc::clone(&self.exchange);
            let task = tokio::spawn(async move { drop(exchange.serve(theirs).await) });
            self.served.lock().unwrap().push(task.abort_handle());
            Ok(Box::new(ours) as BoxedStream)
        })
    }
}

/// A feed of minute candles, an exchange that closes one every minute, and the time, which begins in the middle of `first`.
struct World {
    cable: Arc<Cable>,
    feed: PublicFeed,
    began: Instant,
    first: i64,
    /// Minute in which each candle opened, whether it was live, and when it came in seconds after the beginning.
    came: Vec<(i64, bool, u64)>,
    problems: Vec<String>,
}

fn minute(n: i64) -> Ts {
    Ts(n * MINUTE_MS * Ts::MS)
}

impl World {
    /// Starts in the middle of minute `first` with what closed by the beginning of minute `known`.
    fn start(first: i64, known: i64, api: &Candles) -> Self {
        let silent = Capture::new(vec![Line { at_ns: 0, stream: "x".into(), text: String::new() }]).unwrap();
        let apis: Vec<Box<dyn fake_exchange::http::Api>> = vec![Box::new(api.clone())];
        let exchange = Exchange::with_apis(Dialect::Binance, "BTCUSDT", &silent, Script::default(), 1.0, apis);
        let cable = Arc::new(Cable { exchange, served: Mutex::default(), is_cut: Mutex::new(false) });
        let streams = MarketStreams { candles: Some(CandleInterval::M1), ..MarketStreams::default() };
        let config = MarketFeedConfig { streams, ..config(MarketVenue::BinanceSpot) };
        let began = Instant::now();
        let zero = minute(first).plus_ns(30_000 * Ts::MS);
        let clock = Arc::new(move || zero.plus_ns(i64::try_from(began.elapsed().as_nanos()).unwrap()));
        let dialler: Arc<dyn Dial> = Arc::<Cable>::clone(&cable);
        let feed = start_through(dialler, &[config], &symbols(), &[minute(known)], clock).unwrap();
        Self { cable, feed, began, first, came: Vec::new(), problems: Vec::new() }
    }

    /// Lives on to the middle of minute `last`, with every candle that closes by then.
    async fn live_to(&mut self, last: i64) {
        for n in self.first..last {
            // The exchange says it a moment after the minute.
            let closes =
                Duration::from_millis(30_050) + Duration::from_secs(60) * u32::try_from(n - self.first).unwrap();
            self.hear_until(self.began + closes).await;
            let (price, volume) = ((100 + n).to_string().parse().unwrap(), "1".parse().unwrap());
            let candle =
                TrueCandle { opened_at_ms: n * MINUTE_MS, open: price, high: price, low: price, close: price, volume };
            self.cable.exchange.publish("btcusdt@kline_1m", &candle.push("BTCUSDT", true));
            self.hear_until(self.began + closes + Duration::from_secs(29)).await;
        }
        self.began += Duration::from_secs(60) * u32::try_from(last - self.first).unwrap();
        self.first = last;
    }

    async fn hear_until(&mut self, end: Instant) {
        loop {
            tokio::select! {
                biased;
                Some(event) = self.feed.events.recv() => self.note(event),
                () = sleep_until(end) => return,
            }
        }
    }

    fn note(&mut self, event: FeedEvent) {
        let (bar, is_live) = match event {
            FeedEvent::Market(MarketEvent::Bar(bar)) => (bar, true),
            FeedEvent::Market(MarketEvent::Missed(bar)) => (bar, false),
            FeedEvent::Problem { what, .. } => return self.problems.push(what),
            _ => return,
        };
        assert!(bar.is_sound() && bar.closed_at == bar.opened_at.plus_ns(60_000_000_000));
        assert_eq!(bar.close.to_string(), (100 + bar.opened_at.ms() / MINUTE_MS).to_string());
        self.came.push((bar.opened_at.ms() / MINUTE_MS, is_live, self.began.elapsed().as_secs()));
    }

    fn minutes(&self, is_live: bool) -> Vec<i64> {
        self.came.iter().filter(|(_, live, _)| *live == is_live).map(|(minute, ..)| *minute).collect()
    }

    fn all(&self) -> Vec<i64> {
        self.came.iter().map(|(minute, ..)| *minute).collect()
    }
}

fn span(minutes: std::ops::Range<i64>) -> Vec<i64> {
    minutes.collect()
}

#[tokio::test(start_paused = true)]
async fn a_start_after_a_gap_catches_up_before_the_first_live_candle() {
    let mut world = World::start(3_000, 700, &Candles::failing_with(&[503, 500]));
    world.hear_until(world.began + Duration::from_secs(29)).await;
    let expected: Vec<i64> = span(700..2_999).into_iter().filter(|n| !OUTAGE.contains(n)).collect();
    assert!(world.minutes(false) == expected && world.minutes(true).is_empty(), "before anything is live");
    world.live_to(3_004).await;
    let all: Vec<i64> = expected.iter().copied().chain(2_999..3_004).collect();
    assert!(world.all() == all, "in order, each once");
    assert_eq!(world.minutes(true), span(3_000..3_004));
    let health = world.feed.health.borrow()[0].symbols[0].clone();
    assert_eq!((health.gaps, health.lost_candles), (1, 10));
    let lost = health.last_lost.unwrap();
    assert_eq!((lost.from, lost.to), (minute(OUTAGE.start), minute(OUTAGE.end)));
    assert_eq!(health.missed_candles as usize, world.minutes(false).len());
}

#[tokio::test(start_paused = true)]
async fn a_break_over_several_candles_is_caught_up_when_the_link_is_back() {
    let mut world = World::start(3_000, 3_000, &Candles::failing_with(&[]));
    world.live_to(3_003).await;
    assert_eq!((world.minutes(true), world.minutes(false)), (span(3_000..3_003), vec![]), "nothing was missed");
    world.cable.cut();
    world.live_to(3_008).await;
    assert_eq!(world.all(), span(3_000..3_003), "silence");
    world.cable.mend();
    world.live_to(3_012).await;
    assert_eq!(world.all(), span(3_000..3_012), "in order, each once");
    // The link may take half a minute to come back, and with it one more candle.
    let live = world.minutes(true);
    assert!(live.starts_with(&span(3_000..3_003)) && live.ends_with(&span(3_009..3_012)), "{live:?}");
    let missed = world.minutes(false);
    assert!(missed.starts_with(&span(3_003..3_008)), "{missed:?}");
    let back_at = |n| world.came.iter().find(|(minute, ..)| *minute == n).unwrap().2;
    assert!(back_at(3_003) <= back_at(3_009), "history comes first");
    let health = world.feed.health.borrow()[0].symbols[0].clone();
    assert_eq!((health.gaps, health.lost_candles, health.last_lost), (0, 0, None));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_fetched_is_a_gap_and_holds_nobody_up() {
    // In trouble, without an answer, asking for a minute without requests.
    for statuses in [vec![500; 100], vec![400; 100], vec![429; 100]] {
        let mut world = World::start(3_000, 2_990, &Candles::failing_with(&statuses));
        world.live_to(3_003).await;
        assert_eq!((world.minutes(true), world.minutes(false)), (span(3_000..3_003), vec![]));
        let health = world.feed.health.borrow()[0].symbols[0].clone();
        assert_eq!((health.gaps, health.lost_candles), (1, 10));
        let told = format!("10 candles from {} ms to {} ms could not be had", minute(2_990).ms(), minute(3_000).ms());
        assert!(world.problems.contains(&told), "{:?}", world.problems);
    }
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_knows_nothing_asks_for_nothing() {
    let mut world = World::start(3_000, 3_000, &Candles::failing_with(&[]));
    let dialler = Arc::new(Memory(Arc::clone(&world.cable.exchange)));
    let clock = Arc::new(|| minute(3_000));
    let fresh =
        start_through(dialler, &[config(MarketVenue::BinanceSpot)], &symbols(), &[Ts(i64::MIN)], clock).unwrap();
    world.live_to(3_002).await;
    assert!(world.cable.exchange.requests().iter().all(|target| !target.contains("klines")));
    drop(fresh);
}
