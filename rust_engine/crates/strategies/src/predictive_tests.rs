use super::*;
use crate::test_market::{REFUSALS, ask, end, fill, market, on_bar, price, quote, submitted};
use model::message::{Prediction, Recommendation, Shortfall};
use model::{CancelReason, FeedbackView, OrderKind, Staleness};
use std::collections::BTreeMap;

const SECOND: i64 = 1_000_000_000;
/// The closes of `test_market` are 60 ns apart: the last one of the set-up is known at this time.
const START: i64 = 1_000 * SECOND;

fn prediction(direction: f64) -> Prediction {
    Prediction {
        prediction_id: "p-1".into(),
        at_ns: START,
        symbol: "A".into(),
        direction,
        confidence: 0.7,
        expected_move_bps: 30.0 * direction.signum(),
        horizon_ms: 600_000,
        expected_volatility_bps: Some(100.0),
        regime: None,
        recommended_strategy: Recommendation::Twap,
        strategy_params: BTreeMap::new(),
        expires_at_ns: START + 60 * SECOND,
        model: "m".into(),
        model_sha256: "0".into(),
        feature_schema: "f".into(),
        reasons: Vec::new(),
    }
}

fn strategy() -> Predictive {
    let mut predictive = Predictive::new(PredictiveParams::default(), &market(10_000.0));
    on_bar(&mut predictive, 0, 100.0);
    predictive
}

fn predict(predictive: &mut Predictive, at: i64, prediction: &Prediction) -> Vec<Action> {
    let view = PredictionView { symbol: SymbolId(0), at: Ts(at), number: 7, prediction };
    ask(predictive, Event::Prediction(view))
}

fn feedback(actions: &[Action]) -> Vec<FeedbackView> {
    actions.iter().filter_map(|a| if let Action::Feedback(view) = a { Some(*view) } else { None }).collect()
}

fn executed(actions: &[Action]) -> ParentOrder {
    let parents: Vec<ParentOrder> =
        actions.iter().filter_map(|a| if let Action::Execute(parent) = a { Some(*parent) } else { None }).collect();
    assert_eq!(parents.len(), 1, "{actions:?}");
    let mut parent = parents[0];
    parent.order.id = OrderId(50);
    parent
}

fn child(parent: &ParentOrder, qty: Qty) -> OrderRequest {
    OrderRequest { id: OrderId(51), parent: parent.order.id, qty, ..parent.order }
}

fn worked(predictive: &mut Predictive, parent: ParentOrder, filled: Qty, at: i64) -> Vec<Action> {
    let zero = Money::ZERO;
    let shortfall = Shortfall { delay: zero, spread: Money(3), impact: zero, opportunity: zero };
    let report = Worked { parent, at: Ts(at), filled, notional: price(100.5) * filled, shortfall };
    ask(predictive, Event::Worked(&report))
}

fn close_at(predictive: &mut Predictive, at: i64, close: f64) -> Vec<Action> {
    let bar = Bar { opened_at: Ts(at - 1), closed_at: Ts(at), ..crate::test_market::bar(0, close) };
    ask(predictive, Event::Bar(&bar))
}

/// A long position of the whole entry, worked, with its parent and its stop.
fn long() -> (Predictive, ParentOrder, OrderRequest) {
    let mut predictive = strategy();
    let parent = executed(&predict(&mut predictive, START, &prediction(0.8)));
    let stop = submitted(&fill(&mut predictive, child(&parent, parent.order.qty), 100.5))[0];
    assert!(worked(&mut predictive, parent, parent.order.qty, START + SECOND).is_empty());
    (predictive, parent, stop)
}

