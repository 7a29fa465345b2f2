//! An engine that does not keep up loses no print and no candle; quotes and book changes merge.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

mod support;
#[path = "support/verdict.rs"]
mod verdict;

use fake_exchange::{Dialect, Exchange, Script};
use model::MarketVenue;
use std::sync::Arc;
use std::time::Duration;
use support::{LEAD, Memory, Session, capture, clock, config, symbols};
use venues::public::{FeedEvent, start_through};
use verdict::{check_bars, check_stamps, check_trades};

#[tokio::test(start_paused = true)]
async fn a_sleeping_engine_loses_nothing_that_matters() {
    let Some(capture) = capture("usdm", 60) else { return };
    let exchange = Exchange::new(Dialect::Binance, "BTCUSDT", &capture, Script::default(), 1.0);
    let dialler = Arc::new(Memory(Arc::clone(&exchange)));
    let config = [config(MarketVenue::BinanceUsdm)];
    let mut feed = start_through(dialler, &config, &symbols(), &[], clock(&capture)).unwrap();
    tokio::time::sleep(LEAD).await;
    exchange.play().await;
    // All was said, nothing was read: the queue is full and the rest waits behind it.
    let mut events = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(2), feed.events.recv()).await {
        events.push(event);
    }
    let health = feed.health.borrow().clone();
    let session = Session { events, health, exchange };
    assert!(session.health[0].conflated > 1_000, "{:?}", session.health[0]);
    assert_eq!(check_trades(&session, &capture), 0);
    check_bars(&session, 0);
    check_stamps(&session);
    final_quote_and_book_are_right(&session, &capture);
}

fn final_quote_and_book_are_right(session: &Session, capture: &fake_exchange::Capture) {
    let quotes = session.quotes();
    let last = quotes.last().expect("quotes");
    assert_eq!(
        [(last.bid, last.bid_qty), (last.ask, last.ask_qty)],
        verdict::recorded_quotes(capture).last().unwrap().1
    );
    // Compared after every merged change whose number is a recorded one, and level by level at the end.
    verdict::check_book(session, capture);
}

#[tokio::test(start_paused = true)]
async fn a_feed_ends_with_its_reader() {
    let Some(capture) = capture("spot", 5) else { return };
    let exchange = Exchange::new(Dialect::Binance, "BTCUSDT", &capture, Script::default(), 1.0);
    let config = [config(MarketVenue::BinanceSpot)];
    let feed =
        start_through(Arc::new(Memory(Arc::clone(&exchange))), &config, &symbols(), &[], clock(&capture)).unwrap();
    let mut events = feed.events;
    assert!(matches!(events.recv().await, Some(FeedEvent::Connected { .. })));
    drop(events);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(Arc::strong_count(&exchange), 1, "every task is gone");
}
