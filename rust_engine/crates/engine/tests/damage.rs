//! Every file of a run, damaged in every region and in every way that files get damaged: the offline check names each.
// The lint's exception for tests covers functions marked as tests, not what they share.
#![allow(clippy::unwrap_used)]

mod closed_run;
mod live_world;

use closed_run::closed_run;
use engine::Run;
use engine::journal::{HEAD_FILE, JOURNAL_FILE};
use engine::market_log::MARKET_DIR;
use engine::run::verify;
use live_world::Random;
use model::config::EngineConfig;
use std::fs;
use std::path::{Path, PathBuf};

/// Regions of equal length, each damaged in each way.
const REGIONS: u64 = 48;
const ROW_BYTES: usize = 64;

/// What a closed run left.
struct Closed {
    _folder: tempfile::TempDir,
    config: EngineConfig,
    state_dir: PathBuf,
}

impl Closed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = closed_run(folder.path());
        Self { _folder: folder, state_dir: PathBuf::from(&config.state_dir), config }
    }

    /// Journal, head, warm-up bars, snapshots and segments.
    fn files(&self) -> Vec<PathBuf> {
        let market = self.state_dir.join(MARKET_DIR);
        let entries = [&self.state_dir, &market].map(|dir| fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()));
        let mut files: Vec<PathBuf> = entries.into_iter().flatten().filter(|path| path.is_file()).collect();
        files.retain(|path| path.file_name().is_some_and(|name| name != "lock"));
        files.sort();
        assert!(files.len() >= 7, "{files:?}");
        files
    }

    /// What the check says of the first damage; empty where it finds none.
    fn verdict(&self) -> String {
        match verify(&self.state_dir) {
            Err(error) => error.to_string(),
            Ok(found) => found.damage().map(ToString::to_string).unwrap_or_default(),
        }
    }

    /// What the check says while `path` holds `bytes`.
    fn with(&self, path: &Path, bytes: &[u8]) -> String {
        let whole = fs::read(path).unwrap();
        fs::write(path, bytes).unwrap();
        let said = self.verdict();
        fs::write(path, whole).unwrap();
        said
    }
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap()
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|b| *b == b'\n').collect()
}

#[test]
fn a_changed_byte_in_any_region_of_any_file_is_named() {
    let (closed, mut random) = (Closed::new(), Random(11));
    assert_eq!(closed.verdict(), "");
    for path in closed.files() {
        let whole = fs::read(&path).unwrap();
        let length = whole.len() as u64;
        for region in 0..REGIONS.min(length) {
            let (from, to) = (length * region / REGIONS, (length * (region + 1) / REGIONS).max(1));
            let at = (from + random.below((to - from).max(1))) as usize;
            let mut damaged = whole.clone();
            damaged[at] ^= 1 + random.below(255) as u8;
            let said = closed.with(&path, &damaged);
            assert!(!said.is_empty(), "{} byte {at} passed", path.display());
            // Another file may be named only where this one says what the other must hold.
            let names_it = said.contains(name(&path)) || name(&path) == HEAD_FILE && said.contains(JOURNAL_FILE);
            assert!(names_it, "{} byte {at}: {said}", path.display());
        }
        // The edges, where mistakes live.
        for at in [0, whole.len() - 1] {
            for mask in [1, 2, 4, 7, 8, 10, 16, 32, 42, 64, 128, 255] {
                let mut damaged = whole.clone();
                damaged[at] ^= mask;
                assert_ne!(closed.with(&path, &damaged), "", "{} byte {at} mask {mask}", path.display());
            }
        }
    }
}

#[test]
fn any_file_that_was_cut_is_named() {
    let (closed, mut random) = (Closed::new(), Random(12));
    for path in closed.files() {
        let whole = fs::read(&path).unwrap();
        let length = whole.len() as u64;
        let mut cuts: Vec<usize> =
            (0..REGIONS).map(|i| (length * i / REGIONS + random.below(length / REGIONS + 1)) as usize).collect();
        cuts.extend([1, whole.len() - 1]);
        // A head of no bytes is one that never reached the disk; one that is gone was never written.
        let whole_rows = (1..whole.len() / ROW_BYTES).map(|row| row * ROW_BYTES);
        cuts.extend(whole_rows.step_by(whole.len() / ROW_BYTES / 16 + 1));
        for cut in cuts.into_iter().filter(|cut| 0 < *cut && *cut < whole.len()) {
            let said = closed.with(&path, &whole[..cut]);
            assert_ne!(said, "", "{} cut at byte {cut} passed", path.display());
        }
        if name(&path) != HEAD_FILE && !name(&path).starts_with("snapshot-") {
            fs::remove_file(&path).unwrap();
            assert_ne!(closed.verdict(), "", "{} was removed", path.display());
            fs::write(&path, &whole).unwrap();
        }
    }
    assert_eq!(closed.verdict(), "");
}

