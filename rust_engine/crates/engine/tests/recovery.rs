//! Recovery of runs on live markets: with and without snapshots, after a crash at any byte, and with damage anywhere.
// The lint's exception for tests covers functions marked as tests, not what they share.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod copied;
mod live_world;
mod state_dir;

use copied::copy_dir;
use engine::market_log::MARKET_DIR;
use engine::run::{replay, verify};
use engine::spool::SPOOL_DIR;
use engine::{Recovered, Run, journal, snapshot};
use live_world::{CANDLE, Random, config, is_missed, play};
use model::config::{EngineConfig, Retain};
use model::message::Message;
use model::{Driver, Purpose, VenueModel};
use state_dir::{cut, lengths, waiting};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const TURNS: i64 = 160;
const NO_SNAPSHOTS: u64 = 0;

fn state_hash(run: &Run) -> String {
    run.runtime().state_sha256().unwrap()
}

/// Plays turns `from..to`, acknowledging everything up to three turns ago; gives what was said and the state after each turn.
fn play_turns(run: &mut Run, seed: u64, turns: std::ops::Range<i64>, said: &mut Vec<Vec<Message>>) -> Vec<String> {
    let mut states = Vec::new();
    for n in turns {
        let known: usize = said[..said.len().saturating_sub(3)].iter().map(Vec::len).sum();
        said.push(play(run, seed, n, known as u64).unwrap());
        states.push(state_hash(run));
    }
    states
}

fn reopen(config: &EngineConfig) -> (Run, Recovered) {
    let (run, recovered) = Run::open(config).unwrap();
    assert_eq!(recovered.notes, Vec::<String>::new());
    (run, recovered)
}

#[test]
fn a_live_run_meets_every_kind_of_event_and_trades() {
    for venue in [VenueModel::Bars, VenueModel::Book] {
        let dir = tempfile::tempdir().unwrap();
        let (mut run, _) = Run::open(&config(dir.path(), venue, NO_SNAPSHOTS)).unwrap();
        let mut said = Vec::new();
        play_turns(&mut run, 1, 0..TURNS, &mut said);
        let said: Vec<Message> = said.concat();
        for kind in [
            "trade_event",
            "signal_event",
            "equity_mark",
            "params_ack",
            "command_ack",
            "advice_request",
            "performance_feedback",
        ] {
            assert!(said.iter().any(|m| m.kind() == kind), "{venue:?}: no {kind}");
        }
        let followed =
            |m: &&Message| matches!(m, Message::ParamsAck(ack) if ack.instance_id == "rules-1" && ack.applied);
        assert!(said.iter().filter(followed).count() > 1, "{venue:?}: the rule set has not changed there and back");
        let shadows = ["making-1.shadow", "predictive-1.shadow"];
        for instance in ["sma-1", "momentum-1", "making-1", "predictive-1", "rules-1"].into_iter().chain(shadows) {
            let traded = |m: &Message| matches!(m, Message::TradeEvent(trade) if trade.instance_id == instance);
            assert!(said.iter().any(traded), "{venue:?}: {instance} has not traded");
        }
        let closed = |m: &Message| matches!(m, Message::TradeEvent(trade) if shadows.contains(&&*trade.instance_id) && trade.exit_reason == Purpose::Flatten);
        assert!(said.iter().any(closed), "{venue:?}: nothing was closed at share 0");
        let counts = run.runtime().market_counts();
        assert!(counts.received > 500 && run.restamped() > 10 && counts.refused > 0, "{counts:?}");
        let closes = (0..TURNS).filter(|n| (n + 1) % CANDLE == 0);
        let (missed, traded): (Vec<i64>, Vec<i64>) = closes.partition(|n| is_missed(*n));
        assert_eq!((counts.missed, run.runtime().standing().bars), (2 * missed.len() as u64, 2 * traded.len() as u64));
        assert!(counts.missed > 0);
    }
}

