//! The head: number and hash of the last durable record, in a file beside the journal.
//!
//! A chain proves each record by the one before, and nothing proves that the last one is still there. The head does: a journal
//! that lost whole records at its end does not hold the record that the head names. It is written after the record is durable
//! and is not flushed itself, so it may be behind, which is no damage, and is never ahead.

use super::{JournalError, Position, io};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Name of the head in the directory of the journal.
pub const HEAD_FILE: &str = "journal.head";
/// Hex digits of the checksum.
const CHECK_DIGITS: usize = 16;
/// A head that is being written is read whole at the next try.
const TRIES: usize = 8;

fn line(n: u64, hash: &str) -> String {
    let named = format!("{n:020} {hash}");
    let check = hex::encode(Sha256::digest(&named));
    format!("{named} {}\n", &check[..CHECK_DIGITS])
}

/// The record that a head names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) n: u64,
    pub(super) hash: String,
}

impl Named {
    /// What the head in `state_dir` names. None where there is no head, or where its bytes never reached the disk.
    pub(super) fn read(state_dir: &Path) -> Result<Option<Self>, JournalError> {
        let path = state_dir.join(HEAD_FILE);
        for _ in 0..TRIES {
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(source) => return Err(JournalError::Io { path, source }),
            };
            if bytes.iter().all(|b| *b == 0) {
                return Ok(None);
            }
            if let Some(named) = Self::parse(&bytes) {
                return Ok(Some(named));
            }
        }
        Err(JournalError::Head { path })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut fields = text.split(' ');
        let (n, hash) = (fields.next()?.parse().ok()?, fields.next()?);
        (line(n, hash) == text).then(|| Self { n, hash: hash.to_owned() })
    }
}

/// The head of a journal that is being written.
#[derive(Debug)]
pub(super) struct Head {
    path: PathBuf,
    file: File,
}

impl Head {
    /// Opens it, made if needed.
    pub(super) fn open(state_dir: &Path) -> Result<Self, JournalError> {
        let path = state_dir.join(HEAD_FILE);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io(&path))?;
        Ok(Self { path, file })
    }

    /// Names the last record of what is durable by now.
    pub(super) fn name(&self, position: &Position) -> Result<(), JournalError> {
        if position.n == 0 {
            return Ok(());
        }
        self.file.write_all_at(line(position.n, &position.hash).as_bytes(), 0).map_err(io(&self.path))
    }
}
