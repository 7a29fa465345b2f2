//! An offline check of everything that a run has on disk.

use super::RunError;
use super::origin::{check_kept, diverged, parse};
use super::recovery::list_snapshots;
use crate::input::Input;
use crate::journal::{JOURNAL_FILE, JournalError, JournalReader, Position};
use crate::market_log::{self, MARKET_DIR, MarketLogError, MarketLogReader};
use crate::snapshot::{self, Snapshot, Unusable};
use crate::spool::{self, Spool, SpoolError};
use std::path::Path;

/// What an offline check found.
#[derive(Debug)]
pub struct Verified {
    /// Records of the journal.
    pub records: u64,
    /// Hash of the last one; empty without any.
    pub sha256: String,
    /// Bytes of an unfinished last record.
    pub torn_bytes: u64,
    /// Event rows of the market log that the journal counts on.
    pub market_rows: u64,
    /// Rows at its beginning that are not there any more, because the archive holds them.
    pub market_rows_deleted: u64,
    /// The snapshots, newest first.
    pub snapshots: Vec<VerifiedSnapshot>,
    /// Messages to the worker that wait on disk, or the first damage among them.
    pub spooled: Result<u64, SpoolError>,
}

/// What was found about one snapshot.
#[derive(Debug)]
pub struct VerifiedSnapshot {
    /// The record that it was taken of.
    pub record: u64,
    /// Why a start passes it over; none where it can be used.
    pub problem: Option<Unusable>,
}

impl Verified {
    /// The first damage that a start passes over, because only a snapshot has it.
    #[must_use]
    pub fn damage(&self) -> Option<&Unusable> {
        let mut problems = self.snapshots.iter().filter_map(|found| found.problem.as_ref());
        problems.find(|problem| matches!(problem, Unusable::Damaged { .. }))
    }
}

/// The snapshots of a run on their way through its journal.
struct Snapshots {
    /// Newest first, by record.
    found: Vec<(u64, Result<Snapshot, Unusable>)>,
}

impl Snapshots {
    fn load(state_dir: &Path) -> Result<Self, RunError> {
        let files = list_snapshots(state_dir)?;
        let check = |path: &Path| {
            let found = snapshot::load(path)?;
            let spooled = Spool::check(state_dir, &found.header.messages);
            spooled.map(|()| found).map_err(|e| Unusable::Damaged { path: path.to_owned(), problem: e.to_string() })
        };
        Ok(Self { found: files.into_iter().map(|(n, path)| (n, check(&path))).collect() })
    }

    /// Checks those that were taken of the record that was just read.
    fn check(&self, state_dir: &Path, position: &Position) -> Result<(), RunError> {
        let of_record = self.found.iter().filter(|(n, _)| *n == position.n);
        let mut usable = of_record.filter_map(|(_, found)| found.as_ref().ok());
        if usable.any(|snapshot| snapshot.header.journal != *position) {
            return Err(lacks(state_dir, position.n));
        }
        Ok(())
    }

    /// Checks that the journal reaches every one of them, and that a start needs no rows that are gone.
    fn check_end(&self, state_dir: &Path, last: u64, rows_deleted: u64) -> Result<(), RunError> {
        // A whole one that this build cannot read was taken of a record all the same.
        let taken = |(n, found): &&(u64, Result<Snapshot, Unusable>)| {
            *n > last && !matches!(found, Err(Unusable::Damaged { .. }))
        };
        if let Some((n, _)) = self.found.iter().find(taken) {
            return Err(lacks(state_dir, *n));
        }
        let mut usable = self.found.iter().filter_map(|(_, found)| found.as_ref().ok());
        if rows_deleted > 0 && !usable.any(|snapshot| snapshot.header.market.rows >= rows_deleted) {
            return Err(MarketLogError::Missing { dir: state_dir.join(MARKET_DIR), row: 1 }.into());
        }
        Ok(())
    }
}

fn lacks(state_dir: &Path, n: u64) -> RunError {
    JournalError::Lacks { path: state_dir.join(JOURNAL_FILE), n }.into()
}

/// Checks everything on disk against its checksums and against each other, without replaying it.
///
/// # Errors
/// The first damage that stops a start, by file and record or row. A damaged snapshot stops none: see [`Verified::damage`].
pub fn verify(state_dir: &Path) -> Result<Verified, RunError> {
    let snapshots = Snapshots::load(state_dir)?;
    let mut journal = JournalReader::open(state_dir)?;
    let mut market = match MarketLogReader::open_oldest(state_dir)? {
        Some(oldest) => oldest,
        None => MarketLogReader::open(state_dir, &market_log::Position::default())?,
    };
    let (market_dir, market_rows_deleted) = (state_dir.join(MARKET_DIR), market.position().rows);
    let noted = market_log::deleted_rows(&market_dir)?;
    if market_rows_deleted > noted {
        return Err(MarketLogError::Missing { dir: market_dir, row: noted + 1 }.into());
    }
    while let Some(record) = journal.next_record()? {
        match parse(&record)? {
            Input::Start(start) if record.n == 1 => check_kept(state_dir, &start)?,
            Input::Market(batch) => {
                let seal = batch.seal().ok_or_else(|| diverged(record.n, "it names no seal".to_owned()))?;
                if seal.rows > market_rows_deleted {
                    market.read_to(&seal, |_| ())?;
                }
            }
            _ => (),
        }
        snapshots.check(state_dir, journal.position())?;
    }
    let n = journal.position().n;
    snapshots.check_end(state_dir, n, market_rows_deleted)?;
    let told = |(record, found): (u64, Result<Snapshot, Unusable>)| VerifiedSnapshot { record, problem: found.err() };
    Ok(Verified {
        records: n,
        sha256: journal.position().hash.clone(),
        torn_bytes: journal.torn_bytes()?,
        market_rows: market.position().rows,
        market_rows_deleted,
        snapshots: snapshots.found.into_iter().map(told).collect(),
        spooled: spool::verify(state_dir),
    })
}
