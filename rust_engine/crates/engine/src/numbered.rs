//! Files that carry their place among their kind as a number in their name.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// The files in `dir` with a number between `prefix` and `suffix`, by that number, lowest first; none where there is no such
/// directory. What has another name is passed over.
///
/// # Errors
/// The directory cannot be read.
pub(crate) fn list(dir: &Path, prefix: &str, suffix: &str) -> io::Result<Vec<(u64, PathBuf)>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let number = name.strip_prefix(prefix).and_then(|n| n.strip_suffix(suffix));
        if let Some(number) = number.and_then(|n| n.parse().ok()) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}
