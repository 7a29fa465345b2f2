//! The recorded sessions, played without faults: what comes out is what was recorded, all of it, once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

mod support;
#[path = "support/verdict.rs"]
mod verdict;

use fake_exchange::Script;
use model::MarketVenue;
use std::time::Duration;
use support::{WHOLE, capture, session};
use verdict::{check_bars, check_book, check_quotes, check_stamps, check_trades};

const SETTLE: Duration = Duration::from_secs(3);

#[tokio::test(start_paused = true)]
async fn the_whole_usdm_session_comes_through() {
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

#[tokio::test(start_paused = true)]
async fn the_whole_spot_session_comes_through() {
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
