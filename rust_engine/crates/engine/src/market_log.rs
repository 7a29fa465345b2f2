//! Live market events on disk, before anything that they caused leaves.
//!
//! A log is a chain of segments in `<state_dir>/market/`, each a file of equal [`rows`] that NumPy reads as one array. Every
//! batch of events ends with a seal: the running SHA-256 of its segment. A segment's header holds the hash of the segment
//! before. The journal names each seal, so it decides how much of the log counts: what follows the last seal that it names
//! was never acted upon and is cut off; any damage before is named by segment and row, and the engine does not start.

pub mod reader;
pub mod rows;

use crate::numbered;
use model::{MarketEvent, Ts};
use rows::{ROW_BYTES, Row};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

pub use reader::MarketLogReader;

/// Directory of the segments in the state directory.
pub const MARKET_DIR: &str = "market";

/// Says how many event rows at the beginning of the log were deleted, so that a lost segment is not taken for a deleted one.
const DELETED_FILE: &str = "deleted";

/// Why the market log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MarketLogError {
    /// A file or directory failed.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A row is not what was written.
    #[error(
        "{path}: row {row} is damaged ({problem}). Nothing after it can be trusted, so the engine does not start: \
         restore the file from a copy, or start with a new state_dir and a new engine_id"
    )]
    Broken {
        /// The segment.
        path: PathBuf,
        /// The first damaged row of the file, from 0, the header.
        row: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The log is shorter than the journal says, or its beginning is gone.
    #[error(
        "{dir} does not hold event row {row}, which the journal counts on: restore the missing segments from a copy, or start \
         with a new state_dir and a new engine_id"
    )]
    Missing {
        /// Directory of the log.
        dir: PathBuf,
        /// The first missing row.
        row: u64,
    },
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> MarketLogError + '_ {
    move |source| MarketLogError::Io { path: path.to_owned(), source }
}

/// A seal: how much of the log there is, and the hash that proves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Event rows up to here, over all segments.
    pub rows: u64,
    /// SHA-256 of the segment up to the seal; zeros before the first.
    pub sha256: [u8; 32],
}

/// When a segment is closed and the next one begins. The batch that fills a segment still goes into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Size from which it is closed.
    pub max_bytes: u64,
    /// Distance of event times from which it is closed.
    pub max_ns: i64,
}

/// The segment files of a log, oldest first, with their numbers.
fn segment_files(dir: &Path) -> Result<Vec<(u64, PathBuf)>, MarketLogError> {
    numbered::list(dir, "segment-", ".rows").map_err(io(dir))
}

fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("segment-{number:08}.rows"))
}

/// The file in which the archive says that it holds a segment: the hex SHA-256 of the segment's final seal.
fn archived_path(segment: &Path) -> PathBuf {
    segment.with_extension("archived")
}

/// Event rows at the beginning of the log that were deleted on purpose, by the newest note of [`MarketLog::delete_archived`].
pub(crate) fn deleted_rows(dir: &Path) -> Result<u64, MarketLogError> {
    let path = dir.join(DELETED_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(io(&path)(error)),
    };
    let unreadable = || std::io::Error::other("it does not say how many event rows were deleted");
    text.trim_end().parse().map_err(|_| io(&path)(unreadable()))
}

fn note_deleted(dir: &Path, rows: u64) -> Result<(), MarketLogError> {
    let (path, unfinished) = (dir.join(DELETED_FILE), dir.join("deleted.tmp"));
    let mut file = File::create(&unfinished).map_err(io(&unfinished))?;
    writeln!(file, "{rows}").and_then(|()| file.sync_all()).map_err(io(&unfinished))?;
    fs::rename(&unfinished, &path).map_err(io(&path))?;
    sync_dir(dir)
}

fn sync_dir(dir: &Path) -> Result<(), MarketLogError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(io(dir))
}

/// The segment that is being written.
#[derive(Debug)]
struct Segment {
    number: u64,
    path: PathBuf,
    file: File,
    sha256: Sha256,
    bytes: u64,
    /// Time of its first event.
    first_at: Option<Ts>,
    unwritten: Vec<u8>,
}

impl Segment {
    fn create(dir: &Path, number: u64, first_row: u64, previous: &[u8; 32]) -> Result<Self, MarketLogError> {
        let path = segment_path(dir, number);
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(io(&path))?;
        sync_dir(dir)?;
        let mut segment =
            Self { number, path, file, sha256: Sha256::new(), bytes: 0, first_at: None, unwritten: Vec::new() };
        segment.push(&Row::header(number, first_row, previous));
        Ok(segment)
    }

