//! A recorded session: one line is the receive stamp in nanoseconds, a space, and the text as it came.

use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Why a recording was refused.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file cannot be read.
    #[error("capture {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line without a stamp.
    #[error("capture, line {0}: not a stamp in nanoseconds and a text")]
    Line(usize),
    /// Nothing in it.
    #[error("the capture is empty")]
    Empty,
}

/// One recorded message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was received.
    pub at_ns: i64,
    /// The stream it came on; empty for the answer to a request for the whole book.
    pub stream: String,
    /// The text as it came.
    pub text: String,
}

/// A recorded session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Its messages, in the order of arrival; never empty.
    pub lines: Vec<Line>,
}

impl Capture {
    /// Reads a file, compressed by gzip where its name ends in `.gz`.
    ///
    /// # Errors
    /// [`CaptureError`].
    pub fn read(path: &Path) -> Result<Self, CaptureError> {
        Self::read_seconds(path, i64::MAX)
    }

    /// Reads the first `seconds` of a file, as [`Capture::read`].
    ///
    /// # Errors
    /// [`CaptureError`].
    pub fn read_seconds(path: &Path, seconds: i64) -> Result<Self, CaptureError> {
        let failed = |source| CaptureError::File { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let is_compressed = path.extension().is_some_and(|extension| extension == "gz");
        let reader: Box<dyn Read> = if is_compressed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let mut lines = Vec::new();
        for (number, line) in BufReader::new(reader).lines().enumerate() {
            let line = parse_line(&line.map_err(failed)?).ok_or(CaptureError::Line(number + 1))?;
            let began_at_ns = lines.first().map_or(line.at_ns, |first: &Line| first.at_ns);
            if line.at_ns > began_at_ns.saturating_add(seconds.saturating_mul(1_000_000_000)) {
                break;
            }
            lines.push(line);
        }
        Self::new(lines)
    }

    /// A capture of these lines.
    ///
    /// # Errors
    /// [`CaptureError::Empty`].
    pub fn new(lines: Vec<Line>) -> Result<Self, CaptureError> {
        if lines.is_empty() { Err(CaptureError::Empty) } else { Ok(Self { lines }) }
    }

    /// The stamp of the first message.
    #[must_use]
    pub fn began_at_ns(&self) -> i64 {
        self.lines.first().map_or(0, |line| line.at_ns)
    }

    /// The stamp of the last message.
    #[must_use]
    pub fn ended_at_ns(&self) -> i64 {
        self.lines.last().map_or(0, |line| line.at_ns)
    }

    /// The number of the `n`th line (from 0) whose stream contains `part`.
    #[must_use]
    pub fn nth(&self, part: &str, n: usize) -> Option<usize> {
        self.lines.iter().enumerate().filter(|(_, line)| line.stream.contains(part)).map(|(number, _)| number).nth(n)
    }
}

fn parse_line(line: &str) -> Option<Line> {
    let (stamp, text) = line.split_once(' ')?;
    let stream = text.strip_prefix(r#"{"stream":""#).and_then(|rest| rest.split_once('"')).map_or("", |(name, _)| name);
    Some(Line { at_ns: stamp.parse().ok()?, stream: stream.to_owned(), text: text.to_owned() })
}
