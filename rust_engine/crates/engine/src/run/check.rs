//! An offline check of everything that a run has on disk.

use super::RunError;
use super::origin::{diverged, parse};
use super::recovery::list_snapshots;
use crate::input::Input;
use crate::journal::JournalReader;
use crate::market_log::{self, MarketLogReader};
use crate::snapshot;
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
    /// The snapshots by record, newest first, each with the reason why it cannot be used, if there is one.
    pub snapshots: Vec<(u64, Option<String>)>,
}

/// Checks everything on disk against its checksums and against each other, without replaying it.
///
/// # Errors
/// The first damage, by file and record or row.
pub fn verify(state_dir: &Path) -> Result<Verified, RunError> {
    let mut snapshots = Vec::new();
    for (n, path) in list_snapshots(state_dir)? {
        snapshots.push((n, snapshot::load(&path).map_err(|e| e.to_string())));
    }
    let mut journal = JournalReader::open(state_dir)?;
    let mut market = match MarketLogReader::open_oldest(state_dir)? {
        Some(oldest) => oldest,
        None => MarketLogReader::open(state_dir, &market_log::Position::default())?,
    };
    let market_rows_deleted = market.position().rows;
    while let Some(record) = journal.next_record()? {
        if let Input::Market(batch) = parse(&record)? {
            let seal = batch.seal().ok_or_else(|| diverged(record.n, "it names no seal".to_owned()))?;
            if seal.rows > market_rows_deleted {
                market.read_to(&seal, |_| ())?;
            }
        }
        for (n, found) in &mut snapshots {
            if *n == record.n && found.as_ref().is_ok_and(|s| s.header.journal != *journal.position()) {
                *found = Err("it was taken of another journal".to_owned());
            }
        }
    }
    let n = journal.position().n;
    for (of, found) in &mut snapshots {
        if *of > n {
            *found = Err(format!("the journal ends at record {n}"));
        }
    }
    Ok(Verified {
        records: n,
        sha256: journal.position().hash.clone(),
        torn_bytes: journal.torn_bytes()?,
        market_rows: market.position().rows,
        market_rows_deleted,
        snapshots: snapshots.into_iter().map(|(n, found)| (n, found.err())).collect(),
    })
}
