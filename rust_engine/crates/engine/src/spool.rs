//! Messages that the worker has not acknowledged, on disk: without a worker they grow for days, and memory must not.
//!
//! The newest wait in memory. When those are too many, or a snapshot is taken, what is not acknowledged goes into segments in
//! `<state_dir>/outbox/`. The journal stays the truth: what follows the last snapshot is made again by its replay, so nothing
//! here is synced before that snapshot is, and a spool that is damaged or gone only costs a replay from the journal's start.

mod segment;

use model::message::Message;
use segment::Reading;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

pub use segment::verify;

/// Directory of the segments in the state directory.
pub const SPOOL_DIR: &str = "outbox";
/// Where they are written anew, until a replay has come to its end.
const UNFINISHED_DIR: &str = "outbox.unfinished";
/// So many of the newest messages wait in memory.
pub const MOST_IN_MEMORY: usize = 1024;
/// A segment of at least this size is closed.
const SEGMENT_BYTES: u64 = 1 << 20;

/// Why messages cannot be kept, or not be found again.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// A file or directory failed.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A message is not what was written.
    #[error(
        "{path}: message {seq} is damaged ({problem}). Start the engine again: if its snapshot needs the message, the journal is \
         replayed from its beginning and makes it again"
    )]
    Broken {
        /// The segment.
        path: PathBuf,
        /// The message.
        seq: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A message is not there.
    #[error("{dir} does not hold message {seq}, which is not acknowledged")]
    Missing {
        /// Directory of the spool.
        dir: PathBuf,
        /// The message.
        seq: u64,
    },
    /// A message that cannot be written.
    #[error("cannot write a message as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> SpoolError + '_ {
    move |source| SpoolError::Io { path: path.to_owned(), source }
}

/// The last message in the segments, and the hash chain up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The message; zero before the first.
    pub seq: u64,
    /// SHA-256 over everything written; zeros before the first.
    pub sha256: [u8; 32],
}

/// What a snapshot says of the messages up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Messages made.
    pub made: u64,
    /// Messages known to be acknowledged.
    pub acked: u64,
    /// Where the segments ended; every message after `acked` is in them.
    pub written: Position,
}

/// The segment that grows.
#[derive(Debug)]
struct Open {
    file: File,
    path: PathBuf,
    bytes: u64,
}

/// The messages of a run that are not acknowledged.
#[derive(Debug)]
pub struct Spool {
    state_dir: PathBuf,
    dir: PathBuf,
    /// First message of each segment, oldest first.
    segments: VecDeque<u64>,
    open: Option<Open>,
    written: Position,
    /// The newest messages, up to `made`; those before are in segments or acknowledged.
    tail: VecDeque<Message>,
    made: u64,
    acked: u64,
    /// Where the last reading ended.
    reading: Option<Reading>,
}

impl Spool {
    fn empty(state_dir: &Path, name: &str) -> Self {
        Self {
            state_dir: state_dir.to_owned(),
            dir: state_dir.join(name),
            segments: VecDeque::new(),
            open: None,
            written: Position::default(),
            tail: VecDeque::new(),
            made: 0,
            acked: 0,
            reading: None,
        }
    }

    /// A spool in which nothing was made, apart from the one that is there: [`Spool::replace`] puts it in its place.
    ///
    /// # Errors
    /// What an earlier one left behind cannot be deleted.
    pub fn anew(state_dir: &Path) -> Result<Self, SpoolError> {
        let spool = Self::empty(state_dir, UNFINISHED_DIR);
        remove_dir(&spool.dir)?;
        Ok(spool)
    }

