use crate::input::{Input, Veto};
use crate::run::Run;
use crate::run::tests::config;
use model::Ts;
use model::config::Pace;
use model::message::Prediction;
use std::collections::BTreeMap;

fn prediction(id: &str) -> Input {
    Input::Prediction(Prediction {
        prediction_id: id.to_owned(),
        at_ns: 0,
        symbol: "BTCUSDT".to_owned(),
        direction: 0.5,
        confidence: 0.6,
        expected_move_bps: 1.0,
        horizon_ms: 60_000,
        expected_volatility_bps: None,
        regime: None,
        recommended_strategy: Default::default(),
        strategy_params: BTreeMap::new(),
        expires_at_ns: i64::MAX,
        model: "m".to_owned(),
        model_sha256: String::new(),
        feature_schema: String::new(),
        reasons: Vec::new(),
    })
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
