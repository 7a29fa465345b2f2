//! Stop orders on USD-M, which wait at the exchange's algo service: each is placed once, trades once, and is known in the end.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

mod account;

use account::{Hand, REQUEST_FAULTS, price, qty, request};
use engine::external::{Outstanding, Reported};
use fake_exchange::private::{RequestFault, Script, StreamFault, Venue};
use model::{CancelReason, OrderKind, OrderRequest, Qty, Side};
use risk::reconcile::{Mismatch, Outcome};
use std::collections::BTreeMap;
use std::time::Duration;

const STREAM_FAULTS: [StreamFault; 6] = [
    StreamFault::Twice,
    StreamFault::Late(Duration::from_millis(200)),
    StreamFault::Late(Duration::from_secs(2)),
    StreamFault::CloseBefore,
    StreamFault::CloseAfter,
    StreamFault::Garbage,
];

fn stop(trigger: &str) -> OrderKind {
    OrderKind::Stop { trigger: price(trigger) }
}

async fn ready(script: Script, keeps_names: bool) -> Hand {
    let hand = Hand::ready(Venue::Usdm, script).await;
    hand.exchange.change_silently(|book| book.keeps_names = keeps_names);
    hand
}

/// The stop of a number at the exchange: its status, and how much of it was executed.
fn at_exchange(hand: &Hand, n: u64) -> Option<(&'static str, Qty)> {
    hand.exchange.truth(|book| {
        let stop = book.find_stop(&Hand::name(n))?;
        Some((stop.status, stop.became.map_or(Qty::ZERO, |id| book.orders[&id].executed)))
    })
}

fn n_fills(hand: &Hand) -> usize {
    hand.reports.iter().filter(|report| matches!(report.what, Reported::Filled { .. })).count()
}

