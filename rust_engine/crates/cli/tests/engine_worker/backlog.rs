//! A long time without a worker: what it must hear waits on disk, whatever happens to the engine, and memory does not grow.

use super::Worker;
use crate::engine_process::{Home, config, instance, until, write_walk};
use serde_json::{Value, json};

/// 2025.
const BEGIN_NS: i64 = 1_735_689_600_000_000_000;
const N_BARS: i64 = 700;
/// Three hundred marks a bar.
const MARK_EVERY_MS: u64 = 200;
const N_MESSAGES: u64 = 200_000;
/// What waits in memory at most, in the session and in the run.
const MOST_IN_MEMORY: u64 = 2048 + 1024;
/// As many messages as this, kept as values, take several times that.
const MOST_GROWTH_KIB: u64 = 24 * 1024;

fn home(worker: &Worker) -> Home {
    let url = worker.url();
    Home::new(|folder| {
        let feed = folder.join("bars.npy");
        write_walk(&feed, BEGIN_NS, N_BARS);
        let params = json!({ "fast": 5.0, "slow": 20.0, "size": 0.02 });
        let instances = json!([instance("sma-1", "sma_cross", "bars", params)]);
        let changes = json!({
            "feed": feed.display().to_string(), "trade_from_ns": BEGIN_NS, "bridge_url": url,
            "mark_interval_ms": MARK_EVERY_MS, "state": { "snapshot_every_s": 5_000 },
        });
        config(folder, instances, changes)
    })
}

/// Resident memory of a process in KiB.
fn resident_kib(status: &Value) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", status["pid"])).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn sent(status: &Value) -> u64 {
    status["sent_seq"].as_u64().unwrap()
}

/// Waits until so many messages were made; gives the status then.
fn made(home: &Home, n: u64) -> Value {
    until("messages", || Some(home.status()).filter(|status| sent(status) >= n))
}

fn check_memory(status: &Value) {
    let in_memory = status["bridge"]["waiting_in_memory"].as_u64().unwrap();
    assert!(in_memory <= MOST_IN_MEMORY, "{in_memory} messages wait in memory");
}

#[test]
fn what_was_said_for_days_without_a_worker_is_heard_once_and_in_order() {
    let mut worker = Worker::listen();
    let mut home = home(&worker);
    home.start();
    let early = made(&home, 10_000);
    check_memory(&early);
    let before = resident_kib(&early);
    made(&home, 60_000);
    home.kill();

    home.start();
    let late = until("end of the feed", || Some(home.status()).filter(|status| status["feed_ended"] == json!(true)));
    let n = sent(&late);
    assert!(n >= N_MESSAGES, "{n} messages");
    assert_eq!(late["bridge"]["waiting"], json!(n));
    check_memory(&late);
    let after = resident_kib(&late);
    eprintln!("{n} messages without a worker; resident {before} KiB after {}, {after} KiB at the end", sent(&early));
    home.kill();
    home.replayed();

    home.start();
    worker.take_link();
    worker.talk_until(|w| w.heard.len() >= 50_000);
    home.kill();
    home.start();
    worker.take_link();
    worker.talk_until(|w| w.heard.len() as u64 >= n);
    let status = until("acknowledgement", || Some(home.status()).filter(|status| status["acked_seq"] == json!(n)));
    assert_eq!(status["bridge"]["waiting"], json!(0));
    check_memory(&status);
    home.stop();
    assert!(worker.heard.iter().zip(1..).all(|((seq, _), n)| *seq == n), "a number is missing or came twice");
    let heard: Vec<_> = worker.heard.into_iter().map(|(_, message)| message).collect();
    assert!(heard == home.said(), "something else was said");
    assert!(after < before.max(1) + MOST_GROWTH_KIB, "resident memory grew from {before} to {after} KiB");
}
