use super::*;
use crate::rules::generated::{rule_sets, walk};
use crate::sma_cross::SmaCross;
use crate::test_market::{REFUSALS, ask, bar, end, fill, market, on_bar, price, submitted};
use model::params::SmaCrossParams;
use model::{RuleSet, Staleness, Ts};
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

const SMA_CROSS: &str = r#"{"name":"sma-cross",
    "entry_long":{"above":[{"sma":{"window":20}},{"sma":{"window":50}}]},
    "exit_long":{"at_most":[{"sma":{"window":20}},{"sma":{"window":50}}]}}"#;

fn following(text: &str, params: RulesParams) -> Rules {
    let rules = Some(RuleSet::parse(text).unwrap());
    Rules::new(params, &Market { rules, ..market(10_000.0) })
}

fn candles(stop: &str) -> String {
    format!(
        r#"{{"name":"candles","entry_long":{{"above":["close",{{"highest":{{"window":2}}}}]}},
        "exit_long":{{"below":["close",{{"lowest":{{"window":2}}}}]}}{stop}}}"#
    )
}

fn entered(rules: &mut Rules) -> OrderRequest {
    for n in 0..2 {
        assert!(on_bar(rules, n, 100.0).is_empty(), "unknown until the window is full");
    }
    submitted(&on_bar(rules, 2, 102.0))[0]
}

#[test]
fn sma_cross_as_data_asks_for_what_sma_cross_asks_for() {
    // One lot is one unit, and the budget buys one at every price of the walk.
    let mut world = Market { rules: Some(RuleSet::parse(SMA_CROSS).unwrap()), ..market(1_190.0) };
    world.symbols[0].1.lot = Qty::from_f64(1.0).unwrap();
    let mut rules = Rules::new(RulesParams::default(), &world);
    let mut hand = SmaCross::new(SmaCrossParams { fast: 20.0, slow: 50.0, size: 1.0 }, &world);
    let mut pending: Vec<OrderRequest> = Vec::new();
    let mut n_orders = 0;
    for bar in walk(7, 5_000) {
        for order in pending.drain(..) {
            assert_eq!(fill(&mut rules, order, bar.open.to_f64()), fill(&mut hand, order, bar.open.to_f64()));
        }
        let asked = ask(&mut rules, Event::Bar(&bar));
        assert_eq!(asked, ask(&mut hand, Event::Bar(&bar)), "at {:?}", bar.closed_at);
        pending = submitted(&asked);
        n_orders += pending.len();
    }
    assert!(n_orders > 50, "{n_orders}");
}

#[test]
fn stop_and_target_stand_in_distances_of_the_decision_and_come_back_when_swept() {
    let params = RulesParams { stop: 2.0, target: 3.0, ..RulesParams::default() };
    let stop = r#","stop":{"subtract":["high","low"]}"#;
    let mut rules = following(&candles(stop), params);
    let entry = entered(&mut rules);
    // The bar spans 1: the stop is 2 below, the target 3 above.
    let protection = submitted(&fill(&mut rules, entry, 103.0));
    let kinds: Vec<OrderKind> = protection.iter().map(|o| o.kind).collect();
    assert_eq!(kinds, [OrderKind::Stop { trigger: price(101.0) }, OrderKind::Limit { price: price(106.0) }]);
    assert!(protection.iter().all(|o| o.reduce_only && o.qty == entry.qty && o.side == Side::Sell));
    let swept = OrderUpdate { order: protection[0], reason: CancelReason::Requested };
    assert_eq!(submitted(&ask(&mut rules, Event::OrderUpdate(&swept))), [protection[0]]);
    assert_eq!(fill(&mut rules, protection[0], 101.0), [Action::CancelAll(SymbolId(0))]);
    assert!(ask(&mut rules, Event::OrderUpdate(&swept)).is_empty(), "flat: nothing to protect");
}

