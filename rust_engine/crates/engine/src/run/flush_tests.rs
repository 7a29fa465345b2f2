use crate::input::{Input, Veto};
use crate::journal;
use crate::run::tests::config;
use crate::run::{Run, replay};
use model::Ts;
use model::config::Pace;
use model::message::AdvanceTo;

fn prediction(id: &str) -> Input {
    Input::Prediction(crate::test_world::prediction(id, 0, i64::MAX))
}

fn records(dir: &std::path::Path) -> u64 {
    let (run, _) = Run::open(&config(dir, Pace::Granted)).unwrap();
    run.next_record() - 1
}

#[test]
fn signals_are_durable_once_the_other_thread_has_written_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let (mut run, _) = Run::open(&config(dir.path(), Pace::Granted)).unwrap();
    run.commit(0).unwrap();
    assert!(run.has_only_signals() && run.start_flush().unwrap().is_none());
    run.accept(None, prediction("a"), Ts(0)).unwrap();
    run.accept(None, prediction("b"), Ts(0)).unwrap();
    assert!(run.has_only_signals());
    let flush = run.start_flush().unwrap().unwrap();
    // A third comes while the other thread waits for the disk.
    run.accept(None, prediction("c"), Ts(0)).unwrap();
    assert!(std::thread::spawn(move || flush.write()).join().unwrap().unwrap().is_empty());
    drop(run);
    assert_eq!(records(dir.path()), 3);
}

#[test]
fn anything_but_a_signal_wants_a_commit_and_follows_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (mut run, _) = Run::open(&config(dir.path(), Pace::Granted)).unwrap();
    run.accept(None, prediction("a"), Ts(0)).unwrap();
    let flush = run.start_flush().unwrap().unwrap();
    run.accept(Some(1), Input::Veto(Veto::AdvisorAbsent), Ts(0)).unwrap();
    assert!(!run.has_only_signals());
    flush.write().unwrap();
    run.commit(0).unwrap();
    assert!(run.has_only_signals());
    drop(run);
    // The start, the signal, the veto: an unbroken chain.
    assert_eq!(records(dir.path()), 3);
}

fn kinds(dir: &std::path::Path) -> Vec<String> {
    journal::read(&dir.join("state")).unwrap().records.into_iter().map(|r| r.kind).collect()
}

#[test]
fn a_prediction_that_is_sent_again_after_a_restart_acts_once() {
    for snapshot_every_s in [0, 1] {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path(), Pace::Granted);
        config.state.snapshot_every_s = Some(snapshot_every_s);
        let (mut run, _) = Run::open(&config).unwrap();
        run.accept(Some(1), Input::Advance(AdvanceTo { to_ns: 21 * 3_600_000_000_000 }), Ts(0)).unwrap();
        run.advance(100).unwrap();
        assert_eq!(run.accept(None, prediction("a"), Ts(0)).unwrap(), None);
        run.commit(0).unwrap();
        let (state, records) = (run.runtime().state_sha256().unwrap(), run.next_record());
        drop(run);
        let (mut run, recovered) = Run::open(&config).unwrap();
        assert_eq!(recovered.snapshot.is_some(), snapshot_every_s > 0);
        for n in 1..3 {
            let refused = run.accept(None, prediction("a"), Ts(0)).unwrap();
            assert_eq!(refused.unwrap(), "prediction: prediction a was taken before; it acts once");
            assert_eq!((run.repeated(), run.next_record()), (n, records + n));
        }
        assert!(run.has_only_signals(), "it waits for the disk as a signal does");
        assert_eq!(run.runtime().state_sha256().unwrap(), state, "and nothing has happened");
        run.commit(0).unwrap();
        drop(run);
        assert_eq!(replay(&config).unwrap().state_sha256, state);
        assert_eq!(kinds(dir.path()).iter().filter(|kind| *kind == "prediction").count(), 1);
    }
}

#[test]
fn a_journal_in_which_a_prediction_acted_twice_replays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), Pace::Granted);
    let (mut run, _) = Run::open(&config).unwrap();
    // As it was written before repeats were refused.
    let mut lived = Vec::new();
    for _ in 0..2 {
        run.journal.append(None, 0, run.runtime.reached(), &prediction("a")).unwrap();
        run.runtime.apply(&prediction("a"), run.runtime.reached()).unwrap();
        lived.push(run.runtime.state_sha256().unwrap());
    }
    run.commit(0).unwrap();
    drop(run);
    assert_ne!(lived[0], lived[1], "both acted");
    assert_eq!(replay(&config).unwrap().state_sha256, lived[1]);
    let (mut run, _) = Run::open(&config).unwrap();
    assert!(run.accept(None, prediction("a"), Ts(0)).unwrap().is_some());
}
