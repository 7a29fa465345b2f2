//! Standard output, whose reader may leave before the end, as `head` does.

use anyhow::Result;
use serde_json::Value;
use std::fmt;
use std::io::{ErrorKind, Write};

/// Nobody reads what is printed. It is said to nobody: who left has enough.
#[derive(Debug)]
pub struct Unread;

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the output any more")
    }
}

impl std::error::Error for Unread {}

/// Prints a line.
///
/// # Errors
/// [`Unread`], or why it could not be written.
pub fn line(text: &str) -> Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Unread.into()),
        written => Ok(written?),
    }
}

/// Prints a value as indented JSON.
///
/// # Errors
/// As [`line`].
pub fn json(value: &Value) -> Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}
