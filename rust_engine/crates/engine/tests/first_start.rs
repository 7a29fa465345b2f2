//! What a start does with what an earlier one left: half a first start, a run of another build, an engine at work.
// The lint's exception for tests covers functions marked as tests, not what they share.
#![allow(clippy::unwrap_used)]

// Shared with the tests of recovery, which play every kind of turn.
mod live_world;

use engine::journal::{JournalError, StateLock};
use engine::market_log::MARKET_DIR;
use engine::{Run, RunError, snapshot};
use live_world::{config, play};
use model::VenueModel;
use std::fs;
use std::path::{Path, PathBuf};

fn state_hash(run: &Run) -> String {
    run.runtime().state_sha256().unwrap()
}

#[test]
fn a_first_start_that_died_leaves_nothing_that_the_next_one_warms_up_from() {
    let dir = tempfile::tempdir().unwrap();
    let whole = config(dir.path(), VenueModel::Bars, 0);
    let expected = state_hash(&Run::open(&whole).unwrap().0);
    let bars = fs::read(&whole.feed).unwrap();
    for (n, left) in [&b""[..], &bars[..bars.len() / 2], b"older bars"].into_iter().enumerate() {
        let mut begun = whole.clone();
        begun.state_dir = dir.path().join(format!("begun-{n}")).display().to_string();
        let kept = Path::new(&begun.state_dir).join("warm_up.npy");
        fs::create_dir_all(&begun.state_dir).unwrap();
        fs::write(&kept, left).unwrap();
        fs::write(kept.with_extension("tmp"), left).unwrap();
        assert_eq!(state_hash(&Run::open(&begun).unwrap().0), expected, "{n}");
        assert_eq!(fs::read(&kept).unwrap(), bars, "{n}");
        begun.feed = "gone".to_owned();
        assert_eq!(state_hash(&Run::open(&begun).unwrap().0), expected, "{n}: what warmed it up is kept with the run");
    }
}

#[test]
fn an_engine_at_work_is_seen_before_anything_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut second = config(dir.path(), VenueModel::Bars, 0);
    // It has begun and written no record yet: its journal looks like that of a new run.
    let first = StateLock::take(Path::new(&second.state_dir)).unwrap();
    second.feed = "not read".to_owned();
    assert!(matches!(Run::open(&second), Err(RunError::Journal(JournalError::Locked(_)))));
    drop(first);
    assert!(matches!(Run::open(&second), Err(RunError::File { .. })));
}

/// Says of every closed segment that the archive holds it: its hash stands in the header of the one that follows.
fn archive_closed_segments(state_dir: &Path) -> usize {
    let entries = fs::read_dir(state_dir.join(MARKET_DIR)).unwrap();
    let mut segments: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "rows"));
    segments.sort();
    for pair in segments.windows(2) {
        let header = fs::read(&pair[1]).unwrap();
        fs::write(pair[0].with_extension("archived"), hex::encode(&header[32..64])).unwrap();
    }
    segments.len() - 1
}

#[test]
fn a_run_that_keeps_its_log_goes_on_under_another_build() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), VenueModel::Bars, 60);
    let state_dir = PathBuf::from(&config.state_dir);
    let (mut run, _) = Run::open(&config).unwrap();
    (0..100).for_each(|n| drop(play(&mut run, 9, n, 0).unwrap()));
    assert!(archive_closed_segments(&state_dir) >= 3);
    (100..140).for_each(|n| drop(play(&mut run, 9, n, 0).unwrap()));
    let expected = state_hash(&run);
    drop(run);
    let of_before = snapshot::list(&state_dir).unwrap();
    assert_eq!(of_before.len(), 2);
    for ((_, path), (other, _)) in of_before.iter().zip(of_before.iter().rev()) {
        let mut snapshot = snapshot::load(path).unwrap();
        snapshot.header.build = "another build".to_owned();
        snapshot::save(&state_dir, &snapshot, Some(*other)).unwrap();
    }
    let (run, recovered) = Run::open(&config).unwrap();
    assert_eq!((state_hash(&run), recovered.snapshot), (expected, None));
    assert!(recovered.notes.iter().all(|note| note.contains("build another build wrote it")), "{:?}", recovered.notes);
    assert_eq!(recovered.notes.len(), 2);
}
