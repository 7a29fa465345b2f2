//! The journal: every input of a run, in order, hash-chained, on disk before anything it caused leaves.
//!
//! Inputs are enough. The core is deterministic, so replaying them makes the same orders, the same messages and the same
//! sequence numbers; outputs are never written. A record says at which `step` of the market its input was applied.

use crate::input::Input;
use model::Ts;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod head;
mod line;
mod lock;

pub use head::HEAD_FILE;
use head::{Head, Named};
pub use lock::StateLock;

/// Name of the journal in its directory.
pub const JOURNAL_FILE: &str = "journal.jsonl";

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
        "{path}, line {n}: record {n} is damaged ({problem}). Nothing after it can be trusted, so the engine does not start: \
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
    /// The journal is not the one that a snapshot or the market log beside it belongs to.
    #[error(
        "{path} does not hold record {n}, which journal.head, a snapshot or the market log beside it names: the journal was \
         cut or exchanged. Restore it from a copy, or start with a new state_dir and a new engine_id"
    )]
    Lacks {
        /// The file.
        path: PathBuf,
        /// The record.
        n: u64,
    },
    /// The head names nothing.
    #[error(
        "{path} is damaged: it does not say which record of the journal is the last. Restore it from the copy that the journal \
         comes from; without it nothing proves that the journal still has its end"
    )]
    Head {
        /// The file.
        path: PathBuf,
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

/// A record's place: what follows it can be read without reading what comes before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The record; zero before the first.
    pub n: u64,
    /// Its hash; empty before the first.
    pub hash: String,
    /// Where it begins in the file.
    pub begins_at: u64,
    /// Where it ends.
    pub ends_at: u64,
}

/// What reading a journal found.
#[derive(Debug)]
pub struct Contents {
    /// Whole records, in order, the chain intact.
    pub records: Vec<Record>,
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
    let mut reader = JournalReader::open(state_dir)?;
    let mut records = Vec::new();
    while let Some(record) = reader.next_record()? {
        records.push(record);
    }
    Ok(Contents { records, torn_bytes: reader.torn_bytes()? })
}

/// Reads a journal record by record, each checked against the one before.
#[derive(Debug)]
pub struct JournalReader {
    path: PathBuf,
    /// `None` where there is no journal yet.
    file: Option<BufReader<File>>,
    /// The record that must be there.
    named: Option<Named>,
    position: Position,
    line: Vec<u8>,
}

impl JournalReader {
    /// Reads from the first record on. No journal reads as an empty one.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(state_dir: &Path) -> Result<Self, JournalError> {
        let path = state_dir.join(JOURNAL_FILE);
        // Before the journal, which a running engine makes longer.
        let named = Named::read(state_dir)?;
        let file = match File::open(&path) {
            Ok(file) => Some(BufReader::new(file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(JournalError::Io { path, source }),
        };
        Ok(Self { path, file, named, position: Position::default(), line: Vec::new() })
    }

    /// Reads what follows the record at `position`.
    ///
    /// # Errors
    /// The journal does not hold that record there.
    pub fn open_after(state_dir: &Path, position: &Position) -> Result<Self, JournalError> {
        let mut reader = Self::open(state_dir)?;
        if position.n == 0 {
            return Ok(reader);
        }
        let n = position.n;
        let lacks = JournalError::Lacks { path: reader.path.clone(), n };
        let Some(file) = &mut reader.file else { return Err(lacks) };
        file.seek(SeekFrom::Start(position.begins_at)).map_err(io(&reader.path))?;
        file.read_until(b'\n', &mut reader.line).map_err(io(&reader.path))?;
        let length = position.ends_at.checked_sub(position.begins_at);
        let found = serde_json::from_slice(&reader.line).is_ok_and(|r: Record| r.n == n && r.hash == position.hash);
        if !found || length != Some(reader.line.len() as u64) || !reader.line.ends_with(b"\n") {
            return Err(lacks);
        }
        reader.position = position.clone();
        Ok(reader)
    }

    /// The last record that was read.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The next record, or `None` at the end, where a dying engine may have left a beginning of one.
    ///
    /// # Errors
    /// [`JournalError::Broken`].
    pub fn next_record(&mut self) -> Result<Option<Record>, JournalError> {
        let Some(file) = &mut self.file else { return self.end() };
        self.line.clear();
        file.read_until(b'\n', &mut self.line).map_err(io(&self.path))?;
        let n = self.position.n + 1;
        let broken = |problem: String| JournalError::Broken { path: self.path.clone(), n, problem };
        // Only a line that ends is a record.
        if !self.line.ends_with(b"\n") {
            if !line::is_torn(&self.line, n, &self.position.hash) {
                return Err(broken("it has no end and is no beginning of a record either".to_owned()));
            }
            return self.end();
        }
        let record = line::parse(&self.line, n, &self.position.hash).map_err(broken)?;
        if self.named.as_ref().is_some_and(|named| named.n == n && named.hash != record.hash) {
            return Err(JournalError::Lacks { path: self.path.clone(), n });
        }
        let begins_at = self.position.ends_at;
        let ends_at = begins_at + self.line.len() as u64;
        self.position = Position { n, hash: record.hash.clone(), begins_at, ends_at };
        Ok(Some(record))
    }

    /// The end of the journal, unless the head names a record behind it.
    fn end(&self) -> Result<Option<Record>, JournalError> {
        match &self.named {
            Some(named) if named.n > self.position.n => {
                Err(JournalError::Lacks { path: self.path.clone(), n: named.n })
            }
            _ => Ok(None),
        }
    }

    /// Bytes after the last record that was read, which at the end are those of an unfinished one.
    ///
    /// # Errors
    /// The file cannot be asked.
    pub fn torn_bytes(&self) -> Result<u64, JournalError> {
        let Some(file) = &self.file else { return Ok(0) };
        let length = file.get_ref().metadata().map_err(io(&self.path))?.len();
        Ok(length.saturating_sub(self.position.ends_at))
    }

    /// Cuts off what follows the last record that was read, and goes on writing there. Also says how many bytes went.
    ///
    /// # Errors
    /// The file or its directory failed.
    pub fn into_writer(self, lock: StateLock) -> Result<(Journal, u64), JournalError> {
        let (torn_bytes, Self { path, position, .. }) = (self.torn_bytes()?, self);
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io(&path))?;
        file.set_len(position.ends_at).map_err(io(&path))?;
        file.seek(SeekFrom::End(0)).map_err(io(&path))?;
        // What a killed engine wrote and did not flush counts from now on.
        file.sync_data().map_err(io(&path))?;
        let head = Head::open(&lock.state_dir)?;
        head.name(&position)?;
        // The name of a new file is durable only once its directory is.
        File::open(&lock.state_dir).and_then(|dir| dir.sync_all()).map_err(io(&lock.state_dir))?;
        let head = Arc::new(head);
        Ok((Journal { path, file, head, _lock: lock, position, unwritten: String::new() }, torn_bytes))
    }
}