#[test]
fn the_same_events_and_inputs_give_the_same_state_with_snapshots_and_without() {
    for venue in [VenueModel::Bars, VenueModel::Book] {
        let (plain_dir, short_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let plain = config(plain_dir.path(), venue, NO_SNAPSHOTS);
        let short = config(short_dir.path(), venue, 45);
        let mut said = (Vec::new(), Vec::new());
        let (mut run, _) = Run::open(&plain).unwrap();
        let states = play_turns(&mut run, 7, 0..TURNS, &mut said.0);
        let mut run = Run::open(&short).unwrap().0;
        // Closed and opened again every few turns, so that each part begins from a snapshot.
        let mut again = Vec::new();
        for first in (0..TURNS).step_by(16) {
            again.extend(play_turns(&mut run, 7, first..first + 16, &mut said.1));
            assert_eq!(run.snapshot_problem(), None);
            drop(run);
            let recovered;
            (run, recovered) = reopen(&short);
            let n = recovered.snapshot.expect("a snapshot was taken within eighty seconds");
            assert!(n > 1 && recovered.records < 100, "{} records after {n}", recovered.records);
            let all: Vec<&Message> = said.1.iter().flatten().collect();
            let kept = waiting(&mut run, &recovered);
            let kept: Vec<&Message> = kept.iter().collect();
            assert!(kept == all[usize::try_from(recovered.acked_seq).unwrap()..], "other messages kept");
            assert!(kept.len() < 200, "{} messages kept", kept.len());
        }
        let differs = again.iter().zip(&states).position(|(a, b)| a != b);
        assert_eq!((again.len(), differs), (states.len(), None), "first turn that ends otherwise");
        assert!(said.1 == said.0, "other messages");
        assert_eq!(snapshot::list(Path::new(&short.state_dir)).unwrap().len(), 2);
        let replayed = replay(&short).unwrap();
        assert_eq!(Some(&replayed.state_sha256), states.last());
        assert_eq!(replayed.standing, run.runtime().standing());
        assert_eq!(replayed.messages, said.0.iter().map(Vec::len).sum::<usize>() as u64);
    }
}

/// One life: turns, a crash somewhere in a commit, recovery, and the rest of the turns.
fn crash_once(seed: u64) {
    let mut random = Random(seed);
    let venue = if seed.is_multiple_of(2) { VenueModel::Bars } else { VenueModel::Book };
    let snapshot_every_s = [NO_SNAPSHOTS, 20, 90][random.below(3) as usize];
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), venue, snapshot_every_s);
    let state_dir = PathBuf::from(&config.state_dir);
    let crash_at = 20 + random.below(60) as i64;
    let last = crash_at + 20;

    let (mut run, _) = Run::open(&config).unwrap();
    let mut said = Vec::new();
    let mut states = play_turns(&mut run, seed, 0..crash_at, &mut said);
    let synced = lengths(&state_dir);
    let synced_dir = dir.path().join("synced");
    copy_dir(&state_dir, &synced_dir);
    let (before, said_before) = (states.clone(), said.clone());
    states.extend(play_turns(&mut run, seed, crash_at..last, &mut said));
    drop(run);

    // What the turn after the last commit wrote got to the disk as far as it did: the log before the journal, each in order.
    let other = dir.path().join("played");
    fs::rename(&state_dir, &other).unwrap();
    fs::rename(&synced_dir, &state_dir).unwrap();
    let (mut run, _) = Run::open(&config).unwrap();
    let mut said_after = said_before.clone();
    play_turns(&mut run, seed, crash_at..crash_at + 1, &mut said_after);
    drop(run);
    tear(&state_dir, &synced, &mut random);

    let whole = replay(&config).unwrap();
    let (mut run, recovered) = reopen(&config);
    assert_eq!(state_hash(&run), whole.state_sha256, "seed {seed}: recovery is not replay");
    assert_eq!(run.runtime().standing(), whole.standing, "seed {seed}");
    let all: Vec<&Message> = said_after.iter().flatten().collect();
    let first = usize::try_from(recovered.acked_seq).unwrap();
    let kept = waiting(&mut run, &recovered);
    let kept: Vec<&Message> = kept.iter().collect();
    assert!(kept == all[first..first + kept.len()], "seed {seed}: other messages kept");
    let n_before: usize = said_before.iter().map(Vec::len).sum();
    assert!(first + kept.len() >= n_before, "seed {seed}: what had left was forgotten");

    // Where nothing of the torn turn was kept, it happens again, and the run is the one that never crashed.
    if before.last() == Some(&state_hash(&run)) {
        let mut said_again = said_before;
        let again = play_turns(&mut run, seed, crash_at..last, &mut said_again);
        assert!(again[..] == states[usize::try_from(crash_at).unwrap()..], "seed {seed}: another state");
        assert!(said_again == said, "seed {seed}: other messages");
    } else {
        play_turns(&mut run, seed, crash_at + 1..last, &mut said_after);
        let live = state_hash(&run);
        drop(run);
        assert_eq!(state_hash(&reopen(&config).0), live, "seed {seed}");
    }
    verify(&state_dir).unwrap();
}