#[test]
fn every_reason_for_a_refusal_has_its_word() {
    let good = prediction(0.8);
    let check = |prediction: Prediction, at: i64, word: &str| {
        let actions = predict(&mut strategy(), at, &prediction);
        let told = feedback(&actions);
        assert_eq!((actions.len(), told[0].outcome, told[0].number), (1, word, 7));
        assert_eq!((told[0].qty, told[0].realised_move_bps, told[0].received_at), (Qty::ZERO, None, Ts(at)));
    };
    check(good.clone(), START + 31 * SECOND, "stale");
    check(good.clone(), START - 3 * SECOND, "future");
    check(Prediction { expires_at_ns: START + SECOND, ..good.clone() }, START + SECOND, "expired");
    check(Prediction { confidence: 0.54, ..good.clone() }, START, "low_confidence");
    check(Prediction { confidence: f64::NAN, ..good.clone() }, START, "low_confidence");
    check(Prediction { confidence: 1.5, ..good.clone() }, START, "low_confidence");
    check(Prediction { horizon_ms: 9_999, ..good.clone() }, START, "wrong_horizon");
    check(Prediction { horizon_ms: 14_401_000, ..good.clone() }, START, "wrong_horizon");
    check(Prediction { expected_move_bps: 9.0, ..good.clone() }, START, "neutral");
    check(Prediction { expected_move_bps: -30.0, ..good.clone() }, START, "neutral");
    check(Prediction { expected_move_bps: f64::NAN, ..good.clone() }, START, "neutral");
    check(Prediction { direction: 0.0, ..good.clone() }, START, "neutral");
    check(Prediction { expected_volatility_bps: None, ..good }, START, "refused");
}

#[test]
fn two_seconds_ahead_and_thirty_behind_are_still_taken() {
    for at in [START - 2 * SECOND, START + 30 * SECOND] {
        executed(&predict(&mut strategy(), at, &prediction(0.8)));
    }
}

#[test]
fn nothing_is_taken_without_a_price_or_on_stale_data() {
    let mut blind = Predictive::new(PredictiveParams::default(), &market(10_000.0));
    assert_eq!(feedback(&predict(&mut blind, START, &prediction(1.0)))[0].outcome, "refused");
    let mut predictive = strategy();
    ask(&mut predictive, Event::Staleness(&Staleness { symbol: SymbolId(0), at: Ts(START), is_stale: true }));
    assert_eq!(feedback(&predict(&mut predictive, START, &prediction(1.0)))[0].outcome, "refused");
}

#[test]
fn size_follows_confidence_and_volatility_and_has_a_cap() {
    let params = PredictiveParams::default();
    assert!((share_pct(&params, 0.6, 50.0) - 5.0).abs() < 1e-6);
    assert!((share_pct(&params, 0.6, 100.0) - 2.5).abs() < 1e-6);
    assert_eq!(share_pct(&params, 0.9, 10.0), 10.0);
    assert_eq!(share_pct(&params, 0.5, 10.0), 0.0);
    // 0.7 stakes a quarter of 40 %, the cap of 10 %, and half of it at twice the target's volatility: 5 units at 100.
    let parent = executed(&predict(&mut strategy(), START, &prediction(-0.8)));
    assert_eq!((parent.order.qty, parent.order.side), (Qty::from_f64(5.0).unwrap(), Side::Sell));
    assert_eq!((parent.horizon_ns, parent.order.strength), (150 * SECOND, 0.7));
}