    /// The spool as it was at `mark`; what was written later is forgotten, for a replay makes it again.
    ///
    /// # Errors
    /// A message that was not acknowledged then is missing or damaged. Nothing has changed then.
    pub fn at(state_dir: &Path, mark: &Mark) -> Result<Self, SpoolError> {
        let mut spool = Self::empty(state_dir, SPOOL_DIR);
        let end = segment::end_at(&spool.dir, mark)?;
        for (first, path) in segment::list(&spool.dir)? {
            if first > mark.written.seq {
                fs::remove_file(&path).map_err(io(&path))?;
            } else {
                spool.segments.push_back(first);
            }
        }
        if let Some((path, bytes)) = end {
            File::options().write(true).open(&path).and_then(|file| file.set_len(bytes)).map_err(io(&path))?;
        }
        (spool.made, spool.acked, spool.written) = (mark.made, mark.acked, mark.written);
        Ok(spool)
    }

    /// Whether the spool in `state_dir` has what [`Spool::at`] needs for `mark`.
    ///
    /// # Errors
    /// As [`Spool::at`].
    pub fn check(state_dir: &Path, mark: &Mark) -> Result<(), SpoolError> {
        segment::end_at(&state_dir.join(SPOOL_DIR), mark).map(drop)
    }

    /// Puts a spool that was made [`Spool::anew`] in the place of the one before.
    ///
    /// # Errors
    /// The directory cannot be moved.
    pub fn replace(&mut self) -> Result<(), SpoolError> {
        let place = self.state_dir.join(SPOOL_DIR);
        if self.dir == place {
            return Ok(());
        }
        remove_dir(&place)?;
        if self.dir.is_dir() {
            fs::rename(&self.dir, &place).map_err(io(&place))?;
        }
        // The open segment has the name of its old place.
        (self.open, self.dir, self.reading) = (None, place, None);
        sync_dir(&self.state_dir)
    }