/// Cuts what was written after `synced` as a crash in the middle of a commit would have left it.
fn tear(state_dir: &Path, synced: &BTreeMap<PathBuf, u64>, random: &mut Random) {
    let (journal, market) = (state_dir.join(journal::JOURNAL_FILE), state_dir.join(MARKET_DIR));
    let written = lengths(state_dir);
    let since = |path: &Path| synced.get(path).copied().unwrap_or(0);
    let mut torn = |path: &Path, length: u64| {
        let from = since(path);
        // Often at the very edges, where mistakes live.
        let at = match random.below(4) {
            0 => from,
            1 => length.saturating_sub(1).max(from),
            _ => from + random.below(length - from + 1),
        };
        cut(path, at);
    };
    let journal_length = written[&journal];
    let log: Vec<(&PathBuf, &u64)> =
        written.iter().filter(|(p, n)| p.parent() == Some(&market) && **n > since(p)).collect();
    let in_the_log = !log.is_empty() && Random(journal_length).below(2) == 0;
    if in_the_log {
        // Segments are written in order: one is torn, what follows is not there yet.
        let (path, length) = log[0];
        torn(path, *length);
        log[1..].iter().for_each(|(path, _)| fs::remove_file(path).unwrap());
        cut(&journal, since(&journal));
    } else {
        torn(&journal, journal_length);
    }
    // It is written last of all, and never ahead of the journal.
    fs::remove_file(state_dir.join(journal::HEAD_FILE)).unwrap();
    // A snapshot comes after the journal, so one of the torn turn cannot be there; a begun one can.
    for (_, path) in snapshot::list(state_dir).unwrap() {
        if !synced.contains_key(&path) {
            fs::remove_file(&path).unwrap();
        }
    }
    fs::write(state_dir.join("snapshot.tmp"), b"half a snapsh").unwrap();
}

#[test]
fn a_run_that_dies_at_any_byte_goes_on_as_if_it_had_not() {
    (0..10).for_each(crash_once);
}

#[test]
#[ignore = "soak: two hundred deaths take minutes"]
fn a_run_that_dies_at_any_byte_of_two_hundred_goes_on_as_if_it_had_not() {
    (10..210).for_each(crash_once);
}

/// A run with snapshots, closed; its state at the end.
fn closed_run(dir: &Path) -> (EngineConfig, String) {
    let config = config(dir, VenueModel::Book, 60);
    let (mut run, _) = Run::open(&config).unwrap();
    let states = play_turns(&mut run, 3, 0..60, &mut Vec::new());
    (config, states.last().unwrap().clone())
}

/// Damages one byte at a time; gives how often the run opened, and how often it refused.
fn damage(flips: u64, seed: u64) -> (u64, u64) {
    let dir = tempfile::tempdir().unwrap();
    let (config, state) = closed_run(dir.path());
    let state_dir = PathBuf::from(&config.state_dir);
    let (spool, kept) = (state_dir.join(SPOOL_DIR), dir.path().join("spool"));
    copy_dir(&spool, &kept);
    let files: Vec<(PathBuf, u64)> =
        lengths(&state_dir).into_iter().filter(|(path, n)| *n > 0 && !path.ends_with("lock")).collect();
    assert!(files.len() >= 5, "{files:?}");
    let (mut random, mut opened, mut refused) = (Random(seed), 0, 0);
    for i in 0..flips {
        let (path, length) = &files[(i % files.len() as u64) as usize];
        let whole = fs::read(path).unwrap();
        let mut bytes = whole.clone();
        let at = random.below(*length) as usize;
        bytes[at] ^= 1 << random.below(8);
        fs::write(path, &bytes).unwrap();
        match Run::open(&config) {
            Ok((run, recovered)) => {
                opened += 1;
                assert_eq!(state_hash(&run), state, "{} byte {at}: another state", path.display());
                let is_snapshot = path.extension().is_some_and(|e| e == "bin");
                assert!(!is_snapshot || recovered.notes.len() <= 1, "{:?}", recovered.notes);
            }
            Err(error) => {
                refused += 1;
                let text = error.to_string();
                let named = ["record", "row", "another 'feed'", "byte", "feed", "journal.head"]
                    .iter()
                    .any(|word| text.contains(word));
                assert!(named, "{} byte {at}: {text}", path.display());
            }
        }
        let found = verify(&state_dir);
        let is_damage = |v: &engine::run::Verified| v.damage().is_some() || v.spooled.is_err();
        assert!(found.as_ref().map_or(true, is_damage), "{} byte {at} passed", path.display());
        // A replay from the start has written the spool anew; the snapshots are of the old one.
        fs::remove_dir_all(&spool).unwrap();
        copy_dir(&kept, &spool);
        fs::write(path, &whole).unwrap();
    }
    let (run, _) = reopen(&config);
    assert_eq!(state_hash(&run), state);
    (opened, refused)
}