#[test]
fn the_recommended_algorithm_takes_its_numbers_from_hints_in_range() {
    let task = |recommended_strategy, hints: &[(&str, f64)]| {
        let strategy_params = hints.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let prediction = Prediction { recommended_strategy, strategy_params, ..prediction(0.8) };
        executed(&predict(&mut strategy(), START, &prediction)).algorithm
    };
    assert_eq!(task(Recommendation::Immediate, &[]), Algorithm::Immediate);
    assert_eq!(task(Recommendation::Twap, &[]), Algorithm::Twap { slices: 5 });
    assert_eq!(task(Recommendation::Vwap, &[("slices", 12.0)]), Algorithm::Vwap { slices: 12 });
    assert_eq!(task(Recommendation::Vwap, &[("slices", 1e9)]), Algorithm::Vwap { slices: 5 });
    assert_eq!(task(Recommendation::Pov, &[("participation", f64::NAN)]), Algorithm::Pov { rate_e4: 1000 });
    assert_eq!(task(Recommendation::Pov, &[("participation", 0.25)]), Algorithm::Pov { rate_e4: 2500 });
    let berg = Algorithm::Iceberg { display: Qty::from_f64(1.0).unwrap(), price: price(100.0) };
    assert_eq!(task(Recommendation::Iceberg, &[]), berg);
    let Algorithm::AlmgrenChriss { slices, risk_aversion, temporary_impact, volatility, .. } =
        task(Recommendation::AlmgrenChriss, &[])
    else {
        panic!("another algorithm")
    };
    // kappa^2 = lambda sigma^2 / eta: two over the 150 seconds that it has.
    let kappa = (risk_aversion * volatility * volatility / temporary_impact).sqrt();
    assert!(slices == 5 && (kappa * 150.0 - 2.0).abs() < 1e-9, "{kappa}");
}

#[test]
fn every_part_of_the_entry_is_protected_at_one_stop() {
    let mut predictive = strategy();
    let parent = executed(&predict(&mut predictive, START, &prediction(0.8)));
    for _ in 0..2 {
        let stops = submitted(&fill(&mut predictive, child(&parent, Qty::from_f64(1.0).unwrap()), 100.2));
        // Two standard deviations of 100 bps below the price of the decision.
        assert_eq!(
            (stops[0].kind, stops[0].qty),
            (OrderKind::Stop { trigger: price(98.0) }, Qty::from_f64(1.0).unwrap())
        );
        assert!(stops[0].reduce_only && stops[0].side == Side::Sell && stops[0].purpose == Purpose::StopLoss);
    }
}

#[test]
fn it_leaves_when_the_horizon_is_over_and_reports_the_whole_move() {
    let (mut predictive, parent, _) = long();
    assert!(close_at(&mut predictive, START + 599 * SECOND, 101.0).is_empty());
    let actions = close_at(&mut predictive, START + 600 * SECOND, 102.0);
    let exit = submitted(&actions)[0];
    assert_eq!((exit.purpose, exit.qty, exit.reduce_only), (Purpose::Exit, parent.order.qty, true));
    let told = feedback(&actions)[0];
    assert_eq!((told.outcome, told.side, told.qty), ("taken", Some(Side::Buy), parent.order.qty));
    assert_eq!((told.decision_price, told.mean_fill_price), (Some(price(100.0)), Some(price(100.5))));
    assert_eq!(told.shortfall.map(|s| s.spread), Some(Money(3)));
    assert!((told.realised_move_bps.unwrap() - 200.0).abs() < 1e-9);
    let after = fill(&mut predictive, exit, 102.0);
    assert_eq!(after, [Action::CancelAll(SymbolId(0))]);
    assert!(close_at(&mut predictive, START + 700 * SECOND, 102.0).is_empty());
}

#[test]
fn a_stop_ends_the_trade_and_the_report_still_waits_for_the_horizon() {
    let (mut predictive, _, stop) = long();
    assert_eq!(fill(&mut predictive, stop, 98.0), [Action::CancelAll(SymbolId(0))]);
    assert!(close_at(&mut predictive, START + 300 * SECOND, 98.0).is_empty());
    let told = feedback(&close_at(&mut predictive, START + 601 * SECOND, 99.0));
    assert!((told[0].realised_move_bps.unwrap() + 100.0).abs() < 1e-9);
}

