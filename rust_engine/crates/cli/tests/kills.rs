//! The engine as a process, killed with `kill -9` at random points: what it finds again is what it had, and where it ends is
//! where it would have ended.

// The lint's exception for tests covers functions marked as tests, not what they share.
#![allow(clippy::unwrap_used)]

mod engine_process;
mod engine_worker;
mod exchange_process;

use engine_process::{Home, config, instance, until, write_walk};
use exchange_process::{SPOT_STREAMS, Served, capture, live_config};
use fake_exchange::Capture;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_xcrack-engine");
const N_BARS: i64 = 3_000;
/// When the walk begins: 2025.
const BEGIN_NS: i64 = 1_735_689_600_000_000_000;
/// Kills of one life.
const N_KILLS: usize = 2;
const LOOKS: usize = 20_000;

/// A run over the walk, as fast as it goes.
fn recorded_home() -> Home {
    Home::new(|folder| {
        write_walk(&folder.join("bars.npy"), BEGIN_NS, N_BARS);
        let instances = json!([
            instance("sma-1", "sma_cross", "bars", json!({ "fast": 5.0, "slow": 20.0, "size": 0.02 })),
            instance("momentum-1", "momentum_scalping", "bars", json!({})),
            instance("making-1", "market_making", "bars", json!({ "spread_threshold": 5.0 })),
        ]);
        let feed = folder.join("bars.npy").display().to_string();
        let changes = json!({ "feed": feed, "trade_from_ns": BEGIN_NS, "state": { "snapshot_every_s": 50_000 } });
        config(folder, instances, changes)
    })
}

/// What a run over the walk comes to, and how long its journal is.
fn ended(home: &mut Home) -> (Value, u64) {
    until("end of the feed", || home.status()["feed_ended"].as_bool().filter(|ended| *ended));
    let standing = home.stop();
    let replayed = home.replayed();
    assert_eq!(standing["actions_sha256"], replayed["actions_sha256"]);
    let facts = json!([standing["actions_sha256"], standing["bars"], standing["instances"]]);
    (facts, home.journal_length())
}

fn undisturbed() -> &'static (Value, u64) {
    static ENDED: OnceLock<(Value, u64)> = OnceLock::new();
    ENDED.get_or_init(|| {
        let mut home = recorded_home();
        home.start();
        let (facts, length) = ended(&mut home);
        assert_eq!(facts[1], json!(N_BARS));
        assert!(facts[2].as_array().unwrap().iter().all(|i| i["equity"] != i["capital"]), "all trade: {facts}");
        (facts, length)
    })
}

/// A run over the walk that dies on the way ends as one that did not.
fn die_on_a_recorded_market(seed: u64) {
    let (expected, length) = undisturbed();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut home = recorded_home();
    for _ in 0..N_KILLS {
        let kill_at = random.next_u64() % length;
        home.start();
        // A turn takes a millisecond or so: looking so often hits any point of it. A run whose turns were longer has a shorter
        // journal and dies at the last look.
        for _ in 0..LOOKS {
            if home.journal_length() >= kill_at {
                break;
            }
            std::thread::sleep(Duration::from_micros(random.next_u64() % 300));
        }
        home.kill();
        if home.journal_length() > 0 {
            home.replayed();
        }
    }
    home.start();
    assert_eq!(&ended(&mut home).0, expected, "seed {seed}");
}

/// A run on a live market that dies on the way finds again what it had, and its journal only ever grows.
fn die_on_a_live_market(seed: u64, capture: &Capture) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let exchange = Served::start(capture, 40.0, SPOT_STREAMS);
    let mut home = Home::new(|folder| live_config(folder, &exchange.address));
    home.start();
    home.status();
    for _ in 0..N_KILLS {
        std::thread::sleep(Duration::from_millis(random.next_u64() % 300));
        home.kill();
        let (before, journal) = (home.replayed(), home.journal());
        home.start();
        let started = until("start from what was there", || {
            let log = home.log();
            let mut starts = log.into_iter().filter(|line| line["event"] == "engine starts");
            starts.next_back().filter(|line| line["standing"]["actions_sha256"] == before["actions_sha256"])
        });
        assert_eq!(started["standing"]["bars"], before["bars"]);
        assert!(home.journal().starts_with(&journal), "seed {seed}: the journal was rewritten");
    }
    let n_before = home.status()["journal_records"].as_u64().unwrap();
    until("further records", || {
        home.status()["journal_records"].as_u64().filter(|n| *n > n_before || exchange.is_over())
    });
    let standing = home.stop();
    assert_eq!(standing["actions_sha256"], home.replayed()["actions_sha256"], "seed {seed}");
}

#[test]
fn an_engine_killed_anywhere_on_a_recorded_market_ends_as_if_it_had_not_been() {
    (0..5).for_each(die_on_a_recorded_market);
}

#[test]
fn an_engine_killed_anywhere_on_a_live_market_finds_again_what_it_had() {
    let Some(capture) = capture(60) else { return };
    (0..5).for_each(|seed| die_on_a_live_market(seed, &capture));
}

#[test]
#[ignore = "soak: a hundred lives of two kills each take minutes"]
fn an_engine_killed_in_a_hundred_lives_on_a_recorded_market_ends_as_if_it_had_not_been() {
    (5..105).for_each(die_on_a_recorded_market);
}

#[test]
#[ignore = "soak: a hundred lives of two kills each take minutes"]
fn an_engine_killed_in_a_hundred_lives_on_a_live_market_finds_again_what_it_had() {
    let Some(capture) = capture(60) else { return };
    (5..105).for_each(|seed| die_on_a_live_market(seed, &capture));
}

/// A recorded session through the real process, in paper mode on the book venue, then replayed bit for bit.
#[test]
fn a_session_is_replayed_to_the_last_bit() {
    let Some(capture) = capture(345) else { return };
    let exchange = Served::start(&capture, 60.0, SPOT_STREAMS);
    let mut home = Home::new(|folder| live_config(folder, &exchange.address));
    home.start();
    until("end of the session", || exchange.is_over().then_some(()));
    let n_market = capture.lines.iter().filter(|line| !line.stream.is_empty()).count() as u64;
    until("last message", || home.status()["feeds"][0]["frames"].as_u64().filter(|n| *n >= n_market));
    let standing = home.stop();
    let feed = &standing["feeds"][0];
    assert_eq!((&feed["malformed"], &feed["symbols"][0]["resyncs"]), (&json!(0), &json!(0)), "{feed}");
    let market = &standing["market"];
    assert!(market["received"].as_u64() > Some(0) && market["refused"] == 0, "{market}");
    let making = &standing["instances"][0];
    assert_ne!(making["equity"], making["capital"], "it has traded: {standing}");
    let replayed = home.replayed();
    assert_eq!(replayed["actions_sha256"], standing["actions_sha256"]);
    assert_eq!(replayed, home.replayed());
}
