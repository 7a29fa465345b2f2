//! The recorded sessions, played without faults: what comes out is what was recorded, all of it, once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

mod support;
#[path = "support/verdict.rs"]
mod verdict;

use fake_exchange::{Dialect, Exchange, Script};
use model::{CandleInterval, MarketVenue, Ts};
use std::sync::Arc;
use std::time::Duration;
use support::{Memory, WHOLE, capture, config, session, session_with};
use tokio::time::Instant;
use venues::public::Clock;
use venues::public::rest::RestClient;
use verdict::{check_bars, check_book, check_quotes, check_stamps, check_trades};

const SETTLE: Duration = Duration::from_secs(3);

async fn check_usdm() {
    let Some(capture) = capture("usdm", WHOLE) else { return };
    let session = session(MarketVenue::BinanceUsdm, &capture, Script::default(), SETTLE).await;
    assert_eq!(check_trades(&session, &capture), 0);
    assert_eq!(check_quotes(&session, &capture), 0);
    check_bars(&session, 4);
    check_stamps(&session);
    let verdict = check_book(&session, &capture);
    assert!(verdict.compared_with_quotes > 6_500 && verdict.compared_with_truth > 6_500, "{verdict:?}");
    assert_eq!(session.staleness(), vec![]);
    assert_eq!(session.symbol_health().gaps, 0);
    assert_eq!(session.problems(), Vec::<&str>::new());
}

async fn check_spot() {
    let Some(capture) = capture("spot", WHOLE) else { return };
    let session = session(MarketVenue::BinanceSpot, &capture, Script::default(), SETTLE).await;
    assert_eq!(check_trades(&session, &capture), 0);
    assert_eq!(check_quotes(&session, &capture), 0);
    check_bars(&session, 5);
    check_stamps(&session);
    let verdict = check_book(&session, &capture);
    assert!(verdict.compared_with_quotes > 3_400 && verdict.compared_with_truth > 3_400, "{verdict:?}");
    assert_eq!(session.staleness(), vec![]);
    assert_eq!(session.symbol_health().gaps, 0);
}

#[tokio::test(start_paused = true)]
async fn the_whole_usdm_session_comes_through() {
    check_usdm().await;
}

#[tokio::test(start_paused = true)]
async fn the_whole_spot_session_comes_through() {
    check_spot().await;
}

#[tokio::test]
#[ignore = "soak: as long as it was recorded, six minutes"]
async fn the_whole_usdm_session_comes_through_in_real_time() {
    check_usdm().await;
}

#[tokio::test]
#[ignore = "soak: as long as it was recorded, six minutes"]
async fn the_whole_spot_session_comes_through_in_real_time() {
    check_spot().await;
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_happens_now_and_has_a_past() {
    let Some(capture) = capture("spot", 200) else { return };
    // Two years after the recording, 20 s before a full minute.
    let (began, zero_ms) = (Instant::now(), 1_795_274_980_000_i64);
    let now_ms = move || zero_ms + i64::try_from(began.elapsed().as_millis()).unwrap();
    let clock: Clock = Arc::new(move || Ts(now_ms() * Ts::MS));
    let exchange =
        Exchange::rehearsing(Dialect::Binance, "BTCUSDT", &capture, Script::default(), 1.0, Arc::new(now_ms));
    let spot = MarketVenue::BinanceSpot;
    let session = session_with(spot, Arc::clone(&exchange), Arc::clone(&clock), SETTLE).await;
    assert_eq!(check_trades(&session, &capture), 0);
    check_book(&session, &capture);
    check_bars(&session, 3);
    for trade in session.trades() {
        assert!((trade.at.0 - trade.exch_at.0).abs() < Ts::MS * 500, "{trade:?}");
    }
    let first = session.bars()[0].opened_at;
    assert_eq!(first.ms(), zero_ms + 20_000, "the first whole minute since the beginning");
    let client = RestClient::new(&config(spot), Arc::new(Memory(exchange)), clock).unwrap();
    let from = first.plus_ns(-3_000 * 60_000_000_000);
    let candles = client.candles("BTCUSDT", CandleInterval::M1, from, Ts(i64::MAX)).await.unwrap();
    assert_eq!(candles.len(), 3_000 + 3);
    let opened: Vec<i64> = candles.iter().map(|candle| candle.opened_at.0).collect();
    assert!(opened.windows(2).all(|pair| pair[1] - pair[0] == 60_000_000_000), "no hole between past and recording");
    let lately = candles[3_000..].iter().map(|c| (c.opened_at, c.open, c.high, c.low, c.close, c.volume));
    assert!(lately.eq(session.bars().iter().map(|b| (b.opened_at, b.open, b.high, b.low, b.close, b.volume))));
    assert!(candles.iter().all(|c| c.low > model::Price::ZERO && c.low <= c.high));
}
