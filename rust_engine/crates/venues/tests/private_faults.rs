//! Orders at an exchange that misbehaves: each is executed at most once, and what became of it is known in the end.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

mod account;

use account::{BTC, Hand, Memory, REQUEST_FAULTS, clock, exchange, open_through, price, qty, request};
use engine::external::{Outstanding, Reported};
use fake_exchange::private::{Kind, RequestFault, Script, StreamFault, Venue};
use model::{CancelReason, OrderKind, OrderRequest, Qty, Side, TimeInForce};
use risk::reconcile::{Mismatch, Outcome};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use venues::net::{Dial, Dialling, Endpoint};
use venues::private::Said;

const VENUES: [Venue; 2] = [Venue::Spot, Venue::Usdm];

const STREAM_FAULTS: [StreamFault; 5] = [
    StreamFault::Twice,
    StreamFault::Late(Duration::from_secs(2)),
    StreamFault::CloseBefore,
    StreamFault::CloseAfter,
    StreamFault::Garbage,
];

#[tokio::test(start_paused = true)]
async fn a_placing_that_goes_wrong_is_never_sent_again_and_its_outcome_is_known() {
    for venue in VENUES {
        for fault in REQUEST_FAULTS {
            let mut hand = Hand::ready(venue, request(0, fault)).await;
            hand.place(1, Side::Buy, OrderKind::Market, "2");
            hand.pass_s(60).await;
            let (filled, ended) = (hand.filled(1), hand.ended(1));
            let is_refused = matches!(fault, RequestFault::TooMany(_) | RequestFault::Banned(_));
            let is_lost = matches!(fault, RequestFault::SilentBefore | RequestFault::GatewayBefore);
            let expected = match () {
                () if is_refused => (Qty::ZERO, Some(CancelReason::RateLimited)),
                () if is_lost => (Qty::ZERO, Some(CancelReason::Rejected)),
                () => (qty("2"), None),
            };
            assert_eq!((filled, ended), expected, "{venue:?} {fault:?} {:?}", hand.problems);
            assert_eq!(hand.executed(1), filled, "{venue:?} {fault:?}");
            // One that was refused for its time alone may go once more.
            assert_eq!(hand.placings(1), if fault == RequestFault::BadTime { 2 } else { 1 }, "{fault:?}");
            assert_eq!(hand.reconciled().await, Outcome::Reconciled, "{venue:?} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_goes_wrong_is_asked_about_until_the_order_has_ended() {
    for venue in VENUES {
        for fault in REQUEST_FAULTS {
            let mut hand = Hand::ready(venue, request(1, fault)).await;
            hand.limit(1, Side::Buy, "99", "2");
            hand.pass_s(1).await;
            hand.cancel(1);
            hand.pass_s(60).await;
            assert_eq!(hand.ended(1), Some(CancelReason::Requested), "{venue:?} {fault:?} {:?}", hand.problems);
            assert_eq!(hand.reconciled().await, Outcome::Reconciled, "{venue:?} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_trade_is_booked_once_whatever_the_stream_does() {
    for venue in VENUES {
        for fault in STREAM_FAULTS {
            for number in 0..3 {
                let script = Script { events: BTreeMap::from([(number, fault)]), ..Script::default() };
                let mut hand = Hand::ready(venue, script).await;
                hand.limit(1, Side::Buy, "99", "2");
                hand.pass_s(1).await;
                hand.exchange.set_prices(price("98.8"), price("99"));
                hand.exchange.set_prices(price("98.8"), price("98.9"));
                hand.pass_s(30).await;
                assert_eq!((hand.filled(1), hand.ended(1)), (qty("2"), None), "{venue:?} {fault:?} {number}");
                let fills = hand.reports.iter().filter(|r| matches!(r.what, Reported::Filled { .. })).count();
                assert_eq!(fills, 2, "{venue:?} {fault:?} {number}");
                assert_eq!(hand.reconciled().await, Outcome::Reconciled, "{venue:?} {fault:?} {number}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_is_reported_after_the_last_trade_even_if_it_is_heard_before() {
    // Events: taken, half traded, cancelled. The trade comes after the cancel.
    let late = StreamFault::Late(Duration::from_millis(300));
    let script = Script { events: BTreeMap::from([(1, late)]), ..Script::default() };
    let mut hand = Hand::ready(Venue::Spot, script).await;
    hand.limit(1, Side::Buy, "99", "2");
    hand.pass_s(1).await;
    hand.exchange.set_prices(price("98.8"), price("99"));
    hand.cancel(1);
    hand.pass_s(5).await;
    let told: Vec<&str> = hand
        .reports
        .iter()
        .map(|report| match report.what {
            Reported::Accepted => "accepted",
            Reported::Filled { .. } => "filled",
            Reported::Ended { .. } => "ended",
        })
        .collect();
    assert_eq!(told, ["accepted", "filled", "ended"]);
    assert_eq!((hand.filled(1), hand.ended(1)), (qty("1"), Some(CancelReason::Requested)));
}

#[tokio::test(start_paused = true)]
async fn what_trades_while_the_line_is_down_is_found_before_the_account_is_ready_again() {
    for venue in VENUES {
        let mut hand = Hand::ready(venue, Script::default()).await;
        hand.limit(1, Side::Buy, "99", "2");
        hand.limit(2, Side::Sell, "101", "1");
        hand.pass_s(1).await;
        hand.views.clear();
        hand.exchange.set_deaf(true);
        hand.pass_s(20).await;
        assert!(hand.unready.iter().any(|reason| reason.starts_with("no_answer")), "{:?}", hand.unready);
        hand.exchange.set_prices(price("98.8"), price("98.9"));
        hand.exchange.set_prices(price("98.8"), price("98.9"));
        hand.pass_s(20).await;
        assert_eq!((hand.views.len(), hand.filled(1)), (0, Qty::ZERO), "nothing is known while the line is down");
        hand.exchange.set_deaf(false);
        hand.pass_s(60).await;
        assert_eq!((hand.filled(1), hand.filled(2)), (qty("2"), Qty::ZERO), "{venue:?}");
        assert_eq!(hand.outcome(), Outcome::Reconciled, "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_wrong_by_a_minute_is_set_by_the_exchanges() {
    for venue in VENUES {
        for skew_ms in [-60_000, 60_000] {
            let mut hand = Hand::ready(venue, Script { skew_ms, ..Script::default() }).await;
            hand.place(1, Side::Buy, OrderKind::Market, "1");
            hand.pass_s(5).await;
            assert_eq!((hand.filled(1), hand.placings(1)), (qty("1"), 1));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_the_order_with_its_reason() {
    let mut hand = Hand::ready(Venue::Spot, Script::default()).await;
    hand.place(1, Side::Buy, OrderKind::Market, "20000");
    hand.post_only(2, Side::Buy, "101", "1");
    hand.pass_s(2).await;
    assert_eq!((hand.ended(1), hand.ended(2)), (Some(CancelReason::Rejected), Some(CancelReason::WouldCross)));
    assert!(hand.problems.iter().any(|p| p.contains("-2010") && p.contains("insufficient")), "{:?}", hand.problems);
    let mut hand = Hand::ready(Venue::Usdm, Script::default()).await;
    hand.post_only(1, Side::Buy, "101", "1");
    let reduce = hand.order(2, Side::Sell, OrderKind::Market, "1");
    hand.send(OrderRequest { reduce_only: true, ..reduce });
    let now_or_never = hand.order(4, Side::Buy, OrderKind::Limit { price: price("99") }, "1");
    hand.send(OrderRequest { tif: TimeInForce::Ioc, ..now_or_never });
    hand.pass_s(2).await;
    assert_eq!((hand.ended(1), hand.ended(2)), (Some(CancelReason::WouldCross), Some(CancelReason::NothingToReduce)));
    assert_eq!(hand.ended(4), Some(CancelReason::Unfilled));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_the_exchange_knows_already_is_the_same_order() {
    for venue in VENUES {
        let mut hand = Hand::ready(venue, Script::default()).await;
        let kind = Kind::Limit(price("99"));
        hand.exchange.place_by_hand(&Hand::name(1), Side::Buy, kind, qty("2")).unwrap();
        hand.limit(1, Side::Buy, "99", "2");
        hand.pass_s(2).await;
        assert_eq!((hand.taken(1), hand.ended(1)), (1, None), "{venue:?}");
        assert_eq!(hand.reconciled().await, Outcome::Reconciled);
        hand.exchange.set_prices(price("98.8"), price("98.9"));
        hand.exchange.set_prices(price("98.8"), price("98.9"));
        hand.pass_s(2).await;
        assert_eq!(hand.filled(1), qty("2"), "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_repeated_here_goes_out_once() {
    let mut hand = Hand::ready(Venue::Usdm, Script::default()).await;
    hand.place(1, Side::Buy, OrderKind::Market, "1");
    hand.place(1, Side::Buy, OrderKind::Market, "1");
    hand.pass_s(2).await;
    hand.place(1, Side::Buy, OrderKind::Market, "1");
    hand.pass_s(2).await;
    assert_eq!((hand.placings(1), hand.filled(1)), (1, qty("1")));
}

#[tokio::test(start_paused = true)]
async fn more_orders_than_the_exchange_takes_are_refused_here() {
    let mut hand = Hand::ready(Venue::Spot, Script::default()).await;
    for n in 1..=60 {
        hand.limit(n, Side::Buy, "90", "0.001");
    }
    hand.pass_s(3).await;
    let refused = (1..=60).filter(|n| hand.ended(*n) == Some(CancelReason::RateLimited)).count();
    let taken = hand.exchange.truth(|book| book.orders.len());
    assert_eq!((refused, taken), (20, 40), "80 % of 50 in ten seconds; what is left is kept for reductions");
    let open: Vec<u64> = (1..=60).filter(|n| hand.ended(*n).is_none()).collect();
    open.iter().for_each(|n| hand.cancel(*n));
    hand.pass_s(5).await;
    assert!(open.iter().all(|n| hand.ended(*n) == Some(CancelReason::Requested)), "cancels still go");
}

#[tokio::test(start_paused = true)]
async fn orders_of_ours_that_the_engine_forgot_are_cancelled_and_foreign_ones_are_named_and_left_alone() {
    for venue in VENUES {
        let mut hand = Hand::new(venue, Script::default());
        let by_hand = |client: &str| {
            hand.exchange.place_by_hand(client, Side::Buy, Kind::Limit(price("90")), qty("1")).unwrap().id
        };
        let foreign = [by_hand("web_abc"), by_hand("xc-deadbeef-0000000000000001")];
        by_hand(&Hand::name(7));
        hand.pass_s(5).await;
        let found = hand.outcome();
        let named = foreign.map(|id| Mismatch::OrderForeign { venue_id: id.to_string() });
        assert_eq!(found, Outcome::Mismatched(named.to_vec()), "{venue:?}");
        let open: Vec<String> = hand
            .exchange
            .truth(|book| book.orders.values().filter(|order| order.is_open()).map(|o| o.client.clone()).collect());
        assert_eq!(open, ["web_abc", "xc-deadbeef-0000000000000001"]);
        assert!(hand.problems.iter().any(|p| p.contains("the engine forgot")), "{:?}", hand.problems);
    }
}

#[tokio::test(start_paused = true)]
async fn a_trade_of_somebody_else_makes_the_account_unready_until_positions_agree() {
    for venue in VENUES {
        let mut hand = Hand::ready(venue, Script::default()).await;
        hand.exchange.place_by_hand("web_abc", Side::Sell, Kind::Market, qty("1")).unwrap();
        hand.pass_s(3).await;
        assert!(hand.unready.iter().any(|reason| reason.contains("web_abc")), "{:?}", hand.unready);
        let differs = Mismatch::PositionDiffers { symbol: BTC, ours: Qty::ZERO, theirs: qty("-1") };
        assert_eq!(hand.outcome(), Outcome::Mismatched(vec![differs]), "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_asks_for_what_it_may_have_placed_and_places_nothing() {
    for venue in VENUES {
        let mut hand = Hand::ready(venue, Script::default()).await;
        hand.limit(1, Side::Buy, "99", "2");
        hand.limit(2, Side::Buy, "98", "1");
        hand.pass_s(1).await;
        // Order 3 was decided before the end and never left; order 2 was to be cancelled.
        let unsent = hand.order(3, Side::Buy, OrderKind::Market, "1");
        hand.sent.insert(unsent.id, unsent);
        let orders: Vec<OrderRequest> = hand.sent.values().copied().collect();
        let outstanding = orders.iter().map(|order| Outstanding { order: *order, cancel_asked: order.id.0 == 2 });
        hand.exchange.set_prices(price("98.8"), price("99"));
        let n_placed = hand.exchange.log().iter().filter(|line| line.starts_with("POST")).count();
        hand.account = account::open(&hand.exchange, venue, &hand.clock, &outstanding.collect::<Vec<_>>());
        hand.views.clear();
        hand.pass_s(30).await;
        assert_eq!((hand.filled(1), hand.ended(1)), (qty("1"), None), "{venue:?}");
        assert_eq!(hand.ended(2), Some(CancelReason::Requested), "{venue:?}");
        assert_eq!(hand.ended(3), Some(CancelReason::Rejected), "{venue:?}: it never arrived");
        assert_eq!(hand.exchange.log().iter().filter(|line| line.starts_with("POST")).count(), n_placed);
        assert_eq!(hand.outcome(), Outcome::Reconciled, "{venue:?}");
    }
}

/// A dialler with a defect: it panics where a connection of this kind is opened, once the test says so.
struct Defective {
    inner: Memory,
    to_stream: bool,
    is_due: AtomicBool,
}

impl Dial for Defective {
    fn dial<'a>(&'a self, to: &'a Endpoint) -> Dialling<'a> {
        let is_stream = !to.base_path.is_empty();
        assert!(is_stream != self.to_stream || !self.is_due.load(Ordering::SeqCst), "a defect of the test");
        self.inner.dial(to)
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_dies_by_a_defect_ends_the_account_and_is_named() {
    for (to_stream, named) in [(false, "a request of the account died"), (true, "the user stream died")] {
        let now = clock();
        let there = exchange(Venue::Spot, Script::default(), &now);
        let defective =
            Arc::new(Defective { inner: Memory(Arc::clone(&there)), to_stream, is_due: AtomicBool::new(false) });
        let mut account = open_through(defective.clone(), Venue::Spot, &now, &[]);
        while !matches!(account.next().await.expect("it lives"), Said::View { .. }) {}
        defective.is_due.store(true, Ordering::SeqCst);
        if to_stream {
            // The stream ends and is opened again.
            there.set_deaf(true);
            there.set_deaf(false);
        } else {
            account.recheck();
        }
        let mut problems = Vec::new();
        let end = Instant::now() + Duration::from_secs(600);
        while let Some(said) = timeout_at(end, account.next()).await.expect("it ends") {
            if let Said::Problem(what) = said {
                problems.push(what);
            }
        }
        assert!(problems.iter().any(|what| what.contains(named)), "{problems:?}");
    }
}
