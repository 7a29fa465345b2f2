use crate::test_world::{after_burst_limited, bar, core_limited, instance, limits, usd};
use crate::{Core, LiveRecorder};
use model::message::{Command, CommandAction, Message, StateChanged};
use model::{Mode, Qty, RiskLimits, TradingState, Ts, VenueModel};

/// A momentum core that holds a long position of 10 % of its 10,000 since bar 21; its own stop is near 106.6.
fn long(limits: RiskLimits) -> Core<LiveRecorder> {
    let mut core = after_burst_limited(limits);
    core.on_bar(&bar(21, 110.0, 110.0)).unwrap();
    assert!(position(&core) > Qty::ZERO);
    core.drain_outbox();
    core
}

fn position(core: &Core<LiveRecorder>) -> Qty {
    core.marks(core.now())[0].positions["AAA"]
}

fn states(messages: &[Message]) -> Vec<&StateChanged> {
    messages.iter().filter_map(|m| if let Message::StateChanged(s) = m { Some(s) } else { None }).collect()
}

#[test]
fn a_daily_loss_first_reduces_and_then_halts_and_says_what_releases_it() {
    let mut core = long(RiskLimits { max_daily_loss: Some(usd(25.0)), ..limits() });
    core.on_bar(&bar(22, 110.0, 107.5)).unwrap();
    let told = core.drain_outbox();
    assert_eq!(states(&told).iter().map(|s| s.state).collect::<Vec<_>>(), [TradingState::Reducing]);
    core.on_bar(&bar(23, 107.5, 107.1)).unwrap();
    let told = core.drain_outbox();
    let halted = states(&told)[0];
    assert_eq!((halted.state, halted.by.as_str()), (TradingState::Halted, "risk"));
    assert!(halted.reason.contains("the limit is 25") && halted.reason.contains("released by"), "{}", halted.reason);
}

#[test]
fn a_halt_by_loss_closes_the_position_where_that_is_configured_and_keeps_it_where_not() {
    for flatten_on_halt in [true, false] {
        let mut core = long(RiskLimits { max_daily_loss: Some(usd(20.0)), flatten_on_halt, ..limits() });
        core.on_bar(&bar(22, 110.0, 107.5)).unwrap();
        core.on_bar(&bar(23, 107.5, 107.4)).unwrap();
        core.on_bar(&bar(24, 107.4, 107.4)).unwrap();
        assert_eq!(position(&core) == Qty::ZERO, flatten_on_halt);
    }
}

#[test]
fn a_venue_that_disagrees_halts_until_it_agrees_or_a_person_accepts() {
    let mut core = long(limits());
    core.reconciled(Some("reconciliation: no_answer: timeout"), Ts(7));
    assert_eq!(core.gate.state(), TradingState::Halted);
    core.reconciled(None, Ts(8));
    assert_eq!(core.gate.state(), TradingState::Active);
    core.reconciled(Some("reconciliation: order_missing: 3"), Ts(9));
    let accept = Command {
        command_id: "c".into(),
        action: CommandAction::Resume,
        by: "kim".into(),
        reason: "known at the venue".into(),
    };
    assert_eq!(core.command(&accept, Ts(10)).unwrap().state, TradingState::Active);
    let told = core.drain_outbox();
    let told: Vec<_> = states(&told).into_iter().map(|s| (s.state, s.by.as_str())).collect();
    let (halted, active) = (TradingState::Halted, TradingState::Active);
    let machine = "reconciliation";
    assert_eq!(told, [(halted, machine), (active, machine), (halted, machine), (active, "kim")]);
}

#[test]
fn a_limit_reached_while_the_venue_disagrees_cancels_closes_and_is_said() {
    let mut core = long(RiskLimits { max_daily_loss: Some(usd(20.0)), flatten_on_halt: true, ..limits() });
    assert_eq!(core.n_resting(), 2, "a stop and a target");
    core.reconciled(Some("reconciliation: position_differs: AAA"), Ts(7));
    core.drain_outbox();
    core.on_bar(&bar(22, 110.0, 107.5)).unwrap();
    assert_eq!(core.n_resting(), 1, "what closes the position");
    let told = core.drain_outbox();
    let [halted] = states(&told)[..] else { panic!("{told:?}") };
    assert_eq!((halted.state, halted.by.as_str()), (TradingState::Halted, "risk"));
    let says = |words| halted.reason.contains(words);
    assert!(says("the limit is 20") && says("measures losses anew"), "{}", halted.reason);
    core.on_bar(&bar(23, 107.5, 107.5)).unwrap();
    assert_eq!(position(&core), Qty::ZERO);
    core.reconciled(None, Ts(9));
    assert_eq!(core.gate.state(), TradingState::Halted, "agreement releases no loss limit");
}

#[test]
fn cancels_use_up_the_messages_that_quotes_need() {
    let limits = RiskLimits { max_messages_per_s: Some(4), ..limits() };
    let mut core = core_limited(&[instance("mm", "market_making", Mode::Live)], None, VenueModel::Bars, limits);
    core.on_bar(&bar(0, 100.0, 100.0)).unwrap();
    assert_eq!((core.gate.counts().approved, core.gate.counts().cancels), (4, 0), "four orders in this second");
    core.on_bar(&bar(1, 100.0, 101.0)).unwrap();
    let counts = core.gate.counts();
    assert!(counts.cancels > 0);
    assert_eq!(counts.approved, 8 - counts.cancels, "and in this one only what the cancels leave");
}
