//! Whether what a feed said is what was recorded.

#![allow(dead_code, reason = "each test file uses its part")]

use super::support::Session;
use book::{L2Book, TreeBook};
use fake_exchange::Capture;
use fake_exchange::truth::TrueBook;
use model::{Price, Qty, Side};
use serde_json::Value;
use std::collections::BTreeMap;

type Best = [(Price, Qty); 2];

/// One recorded best price: its number and both sides.
pub fn recorded_quotes(capture: &Capture) -> Vec<(u64, Best)> {
    let decimal = |value: &Value, key: &str| value[key].as_str().expect("decimal text").to_owned();
    capture
        .lines
        .iter()
        .filter(|line| line.stream.ends_with("@bookTicker"))
        .map(|line| {
            let value: Value = serde_json::from_str(&line.text).expect("recorded JSON");
            let data = &value["data"];
            let side = |p: &str, q: &str| (decimal(data, p).parse().unwrap(), decimal(data, q).parse().unwrap());
            (data["u"].as_u64().expect("a number"), [side("b", "B"), side("a", "A")])
        })
        .collect()
}

/// Numbers of the recorded prints.
pub fn recorded_trade_ids(capture: &Capture) -> Vec<u64> {
    let lines = capture.lines.iter().filter(|line| line.stream.ends_with("@trade"));
    lines
        .map(|line| serde_json::from_str::<Value>(&line.text).expect("recorded JSON")["data"]["t"].as_u64().expect("t"))
        .collect()
}

/// The true best prices after every recorded change, by its number.
fn true_bests(capture: &Capture) -> BTreeMap<u64, Best> {
    let whole = capture.lines.iter().find(|line| line.stream.is_empty()).expect("a recorded book");
    let mut book = TrueBook::of_snapshot(&whole.text).expect("a readable book");
    let mut bests = BTreeMap::from([(book.last_id, book.best())]);
    for line in capture.lines.iter().filter(|line| line.stream.contains("@depth")) {
        if book.apply(&line.text) == Some(true) {
            bests.insert(book.last_id, book.best());
        }
    }
    bests
}

/// What the comparison of the books found.
#[derive(Debug, PartialEq, Eq)]
pub struct BookVerdict {
    /// Updates whose best prices were compared with the recorded best prices of the same moment.
    pub compared_with_quotes: usize,
    /// Updates after which the true best prices are known.
    pub compared_with_truth: usize,
}

/// Replays the book that the feed passed on and compares it after every update, by Binance's numbers.
///
/// # Panics
/// At the first difference, and at a chain with a hole.
pub fn check_book(session: &Session, capture: &Capture) -> BookVerdict {
    let bests = true_bests(capture);
    let quotes = recorded_quotes(capture);
    let mut verdict = BookVerdict { compared_with_quotes: 0, compared_with_truth: 0 };
    let mut book = TreeBook::new("0.01".parse().unwrap()).unwrap();
    let mut last_id = None;
    for depth in session.depths() {
        if !depth.is_snapshot {
            assert_eq!(Some(depth.first_id), last_id.map(|id: u64| id + 1), "the chain has no hole");
        }
        book.apply(depth).unwrap();
        last_id = Some(depth.last_id);
        let best = [book.best_bid().unwrap_or_default(), book.best_ask().unwrap_or_default()];
        if let Some(truth) = bests.get(&depth.last_id) {
            assert_eq!(best, *truth, "after update {}", depth.last_id);
            verdict.compared_with_truth += 1;
        }
        let next = quotes.partition_point(|(id, _)| *id <= depth.last_id);
        if next > 0 && next < quotes.len() {
            assert_eq!(best, quotes[next - 1].1, "after update {}", depth.last_id);
            verdict.compared_with_quotes += 1;
        }
    }
    check_final_book(session, &book);
    verdict
}

/// The best hundred levels of each side are the exchange's at the end.
fn check_final_book(session: &Session, book: &TreeBook) {
    let truth = session.exchange.book();
    for k in 0..100 {
        assert_eq!(book.level(Side::Buy, k), truth.bids.iter().rev().nth(k).map(|(p, q)| (*p, *q)), "bid {k}");
        assert_eq!(book.level(Side::Sell, k), truth.asks.iter().nth(k).map(|(p, q)| (*p, *q)), "ask {k}");
    }
}

/// Prints came once each, in the order of their numbers. How many of the recorded ones never came.
pub fn check_trades(session: &Session, capture: &Capture) -> usize {
    let said: Vec<u64> = session.trades().iter().map(|trade| trade.id).collect();
    assert!(said.is_sorted_by(|a, b| a < b), "prints come once and in order");
    let recorded = recorded_trade_ids(capture);
    assert!(said.iter().all(|id| recorded.binary_search(id).is_ok()), "no print is made up");
    recorded.len() - said.len()
}

/// Quotes came once each, in order. How many of the recorded ones never came.
pub fn check_quotes(session: &Session, capture: &Capture) -> usize {
    let recorded = recorded_quotes(capture);
    let mut place = 0;
    let mut skipped = 0;
    for quote in session.quotes() {
        let said = [(quote.bid, quote.bid_qty), (quote.ask, quote.ask_qty)];
        while recorded.get(place).is_some_and(|(_, best)| *best != said) {
            place += 1;
            skipped += 1;
        }
        assert!(place < recorded.len(), "a quote that was not recorded, or out of order: {quote:?}");
        place += 1;
    }
    skipped + recorded.len() - place
}

/// Candles came once each, in order, and equal the exchange's.
pub fn check_bars(session: &Session, n: usize) {
    let truth = session.exchange.candles().closed;
    let said = session.bars();
    assert_eq!(said.len(), n);
    let (first, last) = (said.first().map(|bar| bar.opened_at.ms()), said.last().map(|bar| bar.opened_at.ms()));
    let of_span = truth.iter().filter(|c| Some(c.opened_at_ms) >= first && Some(c.opened_at_ms) <= last);
    for (bar, candle) in said.iter().zip(of_span) {
        assert_eq!(bar.opened_at.ms(), candle.opened_at_ms);
        assert_eq!(bar.closed_at.ms(), candle.opened_at_ms + 60_000);
        let ours = (bar.open, bar.high, bar.low, bar.close, bar.volume);
        assert_eq!(ours, (candle.open, candle.high, candle.low, candle.close, candle.volume));
    }
}

/// Stamps never go back, a bar's apart.
pub fn check_stamps(session: &Session) {
    let stamps: Vec<_> = session
        .market()
        .filter(|e| !matches!(e, model::MarketEvent::Bar(_) | model::MarketEvent::Missed(_)))
        .map(|e| e.at())
        .collect();
    assert!(stamps.is_sorted());
}