/// The open journal of a running engine. Its directory is locked for as long as it lives.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    head: Arc<Head>,
    // Held, never read, as the lock inside it.
    _lock: StateLock,
    position: Position,
    unwritten: String,
}

impl Journal {
    /// Number the next record will get.
    #[must_use]
    pub fn next_n(&self) -> u64 {
        self.position.n + 1
    }

    /// The last record, durable or not.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Adds a record. It is durable after [`Journal::sync`] and not before.
    ///
    /// # Errors
    /// The input cannot be JSON.
    pub fn append(&mut self, seq: Option<u64>, step: u64, at: Ts, input: &Input) -> Result<(), JournalError> {
        let (kind, body) = (input.kind().to_owned(), input.body()?);
        let mut record = Record { n: self.next_n(), seq, step, at_ns: at, kind, body, hash: String::new() };
        record.hash = record.expected_hash(&self.position.hash);
        let before = self.unwritten.len();
        self.unwritten.push_str(&serde_json::to_string(&record)?);
        self.unwritten.push('\n');
        let begins_at = self.position.ends_at;
        let ends_at = begins_at + (self.unwritten.len() - before) as u64;
        self.position = Position { n: record.n, hash: record.hash, begins_at, ends_at };
        Ok(())
    }

    /// Whether a record waits for [`Journal::sync`] or [`Journal::take_unwritten`].
    #[must_use]
    pub fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// Hands over everything added so far, for another thread to make durable before anything else is written; `None` where
    /// nothing waits.
    ///
    /// # Errors
    /// The system gave no second handle of the file.
    pub fn take_unwritten(&mut self) -> Result<Option<Unwritten>, JournalError> {
        if self.unwritten.is_empty() {
            return Ok(None);
        }
        let file = self.file.try_clone().map_err(io(&self.path))?;
        let (head, position) = (Arc::clone(&self.head), self.position.clone());
        let records = std::mem::take(&mut self.unwritten);
        Ok(Some(Unwritten { path: self.path.clone(), file, records, head, position }))
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
        self.head.name(&self.position)
    }
}

/// Records that belong at the end of the journal's file.
#[derive(Debug)]
pub struct Unwritten {
    path: PathBuf,
    file: File,
    records: String,
    head: Arc<Head>,
    /// The last of them.
    position: Position,
}

impl Unwritten {
    /// Makes them durable.
    ///
    /// # Errors
    /// As [`Journal::sync`].
    pub fn write(mut self) -> Result<(), JournalError> {
        self.file.write_all(self.records.as_bytes()).map_err(io(&self.path))?;
        self.file.sync_data().map_err(io(&self.path))?;
        self.head.name(&self.position)
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
