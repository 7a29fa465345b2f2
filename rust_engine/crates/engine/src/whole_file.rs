//! Files that are whole or not there: a kill between two writes leaves what was there before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Puts `bytes` at `path` in one step, durable when this returns; only the owner can read them. They are written to
/// `unfinished` first, in the same directory; what a kill left there is replaced.
///
/// # Errors
/// The disk refused. What stood at `path` is then still there.
pub fn replace(path: &Path, unfinished: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(unfinished, path)?;
    // The new name is durable only once its directory is. A bare file name has no parent to open.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_there_is_exchanged_and_never_written_into() {
        let dir = tempfile::tempdir().unwrap();
        let (path, unfinished, other) = (dir.path().join("name"), dir.path().join("tmp"), dir.path().join("other"));
        fs::write(&path, "the old text").unwrap();
        fs::hard_link(&path, &other).unwrap();
        fs::write(&unfinished, "half a word of an earlier kill, longer than what comes").unwrap();
        replace(&path, &unfinished, b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_to_string(&other).unwrap(), "the old text", "the old file was written into");
        assert!(!unfinished.exists());
    }

    #[test]
    fn a_write_that_fails_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("name");
        fs::write(&path, "old").unwrap();
        assert!(replace(&path, &dir.path().join("missing/tmp"), b"new").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    }
}