#[test]
fn a_stop_that_is_hit_while_the_entry_is_worked_ends_the_entry_first() {
    let mut predictive = strategy();
    let parent = executed(&predict(&mut predictive, START, &prediction(0.8)));
    let one = Qty::from_f64(1.0).unwrap();
    let stop = submitted(&fill(&mut predictive, child(&parent, one), 100.0))[0];
    assert_eq!(fill(&mut predictive, stop, 98.0), [Action::StopExecution(OrderId(50))]);
    // A child that was on its way fills after all; what it bought is sold once the entry has ended.
    assert_eq!(submitted(&fill(&mut predictive, child(&parent, one), 98.0))[0].purpose, Purpose::StopLoss);
    let exit = submitted(&worked(&mut predictive, parent, Qty(2 * one.0), START + SECOND));
    assert_eq!((exit.len(), exit[0].purpose, exit[0].qty), (1, Purpose::Exit, one));
    assert_eq!(fill(&mut predictive, exit[0], 98.0), [Action::CancelAll(SymbolId(0))]);
}

#[test]
fn an_opposite_prediction_closes_first_and_is_taken_when_flat() {
    let (mut predictive, parent, _) = long();
    let opposite = Prediction { at_ns: START + 10 * SECOND, ..prediction(-0.8) };
    let exit = submitted(&predict(&mut predictive, START + 10 * SECOND, &opposite))[0];
    assert_eq!((exit.purpose, exit.qty), (Purpose::Exit, parent.order.qty));
    assert_eq!(feedback(&predict(&mut predictive, START + 11 * SECOND, &opposite))[0].outcome, "busy");
    let mut filled = Fill {
        order: exit,
        at: Ts(START + 12 * SECOND),
        price: price(100.0),
        qty: exit.qty,
        base_fee: Qty::ZERO,
        fee: Money::ZERO,
        slippage: Money::ZERO,
        arrival_price: price(100.0),
        half_spread: Price::ZERO,
        liquidity: model::Liquidity::Taker,
    };
    let entry = executed(&ask(&mut predictive, Event::Fill(&filled)));
    assert_eq!(entry.order.side, Side::Sell);
    // The same, but the exit took so long that the prediction is stale by then.
    let (mut slow, _, _) = long();
    filled.order = submitted(&predict(&mut slow, START + 10 * SECOND, &opposite))[0];
    filled.at = Ts(START + 41 * SECOND);
    assert_eq!(feedback(&ask(&mut slow, Event::Fill(&filled)))[0].outcome, "stale");
}

#[test]
fn a_prediction_of_the_same_side_is_busy_while_a_trade_is_open() {
    let (mut predictive, _, _) = long();
    assert_eq!(feedback(&predict(&mut predictive, START, &prediction(0.9)))[0].outcome, "busy");
}

#[test]
fn an_entry_that_was_vetoed_before_it_began_is_refused_and_leaves_the_way_free() {
    let mut predictive = strategy();
    let parent = executed(&predict(&mut predictive, START, &prediction(0.8)));
    let told = feedback(&end(&mut predictive, parent.order, CancelReason::Vetoed));
    assert_eq!((told.len(), told[0].outcome), (1, "refused"));
    executed(&predict(&mut predictive, START, &prediction(0.8)));
}

#[test]
fn an_entry_that_filled_nothing_is_over_and_still_reports_the_move() {
    let mut predictive = strategy();
    let parent = executed(&predict(&mut predictive, START, &prediction(0.8)));
    assert_eq!(worked(&mut predictive, parent, Qty::ZERO, START + SECOND), [Action::CancelAll(SymbolId(0))]);
    let told = feedback(&close_at(&mut predictive, START + 600 * SECOND, 101.0));
    assert_eq!((told[0].outcome, told[0].qty, told[0].mean_fill_price), ("taken", Qty::ZERO, None));
}

#[test]
fn a_refused_exit_is_tried_again_at_the_next_price() {
    let (mut predictive, _, _) = long();
    let exit = submitted(&close_at(&mut predictive, START + 600 * SECOND, 102.0))[0];
    assert!(end(&mut predictive, exit, CancelReason::RateLimited).is_empty());
    assert_eq!(submitted(&close_at(&mut predictive, START + 601 * SECOND, 102.0))[0].qty, exit.qty);
}

