use super::*;
use crate::LiveRecorder;
use crate::test_world::{advice, after_burst, bar, core, instance};
use model::Mode;
use model::config::AdvicePolicy;
use model::message::Message;

fn outcomes(core: &mut Core<LiveRecorder>) -> Vec<String> {
    let outcome = |m: Message| if let Message::SignalEvent(s) = m { Some(s.outcome) } else { None };
    core.drain_outbox().into_iter().filter_map(outcome).collect()
}

fn answer(core: &Core<LiveRecorder>, approve: bool, size_factor: f64) -> AdviceAnswer {
    let advice_id = core.pending_advice()[0].advice_id.clone();
    AdviceAnswer { advice_id, approve, size_factor, reason: "test".into() }
}

#[test]
fn a_strong_signal_waits_and_no_bar_is_played_meanwhile() {
    let mut core = after_burst(Mode::Live, Some(advice()));
    let pending = core.pending_advice();
    assert_eq!(pending[0].advice_id, "e:m-1-a1");
    assert_eq!(pending[0].deadline, core.now().plus_ns(950_000_000));
    assert!(core.on_bar(&bar(21, 110.0, 110.0)).unwrap_err().to_string().contains("wait for advice"));
    assert!(matches!(&core.drain_outbox()[0], Message::AdviceRequest(r) if r.krw_per_quote == Some(1_400.0)));
}

#[test]
fn a_yes_releases_a_share_shrinks_and_a_no_stops() {
    let check = |approve, factor, expected: &str, position: &str| {
        let mut core = after_burst(Mode::Live, Some(advice()));
        let answer = answer(&core, approve, factor);
        assert!(core.answer_advice(&answer).unwrap());
        assert!(!core.answer_advice(&answer).unwrap(), "a repeat has no effect");
        core.on_bar(&bar(21, 110.0, 110.0)).unwrap();
        assert_eq!(core.marks(core.now())[0].positions["AAA"].to_string(), position);
        assert_eq!(outcomes(&mut core)[0], expected);
    };
    check(true, 1.0, "taken", "9.09");
    check(true, 0.5, "taken", "4.545");
    check(true, 0.0001, "advisor_veto", "0");
    check(false, 1.0, "advisor_veto", "0");
    check(true, 1.5, "advisor_invalid_size", "0");
    check(true, f64::NAN, "advisor_invalid_size", "0");
}

#[test]
fn silence_is_a_no_for_every_order_that_waits() {
    let mut core = after_burst(Mode::Canary, Some(advice()));
    assert_eq!(core.veto_advice("advisor_timeout").unwrap(), 1);
    assert_eq!(core.veto_advice("advisor_timeout").unwrap(), 0);
    assert_eq!(outcomes(&mut core), ["advisor_timeout"]);
}

#[test]
fn shadows_never_ask_and_an_old_rate_makes_every_opening_large() {
    assert!(after_burst(Mode::Shadow, Some(advice())).pending_advice().is_empty());
    let weak = AdvicePolicy { min_strength: 1.0, ..advice() };
    assert!(after_burst(Mode::Live, Some(weak.clone())).pending_advice().is_empty());
    let stale = AdvicePolicy { rate_max_age_ms: 1, ..weak.clone() };
    assert_eq!(after_burst(Mode::Live, Some(stale)).pending_advice().len(), 1);
    let unknown = AdvicePolicy { krw_per_quote: 0.0, ..weak };
    assert_eq!(after_burst(Mode::Live, Some(unknown)).pending_advice().len(), 1);
}

fn update(core: &Core<LiveRecorder>, threshold: f64) -> ParamsUpdate {
    let state = &core.instance_states()[0];
    let mut params = state.params.clone();
    params.insert("entry_threshold".into(), threshold);
    let sha256 = StrategyParams::validate("momentum_scalping", &params).map(|p| p.sha256()).unwrap_or_default();
    ParamsUpdate {
        deployment_id: format!("d-{threshold}"),
        rules: None,
        instance_id: "m-1".into(),
        base_version: state.params_version,
        base_sha256: state.params_sha256.clone(),
        version: state.params_version + 1,
        params,
        params_sha256: sha256,
        capital_share: 1.0,
        origin: "p-1".into(),
        issued_at_ns: 0,
        expires_at_ns: i64::MAX,
    }
}

#[test]
fn an_update_is_applied_once_and_a_replay_is_answered_again() {
    let mut core = core(&[instance("m-1", "momentum_scalping", Mode::Live)], None);
    let update = update(&core, 1.8);
    let ack = core.apply_params(&update, Ts(5)).unwrap();
    assert!(ack.applied && ack.version == 2 && ack.params_sha256 == update.params_sha256, "{ack:?}");
    assert_eq!(core.apply_params(&update, Ts(5)).unwrap(), ack);
    assert_eq!(core.instance_states()[0].params_version, 2);
    assert_eq!(core.instance_states()[0].params["entry_threshold"], 1.8);
}

