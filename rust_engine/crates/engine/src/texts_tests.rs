use crate::test_world::{core, instance, prediction};
use crate::{Core, LiveRecorder};
use model::message::{Command, CommandAction, Message, ParamsUpdate};
use model::{Mode, TradingState, Ts};

fn world() -> Core<LiveRecorder> {
    core(&[instance("m-1", "momentum_scalping", Mode::Live)], None)
}

fn command(action: CommandAction, id: &str, by: &str, reason: &str) -> Command {
    Command { command_id: id.into(), action, by: by.into(), reason: reason.into() }
}

/// Two mebibytes of a character of three bytes.
fn novel() -> String {
    "길".repeat(700_000)
}

#[test]
fn a_stop_acts_however_long_its_words_are_and_keeps_the_beginning_of_them() {
    for (action, expected) in [
        (CommandAction::Halt, TradingState::Halted),
        (CommandAction::Reduce, TradingState::Reducing),
        (CommandAction::Flatten, TradingState::Halted),
    ] {
        let mut core = world();
        let ack = core.command(&command(action, "c", &novel(), &novel()), Ts(9)).unwrap();
        assert_eq!(ack.state, expected);
        assert_eq!((ack.by, ack.reason), ("길".repeat(100), "길".repeat(500)));
        let told = core.drain_outbox();
        let [Message::StateChanged(changed)] = &told[..] else { panic!("{told:?}") };
        assert!(changed.reason.starts_with(&"길".repeat(500)) && changed.reason.contains("released by"));
        assert!(changed.by.chars().count() == 100 && changed.reason.chars().count() < 1_000);
    }
}

#[test]
fn a_resume_whose_words_are_too_long_is_refused_with_few_words_and_trades_nothing() {
    let check = |id: &str, by: &str, reason: &str, expected: &str| {
        let mut core = world();
        core.command(&command(CommandAction::Halt, "h", "ann", "why"), Ts(8)).unwrap();
        let ack = core.command(&command(CommandAction::Resume, id, by, reason), Ts(9)).unwrap();
        assert_eq!(ack.state, TradingState::Halted);
        assert_eq!(ack.reason, expected);
        assert!(ack.command_id.len() <= 200 && ack.by.chars().count() <= 100);
    };
    check("c", "ann", &"r".repeat(501), "'reason' has 501 characters, at most 500 are kept; shorten it");
    check("c", &novel(), "why", "'by' has 700000 characters, at most 100 are kept; shorten it");
    check(&"c".repeat(201), "ann", "why", "'command_id' has 201 characters, at most 200 are kept; shorten it");
    let mut core = world();
    core.command(&command(CommandAction::Halt, "h", "ann", "why"), Ts(8)).unwrap();
    let longest = command(CommandAction::Resume, &"c".repeat(200), &"길".repeat(100), &"길".repeat(500));
    assert_eq!(core.command(&longest, Ts(9)).unwrap().state, TradingState::Active);
}

#[test]
fn two_stops_under_ids_that_only_end_differently_both_act_and_a_repeat_does_not() {
    let mut core = world();
    let id = |end: &str| novel() + end;
    core.command(&command(CommandAction::Halt, &id("1"), "ann", "why"), Ts(7)).unwrap();
    core.command(&command(CommandAction::Resume, "r", "ann", "why"), Ts(8)).unwrap();
    let again = core.command(&command(CommandAction::Halt, &id("1"), "ann", "why"), Ts(9)).unwrap();
    assert_eq!((again.at_ns, core.gate.state()), (7, TradingState::Active));
    let other = core.command(&command(CommandAction::Halt, &id("2"), "ann", "why"), Ts(9)).unwrap();
    assert_eq!((other.at_ns, core.gate.state()), (9, TradingState::Halted));
}

#[test]
fn an_update_is_answered_in_few_words_whatever_it_names() {
    let mut core = world();
    let state = core.instance_states().remove(0);
    let good = ParamsUpdate {
        deployment_id: "d".into(),
        rules: None,
        instance_id: "m-1".into(),
        base_version: state.params_version,
        base_sha256: state.params_sha256.clone(),
        version: state.params_version + 1,
        params: state.params.clone(),
        params_sha256: state.params_sha256,
        capital_share: 1.0,
        origin: "o".into(),
        issued_at_ns: 0,
        expires_at_ns: i64::MAX,
    };
    let mut unknown = good.clone();
    unknown.params.insert(novel(), 1.0);
    let updates = [
        ParamsUpdate { deployment_id: novel(), ..good.clone() },
        ParamsUpdate { instance_id: novel(), ..good.clone() },
        ParamsUpdate { base_sha256: novel(), ..good.clone() },
        ParamsUpdate { params_sha256: novel(), ..good.clone() },
        unknown,
    ];
    for update in updates {
        let ack = core.apply_params(&update, Ts(5)).unwrap();
        let length: usize = [&ack.deployment_id, &ack.instance_id, &ack.reason].map(String::len).iter().sum();
        assert!(!ack.applied && length < 10_000, "{length}");
    }
    assert!(core.apply_params(&good, Ts(5)).unwrap().applied);
}

#[test]
fn a_prediction_whose_name_could_not_be_given_back_reaches_nobody() {
    let mut core = world();
    let named = |id: &str| model::message::Prediction { symbol: "AAA".into(), ..prediction(id, 1, 1_000) };
    let refused = core.on_prediction(&named(&novel()), Ts(5)).unwrap().unwrap();
    assert!(refused.contains("'prediction_id' has 700000 characters") && refused.len() < 200, "{refused}");
    assert_eq!(core.on_prediction(&named(&"p".repeat(200)), Ts(5)).unwrap(), None);
}