#[test]
fn a_stop_that_was_swept_away_is_placed_again_while_the_position_stands() {
    let (mut predictive, _, stop) = long();
    let again = submitted(&end(&mut predictive, stop, CancelReason::Halted));
    assert_eq!((again.len(), again[0].kind, again[0].qty), (1, stop.kind, stop.qty));
}

#[test]
fn a_stop_that_is_refused_is_sent_again_at_every_next_price_once() {
    for reason in REFUSALS {
        let (mut predictive, _, mut stop) = long();
        for n in 1..4 {
            assert!(end(&mut predictive, stop, reason).is_empty(), "{reason:?}");
            let again = submitted(&close_at(&mut predictive, START + n * 60 * SECOND, 99.0));
            let expected = (stop.kind, stop.qty, stop.side, Purpose::StopLoss);
            assert_eq!(again.len(), 1, "{reason:?}");
            stop = again[0];
            assert_eq!((stop.kind, stop.qty, stop.side, stop.purpose), expected, "{reason:?}");
            assert!(stop.reduce_only);
        }
        assert!(close_at(&mut predictive, START + 200 * SECOND, 99.0).is_empty(), "it stands");
    }
}

#[test]
fn any_price_of_the_symbol_gives_a_lost_stop_back() {
    let (mut predictive, _, stop) = long();
    end(&mut predictive, stop, CancelReason::Rejected);
    let again = submitted(&ask(&mut predictive, Event::Quote(&quote(START + SECOND, 99.0, 0.01))));
    assert_eq!((again.len(), again[0].kind), (1, stop.kind));
}

#[test]
fn a_refused_stop_that_the_price_has_passed_becomes_an_exit() {
    for (reason, close) in REFUSALS.into_iter().zip([98.0, 97.0].into_iter().cycle()) {
        let (mut predictive, _, stop) = long();
        end(&mut predictive, stop, reason);
        let exit = submitted(&close_at(&mut predictive, START + SECOND, close));
        assert_eq!((exit.len(), exit[0].purpose, exit[0].qty), (1, Purpose::Exit, stop.qty), "{reason:?}");
        assert!(close_at(&mut predictive, START + 2 * SECOND, close).is_empty(), "one exit at a time");
        assert!(end(&mut predictive, exit[0], CancelReason::RateLimited).is_empty());
        let again = submitted(&close_at(&mut predictive, START + 3 * SECOND, close));
        assert_eq!((again.len(), again[0].purpose), (1, Purpose::Exit));
        assert_eq!(fill(&mut predictive, again[0], close), [Action::CancelAll(SymbolId(0))]);
        assert!(close_at(&mut predictive, START + 4 * SECOND, close).is_empty());
    }
}

#[test]
fn a_stop_that_ended_for_an_exit_under_way_is_not_put_up_again() {
    let (mut predictive, _, stop) = long();
    let exit = submitted(&close_at(&mut predictive, START + 600 * SECOND, 102.0))[0];
    end(&mut predictive, stop, CancelReason::NothingToReduce);
    assert!(close_at(&mut predictive, START + 601 * SECOND, 102.0).is_empty());
    fill(&mut predictive, exit, 102.0);
    assert!(close_at(&mut predictive, START + 602 * SECOND, 102.0).is_empty());
}

#[test]
fn its_state_survives_being_stored() {
    let (mut predictive, _, _) = long();
    let mut restored = strategy();
    restored.restore(&predictive.save().unwrap()).unwrap();
    let at = START + 600 * SECOND;
    assert_eq!(close_at(&mut restored, at, 102.0), close_at(&mut predictive, at, 102.0));
}

#[test]
fn another_capital_changes_the_next_order() {
    let run = |predictive: &mut Predictive| {
        on_bar(predictive, 0, 100.0);
        predict(predictive, START, &prediction(1.0))
    };
    let build = |capital| Predictive::new(PredictiveParams::default(), &market(capital));
    crate::test_market::asked_on_a_quarter(build, run);
}