#[tokio::test(start_paused = true)]
async fn a_stop_whose_placing_goes_wrong_is_never_sent_again_and_its_outcome_is_known() {
    for fault in REQUEST_FAULTS {
        let mut hand = ready(request(0, fault), false).await;
        hand.place(1, Side::Sell, stop("95"), "2");
        hand.pass_s(60).await;
        let is_refused = matches!(fault, RequestFault::TooMany(_) | RequestFault::Banned(_));
        let is_lost = matches!(fault, RequestFault::SilentBefore | RequestFault::GatewayBefore);
        let (rests, ended) = match () {
            () if is_refused => (None, Some(CancelReason::RateLimited)),
            () if is_lost => (None, Some(CancelReason::Rejected)),
            () => (Some(("NEW", Qty::ZERO)), None),
        };
        assert_eq!((at_exchange(&hand, 1), hand.ended(1)), (rests, ended), "{fault:?} {:?}", hand.problems);
        assert_eq!(hand.placings(1), if fault == RequestFault::BadTime { 2 } else { 1 }, "{fault:?}");
        assert_eq!(hand.reconciled().await, Outcome::Reconciled, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_whose_cancel_goes_wrong_is_asked_about_until_it_has_ended() {
    for fault in REQUEST_FAULTS {
        let mut hand = ready(request(1, fault), false).await;
        hand.place(1, Side::Sell, stop("95"), "2");
        hand.pass_s(1).await;
        hand.cancel(1);
        hand.pass_s(60).await;
        assert_eq!(hand.ended(1), Some(CancelReason::Requested), "{fault:?} {:?}", hand.problems);
        assert_eq!(at_exchange(&hand, 1), Some(("CANCELED", Qty::ZERO)), "{fault:?}");
        assert_eq!(hand.reconciled().await, Outcome::Reconciled, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_stop_trades_is_booked_once_whatever_the_stream_does_and_whatever_its_order_is_called() {
    for keeps_names in [false, true] {
        // Taken, triggering, its order taken, two trades, triggered, finished.
        for number in 0..7 {
            for fault in STREAM_FAULTS {
                let script = Script { events: BTreeMap::from([(number, fault)]), ..Script::default() };
                let mut hand = ready(script, keeps_names).await;
                hand.place(1, Side::Sell, stop("95"), "2");
                hand.pass_s(1).await;
                hand.exchange.set_prices(price("94.8"), price("95.1"));
                hand.pass_s(30).await;
                let story = format!("{keeps_names} {number} {fault:?} {:?} {:?}", hand.problems, hand.unready);
                assert_eq!(at_exchange(&hand, 1), Some(("FINISHED", qty("2"))), "{story}");
                assert_eq!((hand.filled(1), hand.ended(1), n_fills(&hand)), (qty("2"), None, 2), "{story}");
                assert_eq!(hand.reconciled().await, Outcome::Reconciled, "{story}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_fault_a_stop_that_trades_leaves_the_account_ready() {
    for keeps_names in [false, true] {
        let mut hand = ready(Script::default(), keeps_names).await;
        hand.place(1, Side::Sell, stop("95"), "2");
        hand.pass_s(1).await;
        hand.exchange.set_prices(price("94.8"), price("95.1"));
        hand.pass_s(10).await;
        assert_eq!((hand.filled(1), hand.unready.clone()), (qty("2"), Vec::new()), "{keeps_names}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_is_rejected_when_it_triggers_ends_and_a_person_hears_of_it() {
    let mut hand = ready(Script::default(), false).await;
    let order = hand.order(1, Side::Sell, stop("95"), "2");
    hand.send(OrderRequest { reduce_only: true, ..order });
    hand.pass_s(1).await;
    // There is nothing to reduce.
    hand.exchange.set_prices(price("94.8"), price("95.1"));
    hand.pass_s(5).await;
    assert_eq!((hand.filled(1), hand.ended(1)), (Qty::ZERO, Some(CancelReason::Rejected)));
    assert!(hand.problems.iter().any(|p| p.contains("Reduce Only reject")), "{:?}", hand.problems);
}

#[tokio::test(start_paused = true)]
async fn a_stop_beyond_the_market_is_refused() {
    let mut hand = ready(Script::default(), false).await;
    hand.place(1, Side::Sell, stop("100.5"), "2");
    hand.pass_s(2).await;
    assert_eq!((hand.ended(1), hand.placings(1)), (Some(CancelReason::Rejected), 1));
    assert!(hand.problems.iter().any(|p| p.contains("-2021")), "{:?}", hand.problems);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_trades_while_its_cancel_is_on_its_way_is_booked() {
    let mut hand = ready(request(1, RequestFault::Delayed(Duration::from_secs(2))), false).await;
    hand.place(1, Side::Sell, stop("95"), "2");
    hand.pass_s(1).await;
    hand.cancel(1);
    hand.pass_s(1).await;
    hand.exchange.set_prices(price("94.8"), price("95.1"));
    hand.pass_s(30).await;
    assert_eq!((hand.filled(1), hand.ended(1)), (qty("2"), None), "{:?}", hand.problems);
    assert_eq!(hand.reconciled().await, Outcome::Reconciled);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_trades_while_the_line_is_down_or_the_engine_is_dead_is_found() {
    for keeps_names in [false, true] {
        for is_restart in [false, true] {
            let mut hand = ready(Script::default(), keeps_names).await;
            hand.place(1, Side::Sell, stop("95"), "2");
            hand.place(2, Side::Sell, stop("90"), "1");
            hand.pass_s(1).await;
            hand.exchange.set_deaf(true);
            hand.pass_s(3).await;
            hand.exchange.set_prices(price("94.8"), price("95.1"));
            hand.exchange.set_deaf(false);
            if is_restart {
                let outstanding = hand.sent.values().map(|order| Outstanding { order: *order, cancel_asked: false });
                let outstanding: Vec<Outstanding> = outstanding.collect();
                hand.account = account::open(&hand.exchange, Venue::Usdm, &hand.clock, &outstanding);
            }
            hand.views.clear();
            hand.pass_s(60).await;
            let story = format!("{keeps_names} {is_restart} {:?}", hand.problems);
            assert_eq!((hand.filled(1), hand.filled(2), hand.ended(2)), (qty("2"), Qty::ZERO, None), "{story}");
            assert_eq!((hand.placings(1), hand.placings(2)), (1, 1), "{story}");
            assert_eq!(hand.outcome(), Outcome::Reconciled, "{story}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_the_engine_forgot_is_cancelled_and_a_foreign_one_is_named_and_left_alone() {
    let mut hand = Hand::new(Venue::Usdm, Script::default());
    let mut ids = Vec::new();
    hand.exchange.change_silently(|book| {
        for client in [Hand::name(7), "ios_abc".to_owned()] {
            ids.push(book.place_stop(&client, Side::Sell, price("90"), qty("1"), false).unwrap().id);
        }
    });
    hand.pass_s(5).await;
    let named = Mismatch::OrderForeign { venue_id: ids[1].to_string() };
    assert_eq!(hand.outcome(), Outcome::Mismatched(vec![named]));
    let status = |client: &str| hand.exchange.truth(|book| book.find_stop(client).unwrap().status);
    assert_eq!((status(&Hand::name(7)), status("ios_abc")), ("CANCELED", "NEW"));
}

#[tokio::test(start_paused = true)]
async fn chance_spoils_stops_too_and_both_sides_agree_in_the_end() {
    let (mut n_filled, mut n_ended) = (0, 0);
    for seed in 0..50 {
        let mut hand = Hand::new(Venue::Usdm, Script::random(seed, 200));
        hand.exchange.change_silently(|book| book.keeps_names = seed % 2 == 0);
        hand.pass_s(30).await;
        for n in 1..=8 {
            let trigger = 95 - n as i64;
            hand.place(n, Side::Sell, stop(&trigger.to_string()), "2");
            hand.pass(Duration::from_millis(300)).await;
            if n % 3 == 0 {
                hand.cancel(n);
            }
            // The odd ones are reached at once.
            if n % 2 == 1 {
                let bid = price(&format!("{}.9", trigger - 1));
                hand.exchange.set_prices(bid, price("96"));
                hand.exchange.set_prices(price("99.9"), price("100.1"));
            }
            hand.pass(Duration::from_millis(300)).await;
        }
        hand.exchange.behave();
        hand.pass_s(120).await;
        hand.views.clear();
        hand.account.recheck();
        hand.pass_s(120).await;
        let story = format!("seed {seed} {:?} {:?}", hand.problems, hand.unready);
        assert_eq!(hand.outcome(), Outcome::Reconciled, "{story}");
        for n in 1..=8 {
            let executed = at_exchange(&hand, n).map_or(Qty::ZERO, |(_, executed)| executed);
            assert_eq!(hand.filled(n), executed, "order {n}: {story}");
            assert!(hand.taken(n) <= 1, "order {n}: {story}");
            n_filled += usize::from(executed == qty("2"));
            n_ended += usize::from(hand.ended(n).is_some());
        }
    }
    assert!(n_filled > 100 && n_ended > 50, "stops trade ({n_filled}) and end ({n_ended})");
}