/// A long position with its stop two below the 103 that it was entered at.
fn stopped() -> (Rules, OrderRequest) {
    let params = RulesParams { stop: 2.0, ..RulesParams::default() };
    let mut rules = following(&candles(r#","stop":{"subtract":["high","low"]}"#), params);
    let entry = entered(&mut rules);
    let stop = submitted(&fill(&mut rules, entry, 103.0))[0];
    (rules, stop)
}

#[test]
fn a_stop_that_is_refused_is_sent_again_at_every_next_price_once() {
    for reason in REFUSALS {
        let (mut rules, mut stop) = stopped();
        for n in 3..6 {
            assert!(end(&mut rules, stop, reason).is_empty(), "{reason:?}");
            let again = submitted(&on_bar(&mut rules, n, 102.5));
            let expected = (stop.kind, stop.qty, stop.side, Purpose::StopLoss);
            assert_eq!(again.len(), 1, "{reason:?}");
            stop = again[0];
            assert_eq!((stop.kind, stop.qty, stop.side, stop.purpose), expected, "{reason:?}");
            assert!(stop.reduce_only);
        }
        assert!(on_bar(&mut rules, 6, 102.5).is_empty(), "it stands");
    }
}

#[test]
fn a_refused_stop_that_the_price_has_passed_becomes_an_exit() {
    for reason in REFUSALS {
        let (mut rules, stop) = stopped();
        end(&mut rules, stop, reason);
        let exit = submitted(&ask(&mut rules, Event::Quote(&crate::test_market::quote(9, 101.0, 0.01))));
        assert_eq!((exit.len(), exit[0].purpose, exit[0].qty), (1, Purpose::Exit, stop.qty), "{reason:?}");
        assert!(on_bar(&mut rules, 3, 100.9).is_empty(), "one exit at a time");
        assert!(end(&mut rules, exit[0], CancelReason::RateLimited).is_empty());
        let again = submitted(&on_bar(&mut rules, 4, 100.9));
        assert_eq!((again.len(), again[0].purpose), (1, Purpose::Exit));
        assert_eq!(fill(&mut rules, again[0], 100.9), [Action::CancelAll(SymbolId(0))]);
        assert!(on_bar(&mut rules, 5, 100.9).is_empty());
    }
}

#[test]
fn a_position_leaves_by_its_rule_or_when_it_is_overdue() {
    for (max_hold, close) in [(0.0, 90.0), (1.0, 102.0)] {
        let mut rules = following(&candles(""), RulesParams { max_hold, ..RulesParams::default() });
        let entry = entered(&mut rules);
        fill(&mut rules, entry, 102.0);
        let exit = submitted(&on_bar(&mut rules, 3, close))[0];
        assert_eq!((exit.side, exit.qty, exit.purpose, exit.reduce_only), (Side::Sell, entry.qty, Purpose::Exit, true));
        assert!(on_bar(&mut rules, 4, 80.0).is_empty(), "one order at a time");
        let ended = OrderUpdate { order: exit, reason: CancelReason::Refused };
        ask(&mut rules, Event::OrderUpdate(&ended));
        assert_eq!(submitted(&on_bar(&mut rules, 5, 70.0)).len(), 1, "asked again");
    }
}

#[test]
fn sizing_scales_the_budget_and_says_why_not() {
    let check = |sizing: &str, expected: Result<f64, &str>| {
        let mut rules = following(&candles(&format!(r#","sizing":{sizing}"#)), RulesParams::default());
        (0..2).for_each(|n| drop(on_bar(&mut rules, n, 100.0)));
        match on_bar(&mut rules, 2, 125.0)[0] {
            Action::Submit(order) => assert_eq!(Ok(order.qty.to_f64()), expected, "{sizing}"),
            Action::Skip(view) => assert_eq!(Err(view.skipped), expected, "{sizing}"),
            other => panic!("{other:?}"),
        }
    };
    check(r#"{"number":1.0}"#, Ok(8.0));
    check(r#"{"number":0.25}"#, Ok(2.0));
    check(r#"{"number":1.25}"#, Err("sizing_out_of_range"));
    check(r#"{"rsi":{"window":14}}"#, Err("sizing_unknown"));
    check(r#"{"number":0.0}"#, Err("size_below_one_lot"));
}

#[test]
fn a_division_by_zero_makes_its_rule_false_even_under_not() {
    let flat = r#"{"divide":[{"number":1.0},{"return":{"bars":1}}]}"#;
    let text = format!(
        r#"{{"name":"t","exit_long":{{"above":["open","close"]}},
        "entry_long":{{"not":{{"above":[{flat},{{"number":0.0}}]}}}}}}"#
    );
    let mut rules = following(&text, RulesParams::default());
    for n in 0..10 {
        assert!(on_bar(&mut rules, n, 100.0).is_empty());
    }
    assert_eq!(submitted(&on_bar(&mut rules, 10, 99.0)).len(), 1, "it falls: the quotient is known and below zero");
}

#[test]
fn stale_data_open_nothing() {
    let mut rules = following(&candles(""), RulesParams::default());
    (0..2).for_each(|n| drop(on_bar(&mut rules, n, 100.0)));
    let news = |is_stale| Staleness { symbol: SymbolId(0), at: Ts(0), is_stale };
    ask(&mut rules, Event::Staleness(&news(true)));
    assert!(matches!(on_bar(&mut rules, 2, 102.0)[..], [Action::Skip(view)] if view.skipped == "stale_data"));
    ask(&mut rules, Event::Staleness(&news(false)));
    assert_eq!(submitted(&on_bar(&mut rules, 3, 104.0)).len(), 1);
}

#[test]
fn a_position_ages_with_the_bars_that_were_missed() {
    let params = RulesParams { max_hold: 3.0, ..RulesParams::default() };
    let mut rules = following(&candles(""), params);
    let entry = entered(&mut rules);
    fill(&mut rules, entry, 102.0);
    (3..5).for_each(|n| rules.observe(&bar(n, 102.0)));
    let exit = submitted(&on_bar(&mut rules, 5, 102.0));
    assert_eq!(exit.iter().map(|order| order.purpose).collect::<Vec<_>>(), [Purpose::Exit], "the third bar held");
}

#[test]
fn what_is_restored_goes_on_as_what_was_saved() {
    let mut first = following(&candles(r#","stop":{"atr":{"window":3}}"#), RulesParams::default());
    (0..5).for_each(|n| first.observe(&bar(n, 100.0)));
    let mut second = following(SMA_CROSS, RulesParams::default());
    second.restore(&first.save().unwrap()).unwrap();
    for (n, close) in [102.0, 99.0, 104.0].into_iter().enumerate() {
        assert_eq!(on_bar(&mut first, 5 + n as i64, close), on_bar(&mut second, 5 + n as i64, close));
    }
}

/// Plays what was accepted, fills every second order and refuses the others.
fn play(rules: &RuleSet, seed: u64) {
    let params = RulesParams { target: 2.0, max_hold: 40.0, ..RulesParams::default() };
    let mut strategy = Rules::new(params, &Market { rules: Some(rules.clone()), ..market(10_000.0) });
    for (n, bar) in walk(seed, 10_000).iter().enumerate() {
        for order in submitted(&ask(&mut strategy, Event::Bar(bar))) {
            assert!(order.qty > Qty::ZERO && order.named_price().is_none_or(|p| p > Price::ZERO));
            if n % 2 == 0 {
                fill(&mut strategy, order, bar.close.to_f64());
            } else {
                ask(&mut strategy, Event::OrderUpdate(&OrderUpdate { order, reason: CancelReason::Refused }));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_accepted_runs_ten_thousand_bars(rules in rule_sets(3), seed in any::<u64>()) {
        let text = rules.canonical_json().unwrap();
        if let Ok(read) = RuleSet::parse(&text) {
            prop_assert_eq!(&read, &rules);
            play(&read, seed);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Bytes of a good text are changed, dropped or repeated: it is refused, or it runs.
    #[test]
    fn a_damaged_text_is_refused_or_runs(
        changes in proptest::collection::vec((any::<u16>(), any::<u8>(), 0_u8..3), 1..4)
    ) {
        let mut text = candles(r#","stop":{"atr":{"window":14}},"sizing":{"number":0.5}"#).into_bytes();
        for (at, byte, how) in changes {
            let at = usize::from(at) % text.len();
            match how {
                0 => text[at] = b"0123456789\"{}[],:"[usize::from(byte) % 17],
                1 => drop(text.remove(at)),
                _ => text.insert(at, text[at]),
            }
        }
        if let Ok(rules) = RuleSet::parse(&String::from_utf8_lossy(&text)) {
            play(&rules, 3);
        }
    }
}

#[test]
fn another_capital_changes_the_next_entry() {
    let rules = |capital| {
        let rules = Some(RuleSet::parse(&candles("")).unwrap());
        Rules::new(RulesParams::default(), &Market { rules, ..market(capital) })
    };
    crate::test_market::asked_on_a_quarter(rules, |rules| {
        (0..2).for_each(|n| assert!(on_bar(rules, n, 100.0).is_empty()));
        on_bar(rules, 2, 102.0)
    });
}

#[test]
fn another_rule_set_begins_as_one_that_saw_the_same_bars_and_keeps_the_position() {
    let bars = walk(11, 300);
    let mut changed = following(&candles(""), RulesParams::default());
    changed.set_rules(&RuleSet::parse(SMA_CROSS).unwrap(), &bars).unwrap();
    let mut built = following(SMA_CROSS, RulesParams::default());
    bars.iter().for_each(|bar| built.observe(bar));
    let rest: Vec<Bar> = walk(12, 300);
    for bar in &rest {
        assert_eq!(ask(&mut changed, Event::Bar(bar)), ask(&mut built, Event::Bar(bar)));
    }
}

#[test]
fn an_order_under_way_at_the_change_is_followed_by_its_exit() {
    let mut rules = following(&candles(""), RulesParams::default());
    let entry = entered(&mut rules);
    rules.set_rules(&RuleSet::parse(SMA_CROSS).unwrap(), &[]).unwrap();
    fill(&mut rules, entry, 102.0);
    let exit = submitted(&on_bar(&mut rules, 3, 102.0))[0];
    assert!(exit.reduce_only && exit.purpose == Purpose::Exit);
    fill(&mut rules, exit, 102.0);
    // Cold indicators ask for nothing, and nothing is inherited any more.
    assert!(on_bar(&mut rules, 4, 102.0).is_empty());
    assert!(!rules.symbols[0].as_ref().unwrap().is_inherited);
}

#[test]
fn an_order_that_advice_made_smaller_is_done_when_all_of_it_is_filled() {
    let mut rules = following(&candles(""), RulesParams::default());
    let entry = entered(&mut rules);
    let half = OrderRequest { qty: Qty(entry.qty.0 / 2), ..entry };
    fill(&mut rules, half, 102.0);
    let exit = submitted(&on_bar(&mut rules, 3, 90.0))[0];
    assert_eq!((exit.purpose, exit.qty), (Purpose::Exit, half.qty));
}
