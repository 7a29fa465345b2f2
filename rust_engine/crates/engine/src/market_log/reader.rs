//! Reading the market log: batch by batch, each proven by its seal before anything of it is given away.

use super::rows::{self, Decoder, HEADER, MAGIC, ROW_BYTES, Row, SEAL};
use super::{MARKET_DIR, MarketLog, MarketLogError, Position, Rotation, Segment, io, segment_files, sync_dir};
use model::{MarketEvent, Ts};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Rows between two looks at the disk.
const BUFFER_BYTES: usize = 1024 * ROW_BYTES;

fn broken(path: &Path, row: u64, problem: impl Into<String>) -> MarketLogError {
    MarketLogError::Broken { path: path.to_owned(), row, problem: problem.into() }
}

/// The next whole row, or `None` where the file ends, in the middle of a row or not.
fn next_row(file: &mut impl Read, path: &Path) -> Result<Option<[u8; ROW_BYTES]>, MarketLogError> {
    let mut bytes = [0; ROW_BYTES];
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(io(path)(error)),
    }
}

/// The header of a segment.
pub(super) fn read_header(path: &Path) -> Result<Row, MarketLogError> {
    let mut file = File::open(path).map_err(io(path))?;
    let header = next_row(&mut file, path)?.as_ref().and_then(Row::parse);
    let header = header.ok_or_else(|| broken(path, 0, "it is no whole header"))?;
    if header.kind != HEADER || header.v[0] != MAGIC {
        return Err(broken(path, 0, "it is not the header of a segment of this version"));
    }
    Ok(header)
}

/// Whether an engine died before the header of this newest segment was on disk.
fn is_unborn(path: &Path) -> Result<bool, MarketLogError> {
    let mut file = File::open(path).map_err(io(path))?;
    Ok(next_row(&mut file, path)?.is_none_or(|bytes| bytes == [0; ROW_BYTES]))
}

/// A segment that is being read.
struct OpenSegment {
    number: u64,
    path: PathBuf,
    file: BufReader<File>,
    sha256: Sha256,
    /// Rows of the file that were read, the header included.
    row: u64,
    /// Bytes up to the last seal that was read.
    sealed_bytes: u64,
    first_at: Option<Ts>,
}

impl OpenSegment {
    /// Opens a segment behind its header; also gives the number of its first event row and the hash of the one before.
    fn open(number: u64, path: &Path) -> Result<(Self, u64, [u8; 32]), MarketLogError> {
        let header = read_header(path)?;
        if header.count(1) != number {
            return Err(broken(path, 0, format!("it says it is segment {}", header.count(1))));
        }
        let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path).map_err(io(path))?);
        file.seek(SeekFrom::Start(ROW_BYTES as u64)).map_err(io(path))?;
        let mut sha256 = Sha256::new();
        sha256.update(header.to_bytes());
        let path = path.to_owned();
        let sealed_bytes = ROW_BYTES as u64;
        let open = Self { number, path, file, sha256, row: 1, sealed_bytes, first_at: None };
        Ok((open, header.count(2), header.hash(3)))
    }

    fn broken(&self, problem: impl Into<String>) -> MarketLogError {
        broken(&self.path, self.row, problem)
    }

    /// Reads up to the next seal and appends the events before it. `None` where the file ends first.
    fn next_seal(&mut self, rows: u64, events: &mut Vec<MarketEvent>) -> Result<Option<Row>, MarketLogError> {
        let (mut rows, mut decoder) = (rows, Decoder::default());
        while let Some(bytes) = next_row(&mut self.file, &self.path)? {
            let row = Row::parse(&bytes).ok_or_else(|| self.broken("its checksum does not hold"))?;
            if row.kind == SEAL {
                if !decoder.is_between_events() {
                    return Err(self.broken("it seals half a book"));
                }
                if row.count(0) != rows {
                    return Err(self.broken(format!("it seals {} rows, there are {rows}", row.count(0))));
                }
                let found: [u8; 32] = self.sha256.clone().finalize().into();
                if row.hash(1) != found {
                    return Err(self.broken("its hash does not follow from the rows before"));
                }
                self.sha256.update(bytes);
                self.row += 1;
                self.sealed_bytes = self.row * ROW_BYTES as u64;
                return Ok(Some(row));
            }
            if let Some(event) = decoder.push(&row).map_err(|problem| self.broken(problem))? {
                self.first_at.get_or_insert(event.at());
                events.push(event);
            }
            self.sha256.update(bytes);
            self.row += 1;
            rows += 1;
        }
        Ok(None)
    }
}

/// Reads a log from any seal on.
pub struct MarketLogReader {
    dir: PathBuf,
    files: VecDeque<(u64, PathBuf)>,
    /// The newest file, where it holds nothing yet.
    unborn: Option<PathBuf>,
    open: Option<OpenSegment>,
    position: Position,
}

