//! What the worker sends again acts once: after `kill -9` between the journal and the acknowledgement, and on a link that held.

use super::{Worker, now_ns};
use crate::engine_process::{Home, config, instance, until, write_walk};
use model::message::{Message, Prediction, Recommendation};
use serde_json::{Value, json};

const SECOND_NS: i64 = 1_000_000_000;
/// 2025.
const BEGIN_NS: i64 = 1_735_689_600_000_000_000;

fn prediction(id: &str) -> Message {
    let at_ns = now_ns();
    Message::Prediction(Prediction {
        prediction_id: id.to_owned(),
        at_ns,
        symbol: "BTCUSDT".to_owned(),
        direction: 0.9,
        confidence: 0.9,
        expected_move_bps: 50.0,
        horizon_ms: 600_000,
        expected_volatility_bps: Some(30.0),
        regime: None,
        recommended_strategy: Recommendation::Immediate,
        strategy_params: Default::default(),
        expires_at_ns: at_ns + 30 * SECOND_NS,
        model: "m".to_owned(),
        model_sha256: String::new(),
        feature_schema: String::new(),
        reasons: Vec::new(),
    })
}

fn home(worker: &Worker) -> Home {
    let url = worker.url();
    Home::new(|folder| {
        let feed = folder.join("bars.npy");
        write_walk(&feed, BEGIN_NS, 200);
        let instances = json!([instance("predictive-1", "predictive", "bars", json!({}))]);
        let feed = feed.display().to_string();
        config(folder, instances, json!({ "feed": feed, "trade_from_ns": BEGIN_NS, "bridge_url": url }))
    })
}

/// How often the journal took the prediction, and how often it refused it.
fn taken_and_refused(home: &Home) -> (usize, usize) {
    let journal = home.journal();
    let records: Vec<Value> = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str, word: &str| {
        records.iter().filter(|r| r["kind"] == kind && r["body"].as_str().unwrap().contains(word)).count()
    };
    (of("prediction", "p-1"), of("ignored", "p-1 was taken before"))
}

/// Orders that the worker heard of: signals of the strategy, and words on the prediction.
fn effects(worker: &Worker) -> (usize, usize) {
    let count = |kind: &str| worker.heard.iter().filter(|(_, m)| m.kind() == kind).count();
    (count("signal_event"), count("performance_feedback"))
}

#[test]
fn a_prediction_on_disk_but_not_acknowledged_before_a_kill_acts_once() {
    let mut worker = Worker::listen();
    let mut home = home(&worker);
    home.start();
    worker.take_link();
    until("end of the feed", || home.status()["feed_ended"].as_bool().filter(|ended| *ended));
    worker.talk_until(|w| w.session().signals_out().acked == 0 && !w.heard.is_empty());

    let now = bridge::Now { at_ns: now_ns(), shared_ns: None };
    let signal = prediction("p-1");
    worker.session().offer(signal.clone(), now).unwrap();
    worker.say();
    // From here on the worker hears nothing: the acknowledgement is lost with the process that sent it.
    until("the prediction on disk", || (taken_and_refused(&home) == (1, 0)).then_some(()));
    home.kill();
    let acted = home.replayed()["actions_sha256"].clone();

    home.start();
    worker.take_link();
    worker.talk_until(|w| w.session().signals_out().acked == 1 && w.session().signals_out().held == 0);
    let status = home.status();
    assert_eq!(status["bridge"]["counts"]["signals_repeated"], json!(1), "{status}");
    assert_eq!(status["actions_sha256"], acted, "what it caused before the kill is all that it caused");

    // The same id under a number of its own, on a link that holds.
    worker.session().offer(signal, now).unwrap();
    worker.talk_until(|w| w.session().signals_out().acked == 2);
    let standing = home.stop();
    assert_eq!(standing["bridge"]["counts"]["signals_repeated"], json!(2));
    assert_eq!(standing["actions_sha256"], acted);
    assert_eq!(taken_and_refused(&home), (1, 2));
    home.start();
    worker.take_link();
    let sent = home.status()["sent_seq"].as_u64().unwrap();
    worker.talk_until(|w| w.heard.len() as u64 == sent);
    assert_eq!(effects(&worker), (1, 0), "one order, and no word on a second");
    let numbers: Vec<u64> = worker.heard.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(numbers, (1..=sent).collect::<Vec<u64>>());
    home.stop();
    assert_eq!(home.replayed()["actions_sha256"], acted);
}
