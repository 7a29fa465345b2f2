use super::*;
use model::SymbolId;
use std::collections::BTreeMap;

fn view(position: i64) -> VenueView {
    VenueView { at: Ts(2), orders: Vec::new(), positions: BTreeMap::from([(SymbolId(0), Qty(position))]) }
}

fn own(position: i64) -> OwnView {
    OwnView { at: Ts(1), positions: BTreeMap::from([(SymbolId(0), Qty(position))]), ..OwnView::default() }
}

/// One that has agreed.
fn ready() -> Agreement {
    let mut agreement = Agreement::default();
    assert!(agreement.begin().mismatch.is_some());
    let verdict = agreement.on_view(&own(0), &view(0), false, true);
    assert_eq!(verdict, Verdict { news: Some(Reconciliation { mismatch: None }), again: Again::Steady });
    agreement
}

const NOTHING: Verdict = Verdict { news: None, again: Again::Steady };
const ONCE_MORE: Verdict = Verdict { news: None, again: Again::OnceMore };

#[test]
fn an_engine_that_waits_hears_at_once_and_an_operator_may_accept_what_it_heard() {
    let mut agreement = Agreement::default();
    agreement.begin();
    let first = agreement.on_view(&own(0), &view(7), false, true);
    assert_eq!(first.again, Again::Soon);
    assert!(first.news.unwrap().mismatch.unwrap().contains("position_differs"));
    let still = agreement.on_view(&own(0), &view(7), false, true);
    assert_eq!(still, Verdict { news: None, again: Again::Soon });
    assert_eq!(agreement.on_view(&own(0), &view(7), false, false), NOTHING);
    assert_eq!(agreement.on_view(&own(20), &view(27), false, false), NOTHING, "what was accepted moves with trades");
    assert_eq!(agreement.on_view(&own(0), &view(8), false, false), ONCE_MORE, "another difference was not accepted");
    assert!(agreement.on_view(&own(0), &view(8), false, false).news.is_some());
    let equal = agreement.on_view(&own(0), &view(0), false, true);
    assert_eq!(equal, Verdict { news: Some(Reconciliation { mismatch: None }), again: Again::Steady });
    assert!(agreement.on_unready("no_answer: x".into()).is_some());
    assert_eq!(agreement.on_unready("no_answer: x".into()), None);
}

#[test]
fn a_difference_halts_an_engine_that_trades_only_if_it_lasts() {
    let mut agreement = ready();
    assert_eq!(agreement.on_view(&own(0), &view(7), false, false), ONCE_MORE);
    assert_eq!(agreement.on_view(&own(0), &view(0), false, false), NOTHING, "it has passed");
    assert_eq!(agreement.on_view(&own(0), &view(7), false, false), ONCE_MORE, "and counts anew");
    let news = agreement.on_view(&own(0), &view(7), false, false).news.unwrap();
    assert!(news.mismatch.unwrap().contains("position_differs"));
    let looks = agreement.looks();
    assert_eq!((looks.n, looks.n_agreed, looks.n_differed, looks.n_told), (5, 2, 3, 1));
    assert_eq!(looks.last_agreed_at, Some(Ts(2)));
}

#[test]
fn while_orders_are_on_their_way_only_one_and_the_same_difference_counts() {
    let mut agreement = ready();
    for theirs in [7, 8, 7, 8, 7, 8] {
        assert_eq!(agreement.on_view(&own(0), &view(theirs), true, false), ONCE_MORE);
    }
    assert_eq!(agreement.on_view(&own(1), &view(9), true, false), ONCE_MORE, "the same 8 for the second time");
    let later = OwnView { at: Ts(9), ..own(2) };
    assert!(agreement.on_view(&later, &view(10), true, false).news.is_some(), "and for the third, old as it is");
}

#[test]
fn a_view_that_is_old_or_that_moves_while_nothing_may_says_nothing() {
    let mut agreement = ready();
    let old = VenueView { at: Ts(0), ..view(7) };
    let soon = Verdict { news: None, again: Again::Soon };
    assert_eq!(agreement.on_view(&own(0), &old, false, false), soon);
    assert_eq!(agreement.on_view(&own(0), &view(0), true, true), soon);
    assert_eq!(agreement.looks().n, 1);
}
