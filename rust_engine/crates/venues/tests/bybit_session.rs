//! The recorded session in Bybit's words: topics, a book that comes on the stream, names instead of numbers for prints.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

mod support;
#[path = "support/verdict.rs"]
mod verdict;

use book::{L2Book, TreeBook};
use fake_exchange::truth::TrueBook;
use fake_exchange::{Capture, Fault, Script, bybit};
use model::MarketVenue::BybitLinear;
use model::{Price, Qty};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use support::{Session, capture, session};
use verdict::{check_stamps, recorded_trade_ids};

const SETTLE: Duration = Duration::from_secs(5);

fn beginning() -> Option<(Capture, Vec<fake_exchange::Line>)> {
    let capture = capture("usdm", 12)?;
    let lines = bybit::translated(&capture);
    Some((capture, lines))
}

fn nth(lines: &[fake_exchange::Line], topic: &str, n: usize) -> usize {
    lines.iter().enumerate().filter(|(_, line)| line.stream.starts_with(topic)).nth(n).expect("such a line").0
}

/// The true best prices by Bybit's update number.
fn true_bests(lines: &[fake_exchange::Line]) -> BTreeMap<u64, [(Price, Qty); 2]> {
    let whole = lines.iter().find(|line| line.stream.is_empty()).expect("a recorded book");
    let mut book = TrueBook::of_snapshot(&whole.text).expect("a readable book");
    book.last_id = 1;
    let mut bests = BTreeMap::from([(1, book.best())]);
    for line in lines.iter().filter(|line| line.stream.starts_with("orderbook.200")) {
        book.apply(&line.text);
        bests.insert(book.last_id, book.best());
    }
    bests
}

/// Compares the book after every update; gives how many there were.
fn check_book(session: &Session, lines: &[fake_exchange::Line]) -> usize {
    let bests = true_bests(lines);
    let mut book = TreeBook::new("0.1".parse().unwrap()).unwrap();
    for depth in session.depths() {
        book.apply(depth).unwrap();
        let best = [book.best_bid().unwrap_or_default(), book.best_ask().unwrap_or_default()];
        assert_eq!(best, bests[&depth.last_id], "after update {}", depth.last_id);
    }
    assert_eq!(session.depths().last().map(|depth| depth.last_id), bests.keys().last().copied());
    session.depths().len()
}

#[tokio::test(start_paused = true)]
async fn the_session_comes_through_in_bybits_words() {
    let Some((capture, lines)) = beginning() else { return };
    let session = session(BybitLinear, &capture, Script::default(), SETTLE).await;
    assert!(check_book(&session, &lines) > 150);
    check_stamps(&session);
    assert_eq!(session.trades().len(), recorded_trade_ids(&capture).len());
    let quotes = lines.iter().filter(|line| line.stream.starts_with("orderbook.1.")).count();
    assert_eq!(session.quotes().len(), quotes);
    assert_eq!(session.problems(), Vec::<&str>::new());
    assert_eq!(session.symbol_health().resyncs, 0);
    assert_eq!(session.exchange.requests(), Vec::<String>::new(), "nothing is asked by REST");
}

#[tokio::test(start_paused = true)]
async fn a_lost_change_subscribes_the_book_anew() {
    let Some((capture, lines)) = beginning() else { return };
    for fault in [Fault::Drop, Fault::WrongSequence] {
        let script = Script::one(nth(&lines, "orderbook.200", 40), fault.clone());
        let session = session(BybitLinear, &capture, script, SETTLE).await;
        check_book(&session, &lines);
        let most = if fault == Fault::Drop { 1 } else { 2 };
        assert!((1..=most).contains(&session.symbol_health().resyncs), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_connection_comes_back_with_a_whole_book() {
    let Some((capture, lines)) = beginning() else { return };
    let script = Script::one(nth(&lines, "orderbook.200", 40), Fault::CutMidFrame);
    let session = session(BybitLinear, &capture, script, SETTLE).await;
    check_book(&session, &lines);
    assert_eq!((session.symbol_health().resyncs, session.health[0].reconnects), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn no_print_comes_twice() {
    let Some((capture, lines)) = beginning() else { return };
    let script = Script::one(nth(&lines, "publicTrade", 20), Fault::Duplicate(2));
    let session = session(BybitLinear, &capture, script, SETTLE).await;
    let ids: BTreeSet<u64> = session.trades().iter().map(|trade| trade.id).collect();
    assert_eq!(ids.len(), session.trades().len());
    assert_eq!(ids.len(), recorded_trade_ids(&capture).len());
}
