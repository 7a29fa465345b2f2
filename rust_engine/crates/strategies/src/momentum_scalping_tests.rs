use super::*;
use crate::test_market::{ask, fill, market, named_price, on_bar, price, submitted};

fn params() -> MomentumScalpingParams {
    MomentumScalpingParams {
        entry_threshold: 2.0,
        stop_loss: 2.0,
        take_profit: 3.0,
        atr_window: 5.0,
        lookback: 2.0,
        size: 10.0,
    }
}

/// Ten quiet bars with a true range of 1, then the given close.
fn burst_to(close: f64) -> (MomentumScalping, Vec<Action>) {
    let mut momentum = MomentumScalping::new(params(), &market(10_000.0));
    for n in 0..10 {
        assert!(on_bar(&mut momentum, n, 100.0).is_empty());
    }
    let actions = on_bar(&mut momentum, 10, close);
    (momentum, actions)
}

#[test]
fn an_ordinary_move_is_no_burst() {
    assert!(burst_to(101.9).1.is_empty());
}

#[test]
fn a_burst_is_followed_and_its_fill_is_protected_on_both_sides() {
    let (mut momentum, actions) = burst_to(110.0);
    let entry = submitted(&actions)[0];
    // True range 10.5 after four of 1: ATR = 1 + 9.5 / 5 = 2.9, so the move is 10 / 2.9 ATR.
    assert_eq!((entry.side, entry.purpose), (Side::Buy, Purpose::Entry));
    assert!((entry.strength - 10.0 / 2.9 / 4.0).abs() < 1e-9, "{}", entry.strength);
    let exits = submitted(&fill(&mut momentum, entry, 110.2));
    assert_eq!(exits.iter().filter_map(named_price).collect::<Vec<_>>(), [price(104.40), price(118.90)]);
    assert!(exits.iter().all(|o| o.reduce_only && o.side == Side::Sell && o.qty == entry.qty));
}

#[test]
fn a_burst_with_a_position_is_skipped_and_one_against_it_closes() {
    let (mut momentum, actions) = burst_to(110.0);
    let entry = submitted(&actions)[0];
    fill(&mut momentum, entry, 110.0);
    let skipped = on_bar(&mut momentum, 11, 125.0);
    assert!(matches!(skipped[0], Action::Skip(view) if view.skipped == "position_open"), "{skipped:?}");
    let exit = submitted(&on_bar(&mut momentum, 12, 60.0))[0];
    assert_eq!((exit.purpose, exit.reduce_only, exit.side), (Purpose::Exit, true, Side::Sell));
    let after = fill(&mut momentum, exit, 60.0);
    assert_eq!(after, [Action::CancelAll(SymbolId(0))]);
}

#[test]
fn a_short_stands_mirrored() {
    let (mut momentum, actions) = burst_to(90.0);
    let entry = submitted(&actions)[0];
    let exits = submitted(&fill(&mut momentum, entry, 90.0));
    assert_eq!(exits.iter().filter_map(named_price).collect::<Vec<_>>(), [price(95.80), price(81.30)]);
    assert!(exits.iter().all(|o| o.side == Side::Buy));
}

#[test]
fn a_stop_that_was_swept_away_is_placed_again_while_the_position_stands() {
    let (mut momentum, actions) = burst_to(110.0);
    let entry = submitted(&actions)[0];
    let stop = submitted(&fill(&mut momentum, entry, 110.0))[0];
    let update = OrderUpdate { order: stop, reason: CancelReason::Halted };
    let again = submitted(&ask(&mut momentum, Event::OrderUpdate(&update)));
    assert_eq!((again.len(), again[0].kind), (1, stop.kind));
    fill(&mut momentum, again[0], 104.0);
    assert!(ask(&mut momentum, Event::OrderUpdate(&update)).is_empty());
}

#[test]
fn a_refused_entry_leaves_the_way_free_for_the_next() {
    let (mut momentum, actions) = burst_to(110.0);
    let update = OrderUpdate { order: submitted(&actions)[0], reason: CancelReason::Vetoed };
    assert!(ask(&mut momentum, Event::OrderUpdate(&update)).is_empty());
    assert_eq!(submitted(&on_bar(&mut momentum, 11, 140.0)).len(), 1);
}

#[test]
fn a_new_window_keeps_the_history_of_ranges() {
    let (mut changed, _) = burst_to(100.0);
    let fresh_params = MomentumScalpingParams { atr_window: 7.0, ..params() };
    changed.set_params(&StrategyParams::MomentumScalping(fresh_params.clone()));
    let mut fresh = MomentumScalping::new(fresh_params, &market(10_000.0));
    for n in 0..11 {
        on_bar(&mut fresh, n, 100.0);
    }
    assert_eq!(on_bar(&mut changed, 11, 110.0), on_bar(&mut fresh, 11, 110.0));
}
