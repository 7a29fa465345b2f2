//! The files of the spool: a head, then one record a message, each with the hash chain up to it.
//!
//! Head: `xcspool1`, number of the first message (u64), chain before it. Record: length (u32), kind, a line feed, the body as
//! JSON, chain. Numbers are little-endian. Between two segments there may be a gap, of messages that were acknowledged.

use super::{Mark, Position, SPOOL_DIR, SpoolError, broken, io};
use crate::numbered;
use model::message::Message;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"xcspool1";
const HASH_BYTES: usize = 32;
const HEAD_BYTES: usize = MAGIC.len() + 8 + HASH_BYTES;

pub(super) fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("messages-{first:016}.spool"))
}

pub(super) fn header(first: u64, before: &[u8; HASH_BYTES]) -> Vec<u8> {
    [&MAGIC[..], &first.to_le_bytes(), before].concat()
}

fn link(before: &[u8; HASH_BYTES], seq: u64, payload: &[u8]) -> [u8; HASH_BYTES] {
    Sha256::new().chain_update(before).chain_update(seq.to_le_bytes()).chain_update(payload).finalize().into()
}

/// Appends the record of message `seq` to `bytes` and gives the chain up to it.
pub(super) fn encode(
    kind: &str,
    body: &str,
    seq: u64,
    before: &[u8; HASH_BYTES],
    bytes: &mut Vec<u8>,
) -> [u8; HASH_BYTES] {
    let payload = [kind.as_bytes(), b"\n", body.as_bytes()].concat();
    let hash = link(before, seq, &payload);
    // A message has far less than four gigabytes: a frame has at most one mebibyte.
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&payload);
    bytes.extend_from_slice(&hash);
    hash
}

/// The segments in `dir`, oldest first, by their first message.
pub(super) fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, SpoolError> {
    numbered::list(dir, "messages-", ".spool").map_err(io(dir))
}

/// A message as it was written.
pub(super) struct Record<'a>(&'a [u8]);

impl Record<'_> {
    pub(super) fn message(&self) -> Result<Message, String> {
        let text = std::str::from_utf8(self.0).map_err(|e| e.to_string())?;
        let (kind, body) = text.split_once('\n').ok_or("it has no kind")?;
        match Message::parse(kind, body) {
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => Err(format!("{kind}: {error}")),
            None => Err(format!("unknown message '{kind}'")),
        }
    }
}

/// A segment being read, record by record.
#[derive(Debug)]
pub(super) struct Reading {
    first: u64,
    bytes: Vec<u8>,
    at: usize,
    next_seq: u64,
    chain: [u8; HASH_BYTES],
}

impl Reading {
    pub(super) fn open(path: &Path, first: u64) -> Result<Self, SpoolError> {
        let bytes = fs::read(path).map_err(io(path))?;
        let (head, _) =
            bytes.split_at_checked(HEAD_BYTES).ok_or_else(|| broken(path, first, "it is cut".to_owned()))?;
        let (said, before) = head.split_at(HEAD_BYTES - HASH_BYTES);
        if said != &header(first, &[0; HASH_BYTES])[..HEAD_BYTES - HASH_BYTES] {
            return Err(broken(path, first, "the segment has another head".to_owned()));
        }
        let chain = before.try_into().unwrap_or([0; HASH_BYTES]);
        Ok(Self { first, bytes, at: HEAD_BYTES, next_seq: first, chain })
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Whether records are left of what the file was when it was opened.
    pub(super) fn has_more(&self) -> bool {
        self.at < self.bytes.len()
    }

    /// The next record; `None` at the end, where a dying engine may have left a beginning of one.
    pub(super) fn next(&mut self) -> Result<Option<Record<'_>>, String> {
        let rest = &self.bytes[self.at..];
        let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        let Some((payload, rest)) = rest.split_at_checked(length) else { return Ok(None) };
        let Some(hash) = rest.first_chunk::<HASH_BYTES>() else { return Ok(None) };
        if *hash != link(&self.chain, self.next_seq, payload) {
            return Err("its hash does not follow from the message before".to_owned());
        }
        (self.chain, self.next_seq) = (*hash, self.next_seq + 1);
        self.at += 4 + length + HASH_BYTES;
        Ok(Some(Record(payload)))
    }
}

/// What a segment holds up to some message.
struct Part {
    /// Chain before its first message.
    before: [u8; HASH_BYTES],
    end: Position,
    /// Length of the file up to there.
    bytes: u64,
}

/// Reads a segment up to the message before `until`, or its end.
fn read_until(path: &Path, first: u64, until: u64) -> Result<Part, SpoolError> {
    let mut reading = Reading::open(path, first)?;
    let before = reading.chain;
    while reading.next_seq < until {
        let seq = reading.next_seq;
        if reading.next().map_err(|problem| broken(path, seq, problem))?.is_none() {
            break;
        }
    }
    Ok(Part { before, end: Position { seq: reading.next_seq - 1, sha256: reading.chain }, bytes: reading.at as u64 })
}

/// Where the segments in `dir` end that `mark` knows, once it is sure that they hold every message that it needs: the last of them
/// and its length. `None` where none is left, because nobody needs one.
pub(super) fn end_at(dir: &Path, mark: &Mark) -> Result<Option<(PathBuf, u64)>, SpoolError> {
    let missing = |seq| SpoolError::Missing { dir: dir.to_owned(), seq };
    let (needs, last) = (mark.acked < mark.made, mark.written.seq);
    let files: Vec<(u64, PathBuf)> = list(dir)?.into_iter().filter(|(first, _)| *first <= last).collect();
    let from = if needs { files.partition_point(|(first, _)| *first <= mark.acked + 1) } else { files.len() };
    if needs && (from == 0 || last != mark.made) {
        return Err(missing(mark.acked + 1));
    }
    let (mut chain, mut found) = (None, None);
    for (i, (first, path)) in files.iter().enumerate().skip(from.saturating_sub(1)) {
        let until = files.get(i + 1).map_or(last + 1, |(next, _)| *next);
        let part = read_until(path, *first, until)?;
        if chain.is_some_and(|chain| chain != part.before) {
            return Err(broken(path, *first, "it does not follow from the segment before".to_owned()));
        }
        if part.end.seq + 1 != until {
            return Err(missing(part.end.seq + 1));
        }
        if until == last + 1 && part.end != mark.written {
            return Err(broken(path, last, "another run wrote it".to_owned()));
        }
        (chain, found) = (Some(part.end.sha256), Some((path.clone(), part.bytes)));
    }
    Ok(found)
}

/// Checks every segment of the spool in `state_dir` against itself and the one after it; gives how many messages they hold.
///
/// # Errors
/// The first damage. A last segment that ends within its head or a record is whole up to there: a replay makes the rest again.
pub fn verify(state_dir: &Path) -> Result<u64, SpoolError> {
    let (mut held, mut chain) = (0, None);
    let mut files = list(&state_dir.join(SPOOL_DIR))?;
    if let Some((_, newest)) = files.last()
        && fs::metadata(newest).map_err(io(newest))?.len() < HEAD_BYTES as u64
    {
        files.pop();
    }
    for (first, path) in files {
        let part = read_until(&path, first, u64::MAX)?;
        if chain.is_some_and(|chain| chain != part.before) {
            return Err(broken(&path, first, "it does not follow from the segment before".to_owned()));
        }
        (held, chain) = (held + part.end.seq + 1 - first, Some(part.end.sha256));
    }
    Ok(held)
}
