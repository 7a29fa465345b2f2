//! Snapshots: the whole state of a run at one record of its journal, so that a start replays minutes and not months.
//!
//! A snapshot is only a shortcut. It is used if its checksum holds, if the same code wrote it, and if what was read back
//! writes the same bytes again; otherwise the older one is, and at last the journal from its beginning.
//!
//! File: `xcsnap`, format (u16), length of the header (u64), header, state, SHA-256 of all of it; numbers little-endian.

use crate::journal;
use crate::market_log;
use crate::numbered;
use crate::spool;
use crate::whole_file;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use strategies::state::{from_bytes, to_bytes};

/// The code that writes and reads snapshots here: a hash over its sources.
pub const BUILD: &str = env!("XCRACK_SOURCES");

const MAGIC: &[u8; 6] = b"xcsnap";
const FORMAT: u16 = 2;
const LENGTH_AT: usize = MAGIC.len() + 2;
const HEADER_AT: usize = LENGTH_AT + 8;
const SHA256_BYTES: usize = 32;

/// Why a snapshot is not used. The run itself is not in danger: its journal is.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Its bytes are not those that were written.
    #[error("{path} is damaged and not used: {problem}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How that shows.
        problem: String,
    },
    /// It is whole, and this build does not read it.
    #[error("{path} is not used: {problem}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
}

/// Everything about a snapshot but the state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`BUILD`] of the code that wrote it.
    pub build: String,
    /// The last record of the journal that the state contains.
    pub journal: journal::Position,
    /// The last seal of the market log that the state contains.
    pub market: market_log::Position,
    /// Last message of the worker that is in the journal.
    pub received_seq: u64,
    /// Own messages, and where the spool holds those that are not acknowledged.
    pub messages: spool::Mark,
}

/// A snapshot in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// What it is of.
    pub header: Header,
    /// The state, as its owner wrote it.
    pub state: Vec<u8>,
}

impl Snapshot {
    fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let header = to_bytes(&self.header).map_err(io::Error::other)?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&self.state);
        let sha256: [u8; SHA256_BYTES] = Sha256::digest(&bytes).into();
        bytes.extend_from_slice(&sha256);
        Ok(bytes)
    }

    /// What stands between the magic bytes and the checksum; the error says in words how damage shows.
    fn content(bytes: &[u8]) -> Result<&[u8], String> {
        let (content, sha256) = bytes.split_last_chunk::<SHA256_BYTES>().ok_or("it is too short")?;
        let found: [u8; SHA256_BYTES] = Sha256::digest(content).into();
        if found != *sha256 {
            return Err("its checksum does not hold".to_owned());
        }
        Ok(content)
    }

    fn parse(content: &[u8]) -> Result<Self, String> {
        let format = content.get(MAGIC.len()..LENGTH_AT).and_then(|b| b.try_into().ok()).map(u16::from_le_bytes);
        if !content.starts_with(MAGIC) || format != Some(FORMAT) {
            return Err(format!("it has another format than {FORMAT}"));
        }
        let length = content.get(LENGTH_AT..HEADER_AT).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        let length = length.and_then(|n| usize::try_from(n).ok()).ok_or("it is too short")?;
        let rest = &content[HEADER_AT..];
        let (header, state) = rest.split_at_checked(length).ok_or("it is too short")?;
        let header: Header = from_bytes(header).map_err(|e| e.to_string())?;
        if header.build != BUILD {
            return Err(format!("build {} wrote it, this is {BUILD}", header.build));
        }
        Ok(Self { header, state: state.to_vec() })
    }
}

fn name(n: u64) -> String {
    format!("snapshot-{n:012}.bin")
}

/// The snapshots in `state_dir`, newest first, by the record that they were taken of.
///
/// # Errors
/// The directory cannot be read.
pub fn list(state_dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = numbered::list(state_dir, "snapshot-", ".bin")?;
    found.reverse();
    Ok(found)
}

/// Reads one snapshot.
///
/// # Errors
/// [`Unusable`] says why it cannot be used by this build.
pub fn load(path: &Path) -> Result<Snapshot, Unusable> {
    let damaged = |problem: String| Unusable::Damaged { path: path.to_owned(), problem };
    let bytes = fs::read(path).map_err(|e| damaged(e.to_string()))?;
    let content = Snapshot::content(&bytes).map_err(damaged)?;
    let snapshot = Snapshot::parse(content).map_err(|problem| Unusable::Foreign { path: path.to_owned(), problem })?;
    if path.file_name().is_none_or(|found| found != name(snapshot.header.journal.n).as_str()) {
        return Err(damaged(format!("it is of record {}", snapshot.header.journal.n)));
    }
    Ok(snapshot)
}

/// Puts a snapshot beside the journal, whole or not at all, and deletes every other one but that of record `keep`.
///
/// # Errors
/// The disk refused. The run can go on: its journal holds everything.
pub fn save(state_dir: &Path, snapshot: &Snapshot, keep: Option<u64>) -> io::Result<()> {
    let n = snapshot.header.journal.n;
    whole_file::replace(&state_dir.join(name(n)), &state_dir.join("snapshot.tmp"), &snapshot.to_bytes()?)?;
    for (other, path) in list(state_dir)? {
        if other != n && Some(other) != keep {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
