//! The lock of a state directory.

use super::{JournalError, io};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "lock";

/// The right to write in a state directory, held by one engine for as long as this value lives.
#[derive(Debug)]
pub struct StateLock {
    pub(super) state_dir: PathBuf,
    // Held, never read: the lock goes when the process does, however it dies.
    _file: File,
}

impl StateLock {
    /// Makes `state_dir` if needed, and locks it.
    ///
    /// # Errors
    /// The directory is in use, or cannot be made.
    pub fn take(state_dir: &Path) -> Result<Self, JournalError> {
        fs::create_dir_all(state_dir).map_err(io(state_dir))?;
        let path = state_dir.join(LOCK_FILE);
        let file = File::create(&path).map_err(io(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { state_dir: state_dir.to_owned(), _file: file }),
            Err(fs::TryLockError::WouldBlock) => Err(JournalError::Locked(state_dir.to_owned())),
            Err(fs::TryLockError::Error(source)) => Err(JournalError::Io { path, source }),
        }
    }
}