#[test]
fn an_update_that_breaks_a_rule_is_refused_and_changes_nothing() {
    let mut core = core(&[instance("m-1", "momentum_scalping", Mode::Live)], None);
    let good = update(&core, 1.8);
    let before = core.instance_states();
    let mut check = |update: ParamsUpdate, expected: &str| {
        let ack = core.apply_params(&update, Ts(5)).unwrap();
        assert!(!ack.applied && ack.reason.contains(expected), "{ack:?}");
        assert_eq!(core.instance_states(), before);
    };
    check(ParamsUpdate { instance_id: "x".into(), ..good.clone() }, "no instance 'x'; running: m-1");
    check(ParamsUpdate { base_version: 7, ..good.clone() }, "base is version 7");
    check(ParamsUpdate { base_sha256: "ff".into(), ..good.clone() }, "running is version 1");
    check(ParamsUpdate { version: 1, ..good.clone() }, "not above base");
    check(ParamsUpdate { expires_at_ns: 5, ..good.clone() }, "expired at 5 ns");
    check(ParamsUpdate { params_sha256: "00".into(), ..good.clone() }, "parameters hash to");
    let mut wild = good;
    wild.params.insert("entry_threshold".into(), 99.0);
    check(wild, "outside 0.2 to 6");
}

#[test]
fn a_position_keeps_its_stop_through_an_update() {
    let mut core = after_burst(Mode::Live, None);
    core.on_bar(&bar(21, 110.0, 110.0)).unwrap();
    assert_eq!(core.n_resting(), 2);
    core.apply_params(&update(&core, 1.8), Ts(5)).unwrap();
    assert_eq!(core.n_resting(), 2);
    core.on_bar(&bar(22, 110.0, 80.0)).unwrap();
    assert_eq!(core.marks(core.now())[0].positions["AAA"], Qty::ZERO);
    let trade =
        core.drain_outbox().into_iter().find_map(|m| if let Message::TradeEvent(t) = m { Some(t) } else { None });
    assert_eq!(trade.map(|t| t.params_version), Some(1), "the entry was decided by version 1");
}

fn command(core: &mut Core<LiveRecorder>, id: &str, action: CommandAction) -> CommandAck {
    let command = Command { command_id: id.into(), action, by: "ann".into(), reason: "test".into() };
    core.command(&command, Ts(9)).unwrap()
}

#[test]
fn a_halt_stops_openings_keeps_stops_and_is_latched_until_resume() {
    let mut core = after_burst(Mode::Live, None);
    core.on_bar(&bar(21, 110.0, 110.0)).unwrap();
    core.drain_outbox();
    assert_eq!(command(&mut core, "h", CommandAction::Halt).state, TradingState::Halted);
    assert_eq!(core.n_resting(), 2, "the position keeps its stop and target");
    assert_eq!(command(&mut core, "r", CommandAction::Reduce).state, TradingState::Halted);
    assert_eq!(command(&mut core, "ok", CommandAction::Resume).state, TradingState::Active);
    assert_eq!(command(&mut core, "h", CommandAction::Halt).state, TradingState::Halted, "the old answer again");
    assert_eq!(core.gate.state(), TradingState::Active, "and no second effect");
    let states: Vec<_> = core.drain_outbox();
    assert_eq!(states.len(), 2);
    assert!(matches!(&states[0], Message::StateChanged(s) if s.by == "ann" && s.reason.contains("resume")));
}

#[test]
fn no_opening_passes_while_halted_or_reducing() {
    for (action, expected) in [(CommandAction::Halt, "halted"), (CommandAction::Reduce, "reducing")] {
        let mut core = core(&[instance("m-1", "momentum_scalping", Mode::Live)], None);
        command(&mut core, "c", action);
        for n in 0..20 {
            core.on_bar(&bar(n, 100.0, 100.0)).unwrap();
        }
        core.on_bar(&bar(20, 100.0, 110.0)).unwrap();
        assert_eq!(outcomes(&mut core), [expected]);
    }
}

#[test]
fn a_halt_withdraws_what_waits_for_advice_and_what_rests() {
    let mut waiting = after_burst(Mode::Live, Some(advice()));
    command(&mut waiting, "h", CommandAction::Halt);
    assert!(waiting.pending_advice().is_empty());
    assert_eq!(outcomes(&mut waiting), ["halted"]);
    let mut quoting = core(&[instance("mm", "market_making", Mode::Live)], None);
    quoting.on_bar(&bar(0, 100.0, 100.0)).unwrap();
    assert_eq!(quoting.n_resting(), 4);
    command(&mut quoting, "r", CommandAction::Reduce);
    assert!(quoting.n_resting() == 0);
}

#[test]
fn flatten_closes_everything_at_the_next_open() {
    let mut core = after_burst(Mode::Live, None);
    core.on_bar(&bar(21, 110.0, 110.0)).unwrap();
    command(&mut core, "f", CommandAction::Flatten);
    command(&mut core, "f-again", CommandAction::Flatten);
    core.on_bar(&bar(22, 111.0, 111.0)).unwrap();
    assert_eq!(core.marks(core.now())[0].positions["AAA"], Qty::ZERO);
    assert_eq!(core.gate.state(), TradingState::Halted);
    assert!(core.n_resting() == 0);
}

#[test]
fn a_rate_that_is_none_is_refused() {
    let mut core = core(&[instance("m-1", "momentum_scalping", Mode::Live)], Some(advice()));
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(core.update_rate(&RateUpdate { krw_per_quote: bad, observed_at_ns: 0 }).is_err());
    }
}