    fn push(&mut self, row: &Row) {
        let bytes = row.to_bytes();
        self.sha256.update(bytes);
        self.unwritten.extend_from_slice(&bytes);
        self.bytes += ROW_BYTES as u64;
    }

    fn seal(&mut self, rows: u64, is_final: bool) -> Position {
        let sha256 = self.sha256.clone().finalize().into();
        self.push(&Row::seal(rows, &sha256, is_final));
        Position { rows, sha256 }
    }

    fn sync(&mut self) -> Result<(), MarketLogError> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        self.file.write_all(&self.unwritten).map_err(io(&self.path))?;
        self.file.sync_data().map_err(io(&self.path))?;
        self.unwritten.clear();
        Ok(())
    }

    fn is_full(&self, rotation: &Rotation, at: Ts) -> bool {
        let age_ns = self.first_at.map_or(0, |first| at.0.saturating_sub(first.0));
        self.bytes >= rotation.max_bytes || age_ns >= rotation.max_ns
    }
}

/// The open log of a running engine.
#[derive(Debug)]
pub struct MarketLog {
    dir: PathBuf,
    rotation: Rotation,
    open: Option<Segment>,
    position: Position,
}

impl MarketLog {
    /// Where the log stands, including what is not durable yet.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Adds events under one seal. They are durable after [`MarketLog::sync`] and not before. Without events nothing changes.
    ///
    /// # Errors
    /// A full segment could not be closed, or the next one not begun.
    pub fn append(&mut self, events: &[MarketEvent]) -> Result<Position, MarketLogError> {
        let Some(at) = events.first().map(MarketEvent::at) else { return Ok(self.position) };
        let mut rows = self.position.rows;
        let segment = self.segment_for(at)?;
        segment.first_at.get_or_insert(at);
        for event in events {
            rows::encode(event, |row| {
                segment.push(&row);
                rows += 1;
            });
        }
        self.position = segment.seal(rows, false);
        Ok(self.position)
    }

    /// The segment that takes an event of time `at`: the open one, or a new one where that is full.
    fn segment_for(&mut self, at: Ts) -> Result<&mut Segment, MarketLogError> {
        let segment = match self.open.take() {
            Some(segment) if !segment.is_full(&self.rotation, at) => segment,
            Some(mut full) => {
                let end = full.seal(self.position.rows, true);
                full.sync()?;
                Segment::create(&self.dir, full.number + 1, end.rows + 1, &end.sha256)?
            }
            None => {
                fs::create_dir_all(&self.dir).map_err(io(&self.dir))?;
                Segment::create(&self.dir, 1, 1, &[0; 32])?
            }
        };
        Ok(self.open.insert(segment))
    }

    /// Makes everything added so far durable.
    ///
    /// # Errors
    /// The disk refused. The engine must stop: what it did since cannot be proven.
    pub fn sync(&mut self) -> Result<(), MarketLogError> {
        self.open.as_mut().map_or(Ok(()), Segment::sync)
    }

    /// Deletes the segments that end at or before event row `rows` and that the archive says it holds; returns how many.
    /// An archive whose hash differs from the segment's holds something else, and the segment stays.
    ///
    /// # Errors
    /// A file cannot be read or deleted.
    pub fn delete_archived(&self, rows: u64) -> Result<usize, MarketLogError> {
        let files = segment_files(&self.dir)?;
        let mut deleted = 0;
        for ((_, path), (_, next)) in files.iter().zip(files.iter().skip(1)) {
            let header = reader::read_header(next)?;
            let marker = archived_path(path);
            let archived = fs::read_to_string(&marker).is_ok_and(|text| text.trim() == hex::encode(header.hash(3)));
            if header.count(2) > rows + 1 || !archived {
                // Only a beginning may go: what is left must be one chain.
                break;
            }
            note_deleted(&self.dir, header.count(2) - 1)?;
            fs::remove_file(path).map_err(io(path))?;
            fs::remove_file(&marker).map_err(io(&marker))?;
            deleted += 1;
        }
        Ok(deleted)
    }
}

#[cfg(test)]
#[path = "market_log_tests.rs"]
mod tests;