    /// Messages made.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made
    }

    /// Messages known to be acknowledged.
    #[must_use]
    pub fn acked(&self) -> u64 {
        self.acked
    }

    /// Messages that wait in memory.
    #[must_use]
    pub fn in_memory(&self) -> usize {
        self.tail.len()
    }

    /// Adds a message: number [`Spool::made`] from now on.
    ///
    /// # Errors
    /// The disk refused, and memory must not grow.
    pub fn push(&mut self, message: Message) -> Result<(), SpoolError> {
        self.tail.push_back(message);
        self.made += 1;
        if self.tail.len() > MOST_IN_MEMORY { self.write_tail() } else { Ok(()) }
    }

    /// Learns that the worker has every message up to `seq`, as far as they were made.
    pub fn acknowledge(&mut self, seq: u64) {
        self.acked = self.acked.max(seq.min(self.made));
        let known = self.acked.saturating_sub(self.before_tail());
        self.tail.drain(..usize::try_from(known).map_or(self.tail.len(), |n| n.min(self.tail.len())));
    }

    fn before_tail(&self) -> u64 {
        self.made - self.tail.len() as u64
    }

    fn write_tail(&mut self) -> Result<(), SpoolError> {
        if self.tail.is_empty() {
            return Ok(());
        }
        let first = self.before_tail() + 1;
        let follows = first == self.written.seq + 1;
        let is_full = |open: &Open| open.bytes >= SEGMENT_BYTES;
        if !follows || self.open.as_ref().is_none_or(is_full) {
            self.begin_segment(first)?;
        }
        let (mut bytes, mut sha256) = (Vec::new(), self.written.sha256);
        for (message, seq) in self.tail.iter().zip(first..) {
            sha256 = segment::encode(message.kind(), &message.body()?, seq, &sha256, &mut bytes);
        }
        let Some(mut open) = self.open.take() else { return Ok(()) };
        if let Err(error) = open.file.write_all(&bytes) {
            // What was written of it must not stand before what follows.
            drop(open.file.set_len(open.bytes));
            return Err(io(&open.path)(error));
        }
        open.bytes += bytes.len() as u64;
        self.open = Some(open);
        self.written = Position { seq: self.made, sha256 };
        self.tail.clear();
        Ok(())
    }

    /// Closes the open segment, durably, and begins the one whose first message is `first`.
    fn begin_segment(&mut self, first: u64) -> Result<(), SpoolError> {
        if let Some(full) = self.open.take() {
            full.file.sync_data().map_err(io(&full.path))?;
        }
        if !self.dir.is_dir() {
            fs::create_dir_all(&self.dir).map_err(io(&self.dir))?;
            sync_dir(&self.state_dir)?;
        }
        let path = segment::path(&self.dir, first);
        let mut file = File::create(&path).map_err(io(&path))?;
        let header = segment::header(first, &self.written.sha256);
        file.write_all(&header).map_err(io(&path))?;
        sync_dir(&self.dir)?;
        self.segments.push_back(first);
        self.open = Some(Open { file, path, bytes: header.len() as u64 });
        Ok(())
    }

    /// Makes every message that is not acknowledged durable, and says what a snapshot must know to find them.
    ///
    /// # Errors
    /// The disk refused.
    pub fn sync(&mut self) -> Result<Mark, SpoolError> {
        self.write_tail()?;
        if let Some(open) = &self.open {
            open.file.sync_data().map_err(io(&open.path))?;
        }
        Ok(Mark { made: self.made, acked: self.acked, written: self.written })
    }

    /// Deletes the segments that hold nothing after message `seq`.
    ///
    /// # Errors
    /// A file cannot be deleted.
    pub fn forget(&mut self, seq: u64) -> Result<(), SpoolError> {
        while let Some(first) = self.segments.front().copied() {
            let last = self.segments.get(1).map_or(self.written.seq, |next| next - 1);
            if last > seq {
                break;
            }
            if self.segments.len() == 1 {
                self.open = None;
            }
            let path = segment::path(&self.dir, first);
            fs::remove_file(&path).map_err(io(&path))?;
            self.segments.pop_front();
        }
        Ok(())
    }

    /// Messages from `first` on, at most `most` of them, as far as they were made. Reading on where the last reading ended costs
    /// nothing but the messages.
    ///
    /// # Errors
    /// A message that is not acknowledged is damaged or missing.
    pub fn read(&mut self, first: u64, most: usize) -> Result<Vec<Message>, SpoolError> {
        let (mut messages, mut seq) = (Vec::new(), first);
        while messages.len() < most && seq <= self.before_tail() {
            messages.push(self.read_written(seq)?);
            seq += 1;
        }
        let skipped = usize::try_from(seq - 1 - self.before_tail().min(seq - 1)).unwrap_or(usize::MAX);
        messages.extend(self.tail.iter().skip(skipped).take(most - messages.len()).cloned());
        Ok(messages)
    }

    fn read_written(&mut self, seq: u64) -> Result<Message, SpoolError> {
        let missing = || SpoolError::Missing { dir: self.dir.clone(), seq };
        let i = self.segments.partition_point(|first| *first <= seq).checked_sub(1).ok_or_else(missing)?;
        let (first, path) = (self.segments[i], segment::path(&self.dir, self.segments[i]));
        let mut reading = match self.reading.take() {
            Some(reading) if reading.first() == first && reading.next_seq() <= seq && reading.has_more() => reading,
            _ => Reading::open(&path, first)?,
        };
        loop {
            let next = reading.next_seq();
            let record = reading.next().map_err(|problem| broken(&path, next, problem))?.ok_or_else(missing)?;
            if next == seq {
                let message = record.message().map_err(|problem| broken(&path, seq, problem))?;
                self.reading = Some(reading);
                return Ok(message);
            }
        }
    }
}

fn broken(path: &Path, seq: u64, problem: String) -> SpoolError {
    SpoolError::Broken { path: path.to_owned(), seq, problem }
}

fn sync_dir(dir: &Path) -> Result<(), SpoolError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(io(dir))
}

fn remove_dir(dir: &Path) -> Result<(), SpoolError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(dir)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