#[test]
fn a_line_of_the_journal_that_was_removed_repeated_or_moved_is_named_by_its_number() {
    let closed = Closed::new();
    let path = closed.state_dir.join(JOURNAL_FILE);
    let whole = fs::read(&path).unwrap();
    let lines = lines(&whole);
    let last = lines.len() - 1;
    let named = |bytes: &[Vec<u8>], n: usize| {
        let said = closed.with(&path, &bytes.concat());
        assert!(said.contains(&format!("{JOURNAL_FILE}, line {n}: record {n} is damaged")), "line {n}: {said}");
    };
    for i in (0..=last).step_by(lines.len() / 60 + 1).chain([last - 1]) {
        let owned: Vec<Vec<u8>> = lines.iter().map(|line| line.to_vec()).collect();
        let mut repeated = owned.clone();
        repeated.insert(i, owned[i].clone());
        named(&repeated, i + 2);
        if i < last {
            let mut moved = owned.clone();
            moved.swap(i, i + 1);
            named(&moved, i + 1);
            let mut removed = owned.clone();
            removed.remove(i);
            named(&removed, i + 1);
        }
    }
    let without_the_last = whole[..whole.len() - lines[last].len()].to_vec();
    let said = closed.with(&path, &without_the_last);
    assert!(said.contains(&format!("does not hold record {}", lines.len())), "{said}");
}

#[test]
fn the_beginning_of_a_record_that_never_was_whole_is_no_damage() {
    let closed = Closed::new();
    let path = closed.state_dir.join(JOURNAL_FILE);
    let whole = fs::read(&path).unwrap();
    let next = lines(&whole).len() + 1;
    let torn = format!("{{\"n\":{next},\"seq\":nu");
    assert_eq!(closed.with(&path, &[&whole[..], torn.as_bytes()].concat()), "");
    assert_eq!(closed.with(&path, &[&whole[..], &[0; 4096]].concat()), "");
    let said = closed.with(&path, &[&whole[..], b"{\"n\":1,\"seq\":nu"].concat());
    assert!(said.contains(&format!("line {next}: record {next} is damaged")), "{said}");
}

#[test]
fn rows_of_the_market_log_that_were_removed_or_moved_are_named() {
    let closed = Closed::new();
    for path in closed.files().iter().filter(|path| name(path).starts_with("segment-")) {
        let whole = fs::read(path).unwrap();
        let rows: Vec<&[u8]> = whole.chunks(ROW_BYTES).collect();
        for i in (0..rows.len() - 1).step_by(rows.len() / 40 + 1) {
            let mut removed = rows.clone();
            removed.remove(i);
            let mut moved = rows.clone();
            moved.swap(i, i + 1);
            for damaged in [removed, moved] {
                let said = closed.with(path, &damaged.concat());
                assert!(said.contains(name(path)) || said.contains("does not hold event row"), "row {i}: {said}");
            }
        }
    }
}

#[test]
fn files_that_changed_their_places_are_named() {
    let closed = Closed::new();
    let files = closed.files();
    for kind in ["snapshot-", "segment-"] {
        let two: Vec<&PathBuf> = files.iter().filter(|path| name(path).starts_with(kind)).take(2).collect();
        let (first, second) = (fs::read(two[0]).unwrap(), fs::read(two[1]).unwrap());
        fs::write(two[0], &second).unwrap();
        fs::write(two[1], &first).unwrap();
        let said = closed.verdict();
        let names_one = two.iter().any(|path| said.contains(name(path)));
        assert!(names_one || said.contains("does not hold event row 1"), "{said}");
        fs::write(two[0], &first).unwrap();
        fs::write(two[1], &second).unwrap();
    }
    assert_eq!(closed.verdict(), "");
}

#[test]
fn a_journal_that_is_shorter_than_its_snapshot_is_refused() {
    let closed = Closed::new();
    let path = closed.state_dir.join(JOURNAL_FILE);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, lines(&whole)[..3].concat()).unwrap();
    let is_refused = || {
        let found = [Run::open(&closed.config).err(), verify(&closed.state_dir).err()];
        found.iter().flatten().filter(|e| e.to_string().contains("the journal was cut or exchanged")).count() == 2
    };
    assert!(is_refused());
    fs::remove_file(closed.state_dir.join(HEAD_FILE)).unwrap();
    assert!(is_refused(), "without the head it is the snapshot that knows more");
    fs::remove_file(&path).unwrap();
    assert!(is_refused());
}