impl MarketLogReader {
    /// Reads from the seal `from` on, or from the first event of the log for [`Position::default`].
    ///
    /// # Errors
    /// The log does not hold that seal, or is damaged before it.
    pub fn open(state_dir: &Path, from: &Position) -> Result<Self, MarketLogError> {
        let dir = state_dir.join(MARKET_DIR);
        let mut files: VecDeque<_> = segment_files(&dir)?.into();
        let unborn = match files.back() {
            Some((_, path)) if is_unborn(path)? => files.pop_back().map(|(_, path)| path),
            _ => None,
        };
        let mut reader = Self { dir, files: VecDeque::new(), unborn, open: None, position: Position::default() };
        if from.rows == 0 {
            reader.files = files;
            return Ok(reader);
        }
        // The seal may be the last of one segment although the next one exists, so the segment is found by its first row.
        let mut first_row = 0;
        while let Some((_, path)) = files.get(1) {
            if read_header(path)?.count(2) > from.rows {
                break;
            }
            files.pop_front();
        }
        if let Some((number, path)) = files.pop_front() {
            let (open, first, _) = OpenSegment::open(number, &path)?;
            (reader.open, first_row) = (Some(open), first);
        }
        if first_row == 0 || first_row > from.rows {
            return Err(reader.missing(from.rows));
        }
        reader.files = files;
        reader.position.rows = first_row - 1;
        reader.read_to(from, |_| ())?;
        Ok(reader)
    }

    /// Reads from the oldest segment on that there still is; `None` where there is none.
    ///
    /// # Errors
    /// Its header is damaged.
    pub fn open_oldest(state_dir: &Path) -> Result<Option<Self>, MarketLogError> {
        let mut reader = Self::open(state_dir, &Position::default())?;
        let Some((_, oldest)) = reader.files.front() else { return Ok(None) };
        let header = read_header(oldest)?;
        reader.position = Position { rows: header.count(2).saturating_sub(1), sha256: header.hash(3) };
        Ok(Some(reader))
    }

    fn missing(&self, row: u64) -> MarketLogError {
        MarketLogError::Missing { dir: self.dir.clone(), row }
    }

    /// The last seal that was read.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Appends the events of the next batch; `None` at the end of the log, whole or torn.
    ///
    /// # Errors
    /// [`MarketLogError::Broken`] names the first bad row.
    pub fn next_batch(&mut self, events: &mut Vec<MarketEvent>) -> Result<Option<Position>, MarketLogError> {
        loop {
            let Some(segment) = &mut self.open else {
                match self.files.pop_front() {
                    Some((number, path)) => self.follow(number, &path)?,
                    None => return Ok(None),
                }
                continue;
            };
            let known = events.len();
            let Some(seal) = segment.next_seal(self.position.rows, events)? else {
                events.truncate(known);
                if self.files.is_empty() {
                    return Ok(None);
                }
                return Err(segment.broken("the segment ends without its final seal, and another one follows"));
            };
            self.position = Position { rows: seal.count(0), sha256: seal.hash(1) };
            if seal.flags & rows::FINAL == 0 {
                return Ok(Some(self.position));
            }
            if !self.files.is_empty() {
                self.open = None;
            }
        }
    }

    /// Goes on with the segment after the last seal.
    fn follow(&mut self, number: u64, path: &Path) -> Result<(), MarketLogError> {
        let (open, first_row, previous) = OpenSegment::open(number, path)?;
        if first_row != self.position.rows + 1 {
            return Err(self.missing(self.position.rows + 1));
        }
        if previous != self.position.sha256 {
            return Err(broken(path, 0, "it does not follow the segment before"));
        }
        self.open = Some(open);
        Ok(())
    }

    /// Gives `out` every event up to the seal `until`.
    ///
    /// # Errors
    /// The log is damaged before it, ends before it, or holds another one in its place.
    pub fn read_to(&mut self, until: &Position, mut out: impl FnMut(MarketEvent)) -> Result<(), MarketLogError> {
        let mut events = Vec::new();
        while self.position.rows < until.rows {
            if self.next_batch(&mut events)?.is_none() {
                return Err(self.missing(self.position.rows + 1));
            }
            events.drain(..).for_each(&mut out);
        }
        if self.position == *until {
            return Ok(());
        }
        Err(match &self.open {
            Some(segment) => broken(&segment.path, segment.row - 1, "the journal knows another seal there"),
            None => self.missing(until.rows),
        })
    }

    /// Cuts off everything after the last seal that was read, and goes on writing there. Also says how many bytes went.
    ///
    /// # Errors
    /// A file or directory failed.
    pub fn into_writer(self, rotation: Rotation) -> Result<(MarketLog, u64), MarketLogError> {
        let Self { dir, files, unborn, open, position } = self;
        let mut cut_bytes = 0;
        // Newest first, so that a crash in between leaves one chain.
        let cut: Vec<&PathBuf> = unborn.iter().chain(files.iter().rev().map(|(_, path)| path)).collect();
        for path in &cut {
            cut_bytes += fs::metadata(path).map_err(io(path))?.len();
            fs::remove_file(path).map_err(io(path))?;
        }
        if !cut.is_empty() {
            sync_dir(&dir)?;
        }
        let Some(read) = open else { return Ok((MarketLog { dir, rotation, open: None, position }, cut_bytes)) };
        let OpenSegment { number, path, sha256, sealed_bytes, first_at, .. } = read;
        let mut file = OpenOptions::new().write(true).open(&path).map_err(io(&path))?;
        let torn = file.metadata().map_err(io(&path))?.len() - sealed_bytes;
        if torn > 0 {
            file.set_len(sealed_bytes).and_then(|()| file.sync_data()).map_err(io(&path))?;
        }
        file.seek(SeekFrom::End(0)).map_err(io(&path))?;
        let bytes = sealed_bytes;
        let segment = Segment { number, path, file, sha256, bytes, first_at, unwritten: Vec::new() };
        Ok((MarketLog { dir, rotation, open: Some(segment), position }, cut_bytes + torn))
    }
}
