use super::*;
use TradingState::{Active, Halted, Reducing};
use proptest::prelude::*;

fn stop(state: TradingState, reason: &str) -> Halt {
    Halt::until_resume(state, reason, "kim", Ts(0))
}

#[test]
fn a_stop_keeps_its_first_reason_until_a_stronger_one_comes() {
    let mut latch = Latch::default();
    assert!(latch.stop().is_none());
    assert!(latch.tighten(stop(Reducing, "first")));
    assert!(!latch.tighten(stop(Reducing, "second")));
    assert_eq!(latch.stop().unwrap().reason, "first");
    assert!(latch.tighten(stop(Halted, "third")));
    assert!(!latch.tighten(stop(Reducing, "fourth")));
    assert_eq!((latch.state(), latch.stop().unwrap().reason.as_str()), (Halted, "third"));
}

#[test]
fn only_a_person_resumes() {
    let mut latch = Latch::default();
    latch.tighten(stop(Halted, "enough"));
    for by in ["", "  ", "kill_file", "dead_man", "risk", "signal", "engine", "reconciliation"] {
        assert_eq!(latch.resume(by), Err(Unnamed { by: by.to_owned() }));
        assert_eq!(latch.state(), Halted);
    }
    assert_eq!(latch.resume("kim"), Ok(true));
    assert_eq!(latch.state(), Active);
    assert_eq!(latch.resume("kim"), Ok(false));
}

#[test]
fn readiness_halts_beside_the_latch_and_leaves_it_as_it_was() {
    let mut latch = Latch::default();
    latch.tighten(stop(Reducing, "careful"));
    assert!(latch.make_unready("reconciliation: no_answer: timeout", Ts(3)));
    assert_eq!(latch.state(), Halted);
    assert!(latch.stop().unwrap().reason.starts_with("reconciliation: "));
    assert!(latch.make_ready());
    assert_eq!((latch.state(), latch.stop().unwrap().reason.as_str()), (Reducing, "careful"));
    latch.make_unready("reconciliation: no_answer: timeout", Ts(3));
    assert_eq!(latch.resume("kim"), Ok(true), "an operator accepts the difference");
    assert_eq!(latch.state(), Active);
}

#[derive(Clone, Debug)]
enum Step {
    Tighten(bool),
    Unready,
    Ready,
    Resume(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<bool>().prop_map(Step::Tighten),
        Just(Step::Unready),
        Just(Step::Ready),
        prop::bool::weighted(0.3).prop_map(Step::Resume),
    ]
}

proptest! {
    #[test]
    fn what_is_latched_weakens_only_by_a_named_resume(steps in proptest::collection::vec(step(), 1..40)) {
        let mut latch = Latch::default();
        let (mut latched, mut is_ready) = (Active, true);
        for step in steps {
            match step {
                Step::Tighten(halt) => {
                    let state = if halt { Halted } else { Reducing };
                    latch.tighten(stop(state, "test"));
                    if strength(state) > strength(latched) {
                        latched = state;
                    }
                }
                Step::Unready => {
                    latch.make_unready("test", Ts(0));
                    is_ready = false;
                }
                Step::Ready => {
                    latch.make_ready();
                    is_ready = true;
                }
                Step::Resume(named) => {
                    let resumed = latch.resume(if named { "kim" } else { "dead_man" });
                    prop_assert_eq!(resumed.is_ok(), named);
                    if named {
                        (latched, is_ready) = (Active, true);
                    }
                }
            }
            prop_assert_eq!(latch.state(), if is_ready { latched } else { Halted });
            prop_assert_eq!(latch.stop().map(|s| s.state), Some(latch.state()).filter(|s| *s != Active));
        }
    }
}
