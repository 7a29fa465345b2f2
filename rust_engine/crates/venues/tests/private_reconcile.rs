//! Steady comparisons of an account with the engine, on a virtual clock.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

mod account;

use account::{Hand, price, qty};
use fake_exchange::private::{RequestFault, Script, Venue};
use model::{CancelReason, Qty, Side};
use risk::reconcile::Outcome;
use std::time::Duration;
use venues::private::agreement::{Again, Agreement};

const VENUES: [Venue; 2] = [Venue::Spot, Venue::Usdm];
/// Distance of the looks of a [`Hand`], and more than the wait before the second look.
const EVERY_S: u64 = 60;
const SECOND_S: u64 = 6;

/// Hears the last view as a run would; gives what the engine is told.
fn judge(hand: &mut Hand, agreement: &mut Agreement, is_unready: bool) -> Option<String> {
    let view = hand.views.pop().expect("a view came");
    hand.views.clear();
    let verdict = agreement.on_view(&hand.own(), &view, false, is_unready);
    match verdict.again {
        Again::Steady => {}
        Again::Soon => hand.account.recheck(),
        Again::OnceMore => hand.account.look_once_more(),
    }
    verdict.news.map(|news| news.mismatch.unwrap_or_else(|| "agrees".to_owned()))
}

#[tokio::test(start_paused = true)]
async fn the_account_is_compared_every_minute_with_the_stream_up_and_nothing_happening() {
    for venue in VENUES {
        let mut hand = Hand::ready(venue, Script::default()).await;
        hand.limit(1, Side::Buy, "99", "2");
        hand.pass_s(1).await;
        hand.views.clear();
        hand.pass_s(10 * EVERY_S).await;
        assert_eq!((hand.views.len(), hand.moving.len()), (10, 0), "{venue:?}");
        assert_eq!(hand.outcome(), Outcome::Reconciled, "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_position_that_changes_unheard_halts_by_name_at_the_second_look() {
    for venue in VENUES {
        let mut hand = Hand::ready(venue, Script::default()).await;
        let mut agreement = Agreement::default();
        agreement.begin();
        assert_eq!(judge(&mut hand, &mut agreement, true).as_deref(), Some("agrees"), "{venue:?}");
        hand.exchange.change_silently(|book| book.base += qty("0.5"));
        hand.pass_s(EVERY_S).await;
        assert_eq!(judge(&mut hand, &mut agreement, false), None, "{venue:?}: one look is none");
        hand.pass_s(SECOND_S).await;
        let told = judge(&mut hand, &mut agreement, false).expect("the second look counts");
        assert!(told.contains("position_differs") && told.contains("0.5"), "{venue:?}: {told}");
        hand.exchange.change_silently(|book| book.base -= qty("0.5"));
        hand.pass_s(SECOND_S).await;
        assert_eq!(judge(&mut hand, &mut agreement, true).as_deref(), Some("agrees"), "{venue:?}");
        assert_eq!(agreement.looks().n_told, 1, "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_difference_that_passes_before_the_second_look_stops_nothing() {
    let mut hand = Hand::ready(Venue::Usdm, Script::default()).await;
    let mut agreement = Agreement::default();
    agreement.begin();
    judge(&mut hand, &mut agreement, true);
    hand.exchange.change_silently(|book| book.base += qty("0.5"));
    hand.pass_s(EVERY_S).await;
    assert_eq!(judge(&mut hand, &mut agreement, false), None);
    hand.exchange.change_silently(|book| book.base -= qty("0.5"));
    hand.pass_s(SECOND_S).await;
    assert_eq!(judge(&mut hand, &mut agreement, false), None);
    assert_eq!((agreement.looks().n_differed, agreement.looks().n_told), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_end_and_the_trades_of_an_order_that_no_stream_told_are_found_by_a_look() {
    for venue in VENUES {
        let mut hand = Hand::ready(venue, Script::default()).await;
        hand.limit(1, Side::Buy, "99", "2");
        hand.limit(2, Side::Buy, "98", "1");
        hand.pass_s(1).await;
        hand.exchange.change_silently(|book| {
            book.set_prices(price("98.8"), price("99"));
            book.cancel(&Hand::name(2)).unwrap();
        });
        hand.pass_s(EVERY_S + SECOND_S).await;
        assert_eq!((hand.filled(1), hand.ended(1)), (qty("1"), None), "{venue:?}");
        assert_eq!((hand.filled(2), hand.ended(2)), (Qty::ZERO, Some(CancelReason::Rejected)), "{venue:?}");
        assert_eq!(hand.outcome(), Outcome::Reconciled, "{venue:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_whose_orders_never_rest_is_compared_as_it_moves() {
    // Each request takes longer than the time between two orders, so that there is no quiet moment.
    let slow = RequestFault::Delayed(Duration::from_millis(400));
    let script = Script { requests: (0..4_000).map(|n| (n, slow)).collect(), ..Script::default() };
    let mut hand = Hand::ready(Venue::Usdm, script).await;
    let mut agreement = Agreement::default();
    agreement.begin();
    judge(&mut hand, &mut agreement, true);
    hand.exchange.change_silently(|book| book.base += qty("0.5"));
    let mut told = Vec::new();
    for n in 1..=800 {
        hand.limit(n, Side::Buy, "90", "0.001");
        hand.pass(Duration::from_millis(250)).await;
        let Some(view) = hand.moving.pop() else { continue };
        let verdict = agreement.on_view(&hand.own(), &view, true, !told.is_empty());
        if verdict.again == Again::OnceMore {
            hand.account.look_once_more();
        }
        told.extend(verdict.news.and_then(|news| news.mismatch));
    }
    let [told] = &told[..] else { panic!("one difference is told: {told:?}") };
    assert!(told.contains("position_differs") && told.contains("0.5"), "{told}");
    assert_eq!((agreement.looks().n_differed, hand.views.len()), (3, 0), "at the third look that moved");
}