#[test]
fn a_flipped_byte_is_named_or_passed_by_and_never_another_state() {
    let (opened, refused) = damage(40, 5);
    assert!(opened > 0 && refused > 0, "{opened} opened, {refused} refused");
}

#[test]
#[ignore = "soak: thousands of damaged starts take minutes"]
fn thousands_of_flipped_bytes_are_named_or_passed_by() {
    damage(4000, 6);
}

#[test]
fn a_damaged_snapshot_falls_back_to_the_older_and_then_to_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (config, state) = closed_run(dir.path());
    let state_dir = PathBuf::from(&config.state_dir);
    let snapshots = snapshot::list(&state_dir).unwrap();
    let flip = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    flip(&snapshots[0].1);
    let (run, recovered) = Run::open(&config).unwrap();
    assert_eq!((state_hash(&run), recovered.snapshot), (state.clone(), Some(snapshots[1].0)));
    assert!(recovered.notes[0].contains("checksum"), "{:?}", recovered.notes);
    drop(run);
    flip(&snapshots[1].1);
    let (mut run, recovered) = Run::open(&config).unwrap();
    assert_eq!((state_hash(&run), recovered.snapshot, recovered.notes.len()), (state, None, 2));
    // The next one is sound, and those that could not be used are gone.
    play_turns(&mut run, 3, 60..80, &mut Vec::new());
    drop(run);
    let (_, recovered) = reopen(&config);
    assert!(recovered.snapshot.is_some_and(|n| n > snapshots[0].0));
}

#[test]
fn archived_segments_go_when_no_snapshot_needs_them_and_the_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), VenueModel::Bars, 60);
    config.state.retain = Retain::UntilArchived;
    let state_dir = PathBuf::from(&config.state_dir);
    let market = state_dir.join(MARKET_DIR);
    let (mut run, _) = Run::open(&config).unwrap();
    let mut said = Vec::new();
    play_turns(&mut run, 9, 0..100, &mut said);
    // The archive takes over every closed segment: its hash stands in the header of the one that follows.
    let segments: Vec<PathBuf> = lengths(&state_dir).into_keys().filter(|p| p.parent() == Some(&market)).collect();
    assert!(segments.len() >= 4, "{segments:?}");
    for pair in segments.windows(2) {
        let header = fs::read(&pair[1]).unwrap();
        fs::write(pair[0].with_extension("archived"), hex::encode(&header[32..64])).unwrap();
    }
    let states = play_turns(&mut run, 9, 100..140, &mut said);
    assert_eq!(run.snapshot_problem(), None);
    assert!(!segments[0].exists() && !segments[2].exists());
    drop(run);
    let verified = verify(&state_dir).unwrap();
    assert!(verified.market_rows_deleted > 0 && verified.market_rows > verified.market_rows_deleted);
    let (run, _) = reopen(&config);
    assert_eq!(Some(&state_hash(&run)), states.last());
    drop(run);
    snapshot::list(&state_dir).unwrap().iter().for_each(|(_, path)| fs::remove_file(path).unwrap());
    let error = Run::open(&config).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("does not hold event row 1"), "{error}");
    assert_eq!(verify(&state_dir).err().map(|e| e.to_string()), Some(error));
}

#[test]
fn live_markets_need_the_wall_clock_and_a_feed_that_only_warms_up() {
    let dir = tempfile::tempdir().unwrap();
    let live = config(dir.path(), VenueModel::Bars, NO_SNAPSHOTS);
    let refused = |config: &EngineConfig| Run::open(config).err().map(|e| e.to_string()).unwrap_or_default();
    let mut granted = live.clone();
    granted.pace = model::config::Pace::Granted;
    assert!(refused(&granted).contains("set pace to realtime"));
    let mut early = live.clone();
    early.trade_from_ns -= 1;
    assert!(refused(&early).contains("with live markets it only warms up"));
    let mut none = live.clone();
    none.feed.clear();
    Run::open(&none).unwrap();
    assert!(refused(&live).is_empty(), "what warmed a run up is kept with it: {}", refused(&live));
    let mut recorded = live.clone();
    recorded.markets.clear();
    recorded.instances.retain(|instance| instance.driver == Driver::Bars);
    recorded.state_dir = dir.path().join("recorded").display().to_string();
    let (mut run, _) = Run::open(&recorded).unwrap();
    let events = live_world::turn(1, 0).events;
    assert!(run.accept_market(&events).unwrap_err().to_string().contains("configure `markets`"));
}
