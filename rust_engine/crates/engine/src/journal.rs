//! The journal: every input of a run, in order, hash-chained, on disk before anything it caused leaves.
//!
//! Inputs are enough. The core is deterministic, so replaying them makes the same orders, the same messages and the same
//! sequence numbers; outputs are never written. A record says at which `step` of the market its input was applied.

use crate::input::Input;
use model::Ts;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Name of the journal in its directory.
pub const JOURNAL_FILE: &str = "journal.jsonl";
const LOCK_FILE: &str = "lock";

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file or directory failed.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another engine holds the directory.
    #[error("{0} belongs to an engine that is running: stop it first, or give this one its own state_dir")]
    Locked(PathBuf),
    /// A record is not what was written.
    #[error(
        "{path}: record {n} is damaged ({problem}). Nothing after it can be trusted, so the engine does not start: \
         restore the file from a copy, or start with a new state_dir and a new engine_id"
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// The first damaged record, from 1.
        n: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// An input that cannot be written.
    #[error("cannot write an input as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Number, from 1.
    pub n: u64,
    /// The worker's sequence number where the input came over the bridge.
    pub seq: Option<u64>,
    /// Market steps done before the input was applied.
    pub step: u64,
    /// The injected clock at that moment.
    pub at_ns: Ts,
    /// Kind of the input.
    pub kind: String,
    /// The input as JSON text, exactly as hashed.
    pub body: String,
    /// `sha256` over the previous hash and all fields above.
    pub hash: String,
}

impl Record {
    fn expected_hash(&self, previous: &str) -> String {
        let Self { n, seq, step, at_ns, kind, body, .. } = self;
        let seq = seq.map_or_else(String::new, |s| s.to_string());
        hex::encode(Sha256::digest(format!("{previous}\n{n}\n{seq}\n{step}\n{}\n{kind}\n{body}", at_ns.0)))
    }

    /// The input.
    ///
    /// # Errors
    /// The record was written by a build with other inputs.
    pub fn input(&self) -> Result<Input, serde_json::Error> {
        Input::parse(&self.kind, &self.body)
    }
}

/// What reading a journal found.
#[derive(Debug)]
pub struct Contents {
    /// Whole records, in order, the chain intact.
    pub records: Vec<Record>,
    /// Bytes of the file that hold them.
    pub sound_bytes: u64,
    /// Bytes of a last line that a dying engine did not finish.
    pub torn_bytes: u64,
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> JournalError + '_ {
    move |source| JournalError::Io { path: path.to_owned(), source }
}

/// Reads and verifies the journal in `state_dir` without changing anything. No journal reads as an empty one.
///
/// # Errors
/// [`JournalError::Broken`] names the first bad record.
pub fn read(state_dir: &Path) -> Result<Contents, JournalError> {
    let path = state_dir.join(JOURNAL_FILE);
    let mut bytes = Vec::new();
    match File::open(&path) {
        Ok(mut file) => file.read_to_end(&mut bytes).map_err(io(&path))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(source) => return Err(JournalError::Io { path, source }),
    };
    // Only a line that ends is a record: a kill in the middle of a write leaves a last line without its end.
    let sound_bytes = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let (mut records, mut previous) = (Vec::new(), String::new());
    for line in bytes[..sound_bytes].split_inclusive(|b| *b == b'\n') {
        let n = records.len() as u64 + 1;
        let broken = |problem: String| JournalError::Broken { path: path.clone(), n, problem };
        let record: Record = serde_json::from_slice(line).map_err(|e| broken(format!("not a record: {e}")))?;
        if record.n != n {
            return Err(broken(format!("it says it is record {}", record.n)));
        }
        if record.hash != record.expected_hash(&previous) {
            return Err(broken("its hash does not follow from the record before".to_owned()));
        }
        previous.clone_from(&record.hash);
        records.push(record);
    }
    let (sound_bytes, all) = (sound_bytes as u64, bytes.len() as u64);
    Ok(Contents { records, sound_bytes, torn_bytes: all - sound_bytes })
}

/// The open journal of a running engine. Its directory is locked for as long as it lives.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    // Held, never read: the lock goes when the process does, however it dies.
    _lock: File,
    n: u64,
    hash: String,
    unwritten: String,
}

