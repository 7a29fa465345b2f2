use super::*;
use crate::strategy::Strategy;
use crate::test_market::{
    MINUTE, REFUSALS, ask, cancelled, end, fill, market, named_price, on_bar, price, quote, submitted,
};
use model::Staleness;
use proptest::prelude::*;

fn params() -> MomentumScalpingParams {
    MomentumScalpingParams {
        entry_threshold: 2.0,
        stop_loss: 2.0,
        take_profit: 3.0,
        atr_window: 5.0,
        lookback: 2.0,
        size: 10.0,
        trail: 0.0,
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

/// A long position of a strategy whose stop trails by two ATRs, and its first stop.
fn trailing() -> (MomentumScalping, OrderRequest) {
    let mut momentum = MomentumScalping::new(MomentumScalpingParams { trail: 2.0, ..params() }, &market(10_000.0));
    (0..10).for_each(|n| drop(on_bar(&mut momentum, n, 100.0)));
    let entry = submitted(&on_bar(&mut momentum, 10, 110.0))[0];
    let stop = submitted(&fill(&mut momentum, entry, 110.0))[0];
    (momentum, stop)
}

#[test]
fn a_trailing_stop_is_sent_before_the_old_one_is_cancelled_and_stays_when_the_cancel_is_confirmed() {
    let (mut momentum, stop) = trailing();
    let actions = on_bar(&mut momentum, 11, 120.0);
    let (Action::Submit(tighter), Action::CancelAt(old)) = (actions[0], actions[1]) else { panic!("{actions:?}") };
    assert!(old.names(&stop) && !old.names(&tighter));
    assert_eq!((tighter.qty, tighter.reduce_only, tighter.purpose), (stop.qty, true, Purpose::StopLoss));
    // Ranges of 1, of 10.5 and of 10.5 at weight 1/3: 1, 4.1667, 6.2778; highest high 120.5 minus twice that.
    assert_eq!(named_price(&tighter), Some(price(107.94)));
    assert!(end(&mut momentum, stop, CancelReason::Requested).is_empty());
    assert_eq!(submitted(&end(&mut momentum, tighter, CancelReason::Requested))[0].kind, tighter.kind);
}

#[test]
fn a_trailing_stop_stays_where_it_is_when_the_price_falls_back() {
    let (mut momentum, _) = trailing();
    on_bar(&mut momentum, 11, 120.0);
    let back = on_bar(&mut momentum, 12, 119.0);
    // The range narrows, so that the exit rises although the price fell; a wide candle then lowers it, and nothing follows.
    assert_eq!((cancelled(&back).len(), submitted(&back).len()), (1, 1));
    let wide = on_bar(&mut momentum, 13, 109.0);
    assert!(cancelled(&wide).is_empty() && submitted(&wide).iter().all(|o| o.purpose != Purpose::StopLoss), "{wide:?}");
}

#[test]
fn a_stop_that_the_venue_refused_is_placed_again_at_the_next_close() {
    let (mut momentum, actions) = burst_to(110.0);
    let stop = submitted(&fill(&mut momentum, submitted(&actions)[0], 110.0))[0];
    assert!(end(&mut momentum, stop, CancelReason::RateLimited).is_empty());
    let again = submitted(&on_bar(&mut momentum, 11, 110.0));
    assert_eq!((again[0].kind, again[0].qty), (stop.kind, stop.qty));
}

#[test]
fn each_part_of_an_entry_is_protected_by_its_own_size() {
    let (mut momentum, actions) = burst_to(110.0);
    let entry = submitted(&actions)[0];
    let parts = [3_000_000, entry.qty.0 - 3_000_000].map(|qty| {
        let part = OrderRequest { qty: Qty(qty), ..entry };
        submitted(&fill(&mut momentum, part, 110.0)).iter().map(|o| o.qty.0).collect::<Vec<_>>()
    });
    assert_eq!(parts, [vec![3_000_000; 2], vec![entry.qty.0 - 3_000_000; 2]]);
}

#[test]
fn on_quotes_one_burst_is_one_signal_and_stale_data_open_nothing() {
    let mut momentum = MomentumScalping::new(params(), &Market { driver: Driver::Quotes, ..market(10_000.0) });
    // Candles feed the indicators and decide nothing.
    (0..10).for_each(|n| assert!(on_bar(&mut momentum, n, 100.0).is_empty()));
    assert!(ask(&mut momentum, Event::Quote(&quote(1, 101.0, 0.01))).is_empty());
    let stale = Staleness { symbol: SymbolId(0), at: model::Ts(2), is_stale: true };
    ask(&mut momentum, Event::Staleness(&stale));
    let skipped = ask(&mut momentum, Event::Quote(&quote(3, 130.0, 0.01)));
    assert!(matches!(skipped[..], [Action::Skip(view)] if view.skipped == "stale"), "{skipped:?}");
    assert!(ask(&mut momentum, Event::Quote(&quote(4, 131.0, 0.01))).is_empty());
    ask(&mut momentum, Event::Staleness(&Staleness { is_stale: false, ..stale }));
    let entry = submitted(&ask(&mut momentum, Event::Quote(&quote(5, 132.0, 0.01))));
    assert_eq!((entry[0].side, entry[0].decision_price), (Side::Buy, price(132.0)));
    // One that is refused is not asked for at every quote of its burst, and in the next one again.
    assert!(end(&mut momentum, entry[0], CancelReason::Refused).is_empty());
    assert!(ask(&mut momentum, Event::Quote(&quote(6, 132.0, 0.01))).is_empty());
    assert!(ask(&mut momentum, Event::Quote(&quote(7, 100.0, 0.01))).is_empty());
    assert_eq!(submitted(&ask(&mut momentum, Event::Quote(&quote(8, 132.0, 0.01)))).len(), 1);
}

/// What stands at a venue that refuses some stops.
struct Standing {
    stops: Vec<OrderRequest>,
    tightest: Price,
    /// Whether the last of its stops was refused.
    is_short_of_one: bool,
}

impl Standing {
    /// Takes the answers to one event; gives the stops it refused, or the exit.
    fn take(&mut self, actions: &[Action], refuses: bool) -> Result<Vec<OrderRequest>, OrderRequest> {
        let mut refused = Vec::new();
        for action in actions {
            match action {
                Action::Submit(order) if order.purpose == Purpose::StopLoss => {
                    let trigger = named_price(order).unwrap();
                    let is_new = trigger > self.tightest;
                    assert!(is_new || self.is_short_of_one && trigger == self.tightest, "{order:?}");
                    self.tightest = trigger;
                    if refuses { refused.push(*order) } else { self.stops.push(*order) }
                }
                Action::Submit(order) if order.purpose == Purpose::Exit => return Err(*order),
                Action::CancelAt(named) => self.stops.retain(|o| !named.names(o)),
                _ => {}
            }
            assert!(!self.stops.is_empty() || self.is_short_of_one || !refused.is_empty());
        }
        assert!(refused.len() <= 1, "{refused:?}");
        self.is_short_of_one = !refused.is_empty();
        Ok(refused)
    }
}

proptest! {
    #[test]
    fn a_trailing_stop_only_tightens_and_one_always_stands(
        moves in proptest::collection::vec((-300_i32..300, 0_u8..4), 1..80)
    ) {
        let (mut momentum, first) = trailing();
        let mut standing =
            Standing { stops: vec![first], tightest: named_price(&first).unwrap(), is_short_of_one: false };
        let mut close = 110.0;
        for (n, (change, luck)) in moves.into_iter().enumerate() {
            close = (close + f64::from(change) * 0.01).max(50.0);
            match standing.take(&on_bar(&mut momentum, 11 + n as i64, close), luck == 0) {
                Ok(refused) => {
                    for stop in refused {
                        prop_assert!(end(&mut momentum, stop, CancelReason::Rejected).is_empty());
                    }
                }
                // It leaves on a burst against it, or because the price has passed a stop that was lost.
                Err(exit) => {
                    prop_assert_eq!((exit.side, exit.reduce_only), (Side::Sell, true));
                    return Ok(());
                }
            }
            prop_assert!(standing.stops.len() == 1 || standing.is_short_of_one);
        }
    }
}

#[test]
fn a_stop_lost_in_its_replacement_comes_back_as_tight_as_it_was_at_the_next_price() {
    for reason in REFUSALS {
        let (mut momentum, stop) = trailing();
        let tighter = submitted(&on_bar(&mut momentum, 11, 120.0))[0];
        assert!(end(&mut momentum, tighter, reason).is_empty());
        assert!(end(&mut momentum, stop, CancelReason::Requested).is_empty());
        // Candles decide, and a quote proves a price as well.
        let again = submitted(&ask(&mut momentum, Event::Quote(&quote(1, 119.0, 0.01))));
        assert_eq!(again.len(), 1, "{reason:?}");
        assert_eq!((again[0].kind, again[0].qty, again[0].purpose), (tighter.kind, tighter.qty, Purpose::StopLoss));
        assert!(ask(&mut momentum, Event::Quote(&quote(2, 119.0, 0.01))).is_empty(), "it stands");
        assert!(end(&mut momentum, again[0], reason).is_empty());
        let exit = submitted(&ask(&mut momentum, Event::Quote(&quote(3, 107.94, 0.01))));
        assert_eq!((exit.len(), exit[0].purpose, exit[0].qty), (1, Purpose::Exit, tighter.qty));
        assert!(ask(&mut momentum, Event::Quote(&quote(4, 105.0, 0.01))).is_empty(), "one exit at a time");
        end(&mut momentum, exit[0], CancelReason::RateLimited);
        assert_eq!(
            submitted(&ask(&mut momentum, Event::Quote(&quote(2 * MINUTE, 105.0, 0.01))))[0].purpose,
            Purpose::Exit
        );
    }
}

#[test]
fn one_refused_part_of_several_is_noticed() {
    let (mut momentum, actions) = burst_to(110.0);
    let entry = submitted(&actions)[0];
    let parts = [3_000_000, entry.qty.0 - 3_000_000]
        .map(|qty| submitted(&fill(&mut momentum, OrderRequest { qty: Qty(qty), ..entry }, 110.0))[0]);
    assert!(end(&mut momentum, parts[0], CancelReason::Rejected).is_empty());
    let again = submitted(&on_bar(&mut momentum, 11, 110.0));
    assert_eq!(again.iter().map(|o| (o.kind, o.qty)).collect::<Vec<_>>(), [(parts[0].kind, parts[0].qty)]);
}

#[test]
fn a_lost_stop_is_remembered_through_a_snapshot() {
    let (mut momentum, _) = trailing();
    let tighter = submitted(&on_bar(&mut momentum, 11, 120.0))[0];
    end(&mut momentum, tighter, CancelReason::Rejected);
    let (mut restored, _) = trailing();
    restored.restore(&momentum.save().unwrap()).unwrap();
    let again = submitted(&ask(&mut restored, Event::Quote(&quote(1, 119.0, 0.01))));
    assert_eq!((again[0].kind, again[0].qty), (tighter.kind, tighter.qty));
}

#[test]
fn another_capital_changes_the_next_entry_and_leaves_the_position_to_its_exits() {
    let run = |momentum: &mut MomentumScalping| {
        (0..10).for_each(|n| assert!(on_bar(momentum, n, 100.0).is_empty()));
        on_bar(momentum, 10, 110.0)
    };
    crate::test_market::asked_on_a_quarter(|capital| MomentumScalping::new(params(), &market(capital)), run);
    let (mut momentum, actions) = burst_to(110.0);
    let entry = submitted(&actions)[0];
    fill(&mut momentum, entry, 110.0);
    momentum.set_capital(Money::from_f64(2_500.0).unwrap());
    assert_eq!(submitted(&on_bar(&mut momentum, 11, 60.0))[0].qty, entry.qty, "it closes what it holds");
}
