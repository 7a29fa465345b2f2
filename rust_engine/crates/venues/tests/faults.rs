//! Whatever goes wrong on the way, the book ends right, nothing comes twice, and what is missing is said.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

mod support;
#[path = "support/verdict.rs"]
mod verdict;

use fake_exchange::{BookAnswer, Capture, Fault, Script};
use model::MarketVenue;
use std::collections::BTreeMap;
use std::time::Duration;
use support::{Session, capture, session};
use venues::public::FeedEvent;
use verdict::{check_bars, check_book, check_quotes, check_stamps, check_trades};

const SETTLE: Duration = Duration::from_secs(5);
const SPOT: MarketVenue = MarketVenue::BinanceSpot;
const USDM: MarketVenue = MarketVenue::BinanceUsdm;

/// The beginning of both recordings, with what one line of each kind is called.
fn beginnings(seconds: i64) -> Vec<(MarketVenue, Capture)> {
    [(SPOT, "spot"), (USDM, "usdm")]
        .into_iter()
        .filter_map(|(venue, market)| Some((venue, capture(market, seconds)?)))
        .collect()
}

/// Plays one fault at the 40th line of a stream; checks the book, the order and the stamps. Gives missing prints and quotes.
async fn with_fault(venue: MarketVenue, capture: &Capture, stream: &str, fault: Fault) -> (Session, usize, usize) {
    let line = capture.nth(stream, 40).expect("40 lines of the stream");
    with_script(venue, capture, Script::one(line, fault)).await
}

async fn with_script(venue: MarketVenue, capture: &Capture, script: Script) -> (Session, usize, usize) {
    let session = session(venue, capture, script, SETTLE).await;
    check_book(&session, capture);
    check_stamps(&session);
    assert!(session.symbol_health().is_book_live);
    let missing = (check_trades(&session, capture), check_quotes(&session, capture));
    (session, missing.0, missing.1)
}