impl Journal {
    /// Locks `state_dir`, verifies the journal, cuts off a torn last line and returns what it holds.
    ///
    /// # Errors
    /// The directory is in use, or a record is damaged.
    pub fn open(state_dir: &Path) -> Result<(Self, Contents), JournalError> {
        fs::create_dir_all(state_dir).map_err(io(state_dir))?;
        let lock_path = state_dir.join(LOCK_FILE);
        let lock = File::create(&lock_path).map_err(io(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(JournalError::Locked(state_dir.to_owned())),
            Err(fs::TryLockError::Error(source)) => return Err(JournalError::Io { path: lock_path, source }),
        }
        let contents = read(state_dir)?;
        let path = state_dir.join(JOURNAL_FILE);
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io(&path))?;
        file.set_len(contents.sound_bytes).map_err(io(&path))?;
        file.seek(SeekFrom::End(0)).map_err(io(&path))?;
        // The name of a new file is durable only once its directory is.
        File::open(state_dir).and_then(|dir| dir.sync_all()).map_err(io(state_dir))?;
        let (n, hash) = contents.records.last().map_or((0, String::new()), |r| (r.n, r.hash.clone()));
        Ok((Self { path, file, _lock: lock, n, hash, unwritten: String::new() }, contents))
    }

    /// Number the next record will get.
    #[must_use]
    pub fn next_n(&self) -> u64 {
        self.n + 1
    }

    /// Adds a record. It is durable after [`Journal::sync`] and not before.
    ///
    /// # Errors
    /// The input cannot be JSON.
    pub fn append(&mut self, seq: Option<u64>, step: u64, at: Ts, input: &Input) -> Result<(), JournalError> {
        let (kind, body) = (input.kind().to_owned(), input.body()?);
        let mut record = Record { n: self.n + 1, seq, step, at_ns: at, kind, body, hash: String::new() };
        record.hash = record.expected_hash(&self.hash);
        self.unwritten.push_str(&serde_json::to_string(&record)?);
        self.unwritten.push('\n');
        self.n = record.n;
        self.hash = record.hash;
        Ok(())
    }

    /// Makes everything added so far durable, in one write and one flush of the disk.
    ///
    /// # Errors
    /// The disk refused. The engine must stop: what it did since cannot be proven.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        self.file.write_all(self.unwritten.as_bytes()).map_err(io(&self.path))?;
        self.file.sync_data().map_err(io(&self.path))?;
        self.unwritten.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::message::AdvanceTo;

    fn advance(n: i64) -> Input {
        Input::Advance(AdvanceTo { to_ns: n })
    }

    fn written(dir: &Path, n: i64) {
        let (mut journal, _) = Journal::open(dir).unwrap();
        for i in 1..=n {
            journal.append(Some(i as u64), i as u64 * 10, Ts(i), &advance(i)).unwrap();
        }
        journal.sync().unwrap();
    }

    #[test]
    fn what_was_synced_is_read_back_in_order() {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path(), 3);
        let (mut journal, contents) = Journal::open(dir.path()).unwrap();
        let steps: Vec<u64> = contents.records.iter().map(|r| r.step).collect();
        assert_eq!((steps, contents.torn_bytes, journal.next_n()), (vec![10, 20, 30], 0, 4));
        assert_eq!(contents.records[2].input().unwrap(), advance(3));
        journal.append(None, 40, Ts(4), &Input::Progress).unwrap();
        journal.sync().unwrap();
        drop(journal);
        assert_eq!(read(dir.path()).unwrap().records.len(), 4);
    }

    #[test]
    fn a_torn_last_line_is_cut_off_at_every_length_and_the_rest_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path(), 3);
        let path = dir.path().join(JOURNAL_FILE);
        let whole = fs::read(&path).unwrap();
        let second_end = whole.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(1).unwrap().0 + 1;
        for cut in second_end..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let (_, contents) = Journal::open(dir.path()).unwrap();
            assert_eq!((contents.records.len(), contents.torn_bytes), (2, (cut - second_end) as u64));
            assert_eq!(fs::read(&path).unwrap(), &whole[..second_end]);
        }
    }

    #[test]
    fn a_changed_removed_or_reordered_record_is_named() {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path(), 4);
        let path = dir.path().join(JOURNAL_FILE);
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let damaged = [
            text.replacen("\"step\":20", "\"step\":21", 1),
            [lines[0], lines[2], lines[3], ""].join("\n"),
            [lines[0], lines[2], lines[1], lines[3], ""].join("\n"),
            [lines[0], "garbage", lines[2], lines[3], ""].join("\n"),
        ];
        for content in damaged {
            fs::write(&path, content).unwrap();
            let error = Journal::open(dir.path()).unwrap_err().to_string();
            assert!(error.contains("record 2 is damaged"), "{error}");
        }
    }

    #[test]
    fn a_second_engine_on_the_same_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(dir.path()).unwrap();
        assert!(matches!(Journal::open(dir.path()), Err(JournalError::Locked(_))));
        drop(journal);
        Journal::open(dir.path()).unwrap();
    }
}
