use super::*;
use crate::LiveRecorder;
use crate::test_world::{advice, bar, core_with, instance, usd};
use model::config::AdvicePolicy;
use model::message::{AdviceAnswer, Command, CommandAction, Message};
use model::{Action, Algorithm, Mode, Price, Qty, Side, SymbolId, VenueModel};

const MINUTE: i64 = 60_000_000_000;

fn world(policy: Option<AdvicePolicy>) -> Core<LiveRecorder> {
    let mut core = core_with(&[instance("s-1", "sma_cross", Mode::Live)], policy, VenueModel::Bars);
    // The strategy itself works no orders here; the desk must see the market all the same.
    core.works_orders = true;
    core.on_bar(&bar(0, 100.0, 100.0)).unwrap();
    core
}

fn twap(size: f64, slices: u16) -> Action {
    let (qty, price) = (Qty::from_f64(size).unwrap(), Price::from_f64(100.0).unwrap());
    let order = OrderRequest { strength: 0.5, ..OrderRequest::market(SymbolId(0), Side::Buy, qty, price) };
    let horizon_ns = i64::from(slices) * MINUTE;
    Action::Execute(ParentOrder { order, algorithm: Algorithm::Twap { slices }, horizon_ns, limit: None })
}

fn play(core: &mut Core<LiveRecorder>, bars: std::ops::Range<i64>) {
    for n in bars {
        core.on_bar(&bar(n, 100.0, 100.0)).unwrap();
    }
}

fn position(core: &Core<LiveRecorder>) -> Qty {
    core.marks(core.now())[0].positions["AAA"]
}

fn is_idle(core: &Core<LiveRecorder>) -> bool {
    core.parents.parents().next().is_none()
}

#[test]
fn a_parent_fills_in_children_and_is_one_signal() {
    let mut core = world(None);
    core.act_on(0, &[twap(1.0, 4)], core.now());
    core.settle_all(core.now()).unwrap();
    play(&mut core, 1..3);
    let part = position(&core);
    assert!(part > Qty::ZERO && part < Qty::from_f64(1.0).unwrap(), "{part}");
    play(&mut core, 3..12);
    assert_eq!(position(&core), Qty::from_f64(1.0).unwrap());
    let taken = core.drain_outbox().iter().filter(|m| matches!(m, Message::SignalEvent(_))).count();
    assert_eq!((taken, core.n_resting()), (1, 0));
}

#[test]
fn the_advisor_sees_the_whole_and_may_shrink_it() {
    let mut core = world(Some(AdvicePolicy { min_notional_krw: 1.0, ..advice() }));
    core.act_on(0, &[twap(2.0, 4)], core.now());
    let told = core.drain_outbox();
    let [Message::AdviceRequest(request)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(request.notional, usd(200.0));
    let answer =
        AdviceAnswer { advice_id: request.advice_id.clone(), approve: true, size_factor: 0.5, reason: "half".into() };
    assert!(core.answer_advice(&answer).unwrap());
    play(&mut core, 1..12);
    assert_eq!(position(&core), Qty::from_f64(1.0).unwrap());
    assert!(
        !core.drain_outbox().iter().any(|m| matches!(m, Message::AdviceRequest(_))),
        "children are not asked about"
    );
}

#[test]
fn a_halt_ends_what_is_being_worked() {
    let mut core = world(None);
    core.act_on(0, &[twap(1.0, 8)], core.now());
    core.settle_all(core.now()).unwrap();
    play(&mut core, 1..3);
    let halt =
        Command { command_id: "c-1".into(), action: CommandAction::Halt, by: "ann".into(), reason: "enough".into() };
    core.command(&halt, core.now()).unwrap();
    let held = position(&core);
    play(&mut core, 3..20);
    assert_eq!((position(&core), core.n_resting(), is_idle(&core)), (held, 0, true));
}

#[test]
fn a_child_that_the_gate_refuses_ends_its_parent_after_a_few_tries() {
    let mut core = world(None);
    core.act_on(0, &[twap(1_000.0, 2)], core.now());
    core.settle_all(core.now()).unwrap();
    play(&mut core, 1..20);
    assert_eq!((position(&core), is_idle(&core)), (Qty::ZERO, true));
}

#[test]
fn a_stopped_execution_keeps_what_it_has() {
    let mut core = world(None);
    core.act_on(0, &[twap(1.0, 8)], core.now());
    core.settle_all(core.now()).unwrap();
    play(&mut core, 1..3);
    let held = position(&core);
    core.act_on(0, &[Action::StopExecution(OrderId(0))], core.now());
    core.settle_all(core.now()).unwrap();
    play(&mut core, 3..20);
    assert_eq!((position(&core), is_idle(&core)), (held, true));
}