#[tokio::test(start_paused = true)]
async fn a_lost_book_change_fetches_the_book_anew() {
    for (venue, capture) in beginnings(8) {
        let (session, trades, quotes) = with_fault(venue, &capture, "@depth", Fault::Drop).await;
        assert_eq!((trades, quotes), (0, 0));
        assert_eq!((session.symbol_health().gaps, session.symbol_health().resyncs), (1, 1));
        assert_eq!(session.exchange.requests().iter().filter(|target| target.contains("/depth")).count(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_print_is_counted_and_a_lost_quote_is_replaced() {
    for (venue, capture) in beginnings(8) {
        let (session, trades, quotes) = with_fault(venue, &capture, "@trade", Fault::Drop).await;
        assert_eq!((trades, quotes, session.symbol_health().gaps), (1, 0, 1));
        assert!(session.problems().contains(&"1 trades never came"), "{:?}", session.problems());
        let (session, trades, quotes) = with_fault(venue, &capture, "@bookTicker", Fault::Drop).await;
        assert_eq!((trades, quotes, session.symbol_health().gaps), (0, 1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_comes_twice() {
    for (venue, capture) in beginnings(8) {
        for stream in ["@depth", "@trade", "@bookTicker"] {
            let (session, trades, quotes) = with_fault(venue, &capture, stream, Fault::Duplicate(3)).await;
            assert_eq!((trades, quotes), (0, 0), "{stream}");
            assert!(session.symbol_health().duplicates >= 3, "{stream}");
            assert_eq!(session.symbol_health().resyncs, 0, "{stream}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_a_little_late_is_put_in_order() {
    for (venue, capture) in beginnings(8) {
        let (session, trades, quotes) = with_fault(venue, &capture, "@depth", Fault::Late(2)).await;
        assert_eq!((trades, quotes, session.symbol_health().resyncs), (0, 0, 0));
        let (session, trades, quotes) = with_fault(venue, &capture, "@trade", Fault::Late(1)).await;
        assert_eq!((trades, quotes, session.symbol_health().gaps), (0, 0, 0));
        // A quote that a newer one overtook is worth nothing.
        let (_, trades, quotes) = with_fault(venue, &capture, "@bookTicker", Fault::Late(2)).await;
        assert_eq!((trades, quotes), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_far_too_late_is_given_up() {
    for (venue, capture) in beginnings(8) {
        let (session, ..) = with_fault(venue, &capture, "@depth", Fault::Late(30)).await;
        assert_eq!((session.symbol_health().gaps, session.symbol_health().resyncs), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_is_dialled_again() {
    for (venue, capture) in beginnings(8) {
        for fault in [Fault::CutMidFrame, Fault::Close] {
            let (session, trades, quotes) = with_fault(venue, &capture, "@depth", fault.clone()).await;
            // It comes back within 0.2 s and subscribes at once; what was said meanwhile is gone.
            assert!(trades <= 60 && quotes <= 200, "{fault:?}: {trades} prints and {quotes} quotes are missing");
            assert_eq!(session.symbol_health().resyncs, 1, "{fault:?}");
            assert_eq!(session.health[0].reconnects, 1, "{fault:?}");
            let ends = |event: &&FeedEvent| matches!(event, FeedEvent::Disconnected { .. });
            assert_eq!(session.events.iter().filter(ends).count(), 1, "{fault:?}");
            let n = if venue == USDM { 3 } else { 2 };
            assert_eq!(session.exchange.n_connections(), n, "{fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_is_counted_and_changes_nothing() {
    for (venue, capture) in beginnings(8) {
        for stream in ["@depth", "@trade", "@bookTicker"] {
            let (session, trades, quotes) = with_fault(venue, &capture, stream, Fault::Garbage).await;
            assert_eq!((trades, quotes, session.symbol_health().resyncs), (0, 0, 0), "{stream}");
            assert!(session.health[0].malformed >= 7, "{:?}", session.health[0]);
            assert_eq!(session.health[0].reconnects, 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wild_number_does_not_end_a_stream() {
    for (venue, capture) in beginnings(8) {
        let (session, trades, quotes) = with_fault(venue, &capture, "@trade", Fault::WrongSequence).await;
        assert_eq!((trades, quotes, session.symbol_health().gaps), (0, 0, 0));
        let (_, trades, quotes) = with_fault(venue, &capture, "@bookTicker", Fault::WrongSequence).await;
        assert!(trades == 0 && quotes <= 16, "{quotes} quotes are missing");
        let (session, trades, quotes) = with_fault(venue, &capture, "@depth", Fault::WrongSequence).await;
        assert_eq!((trades, quotes), (0, 0));
        assert!(session.symbol_health().resyncs <= 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_minute_of_silence_is_stale_until_the_next_change() {
    for (venue, capture) in beginnings(8) {
        let silence = Duration::from_secs(75);
        let (session, trades, quotes) = with_fault(venue, &capture, "@bookTicker", Fault::Silence(silence)).await;
        assert_eq!((trades, quotes), (0, 0));
        assert_eq!(session.health[0].reconnects, 0, "pongs keep the connection");
        let [(raised_at, true), (cleared_at, false)] = session.staleness()[..] else {
            panic!("once raised and once cleared: {:?}", session.staleness());
        };
        let stamps: Vec<_> = session.market().map(model::MarketEvent::at).collect();
        let last_before = stamps.iter().filter(|at| **at < raised_at).max().expect("events before");
        let waited_ms = raised_at.ms() - last_before.ms();
        assert!((60_000..=60_250).contains(&waited_ms), "raised after {waited_ms} ms");
        assert!(stamps.iter().filter(|at| **at == cleared_at).count() >= 2, "cleared by what came");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_snapshot_is_asked_for_again_when_the_exchange_allows_it() {
    for (venue, capture) in beginnings(8) {
        let script = Script { books: [429, 418, 503].map(BookAnswer::Status).into(), ..Script::default() };
        let (session, trades, quotes) = with_script(venue, &capture, script).await;
        assert_eq!((trades, quotes), (0, 0));
        let at_of = |wanted: &str| {
            session.events.iter().find_map(|event| match event {
                FeedEvent::Problem { at, what, .. } if what.contains(wanted) => Some(at.0),
                FeedEvent::Resynced { at, .. } if wanted == "resynced" => Some(at.0),
                _ => None,
            })
        };
        let stamps = ["429", "418", "503", "resynced"].map(|wanted| at_of(wanted).expect(wanted));
        let waits: Vec<i64> = stamps.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(waits[0] >= 2_000_000_000 && waits[1] >= 2_000_000_000, "Retry-After is kept: {waits:?}");
        assert!(waits[2] >= 100_000_000, "a failure is not answered at once: {waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_too_old_or_cut_is_fetched_again() {
    for (venue, capture) in beginnings(8) {
        // The second book is needed while changes go on, so an old one cannot join them.
        let books = vec![BookAnswer::Cut, BookAnswer::Right, BookAnswer::Old, BookAnswer::Cut];
        let line = capture.nth("@depth", 60).unwrap();
        let script = Script { lines: BTreeMap::from([(line, Fault::Drop)]), books };
        let (session, ..) = with_script(venue, &capture, script).await;
        assert_eq!(session.symbol_health().resyncs, 1);
        assert_eq!(session.exchange.requests().iter().filter(|target| target.contains("/depth")).count(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn a_candle_that_was_not_sent_is_fetched_in_its_place() {
    // The second whole minute ends some 105 s after the beginning.
    let Some(capture) = capture("spot", 230) else { return };
    let at_100_s = capture.began_at_ns() + 110_000_000_000;
    let line = capture.lines.iter().position(|line| line.at_ns > at_100_s).expect("a line after 110 s");
    let script = Script { lines: [(line, Fault::LoseCandle)].into(), ..Script::default() };
    let session = session(SPOT, &capture, script, SETTLE).await;
    check_bars(&session, 3);
    let asked = session.exchange.requests().into_iter().filter(|target| target.contains("/klines")).collect::<Vec<_>>();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let health = session.symbol_health();
    assert_eq!((health.gaps, health.lost_candles, health.missed_candles), (0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn many_faults_at_once_leave_the_book_right() {
    let Some(capture) = capture("spot", 20) else { return };
    for seed in 0..6_usize {
        let faults = [
            Fault::Drop,
            Fault::CutMidFrame,
            Fault::Duplicate(2),
            Fault::Late(3),
            Fault::WrongSequence,
            Fault::Garbage,
            Fault::Close,
        ];
        // Spread by a fixed stride, shifted by the seed, over all lines but the last ones.
        let span = capture.lines.len() - 200;
        let place = |n: usize| (seed * 131 + n * 577) % span;
        let lines = faults.iter().cycle().take(14).cloned().enumerate().map(|(n, fault)| (place(n), fault)).collect();
        let session = session(SPOT, &capture, Script { lines, ..Script::default() }, SETTLE).await;
        check_book(&session, &capture);
        check_trades(&session, &capture);
        check_quotes(&session, &capture);
        check_stamps(&session);
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_faults_give_the_same_events() {
    let Some(capture) = capture("spot", 10) else { return };
    let line = capture.nth("@depth", 30).unwrap();
    let (first, ..) = with_script(SPOT, &capture, Script::one(line, Fault::CutMidFrame)).await;
    let (second, ..) = with_script(SPOT, &capture, Script::one(line, Fault::CutMidFrame)).await;
    assert_eq!(first.events, second.events);
}
