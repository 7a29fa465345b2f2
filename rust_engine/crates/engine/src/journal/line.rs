//! Lines of the journal: which is a record as it was written, and which is the beginning of one that never was whole.

use super::Record;

/// The record that stands in a whole line and follows the one with hash `previous` as number `n`; the error says in words
/// why it is none. A line that reads the same and is written otherwise was changed too, and is refused.
pub(super) fn parse(line: &[u8], n: u64, previous: &str) -> Result<Record, String> {
    let record: Record = serde_json::from_slice(line).map_err(|e| format!("not a record: {e}"))?;
    if record.n != n {
        return Err(format!("it says it is record {}", record.n));
    }
    if record.hash != record.expected_hash(previous) {
        return Err("its hash does not follow from the record before".to_owned());
    }
    let written = serde_json::to_string(&record).map_err(|e| e.to_string())?;
    if line.strip_suffix(b"\n").unwrap_or(line) != written.as_bytes() {
        return Err("it is written otherwise than the engine writes".to_owned());
    }
    Ok(record)
}

/// Whether a line without an end is what a kill in the middle of a write leaves: the beginning of record `n`, or its whole text,
/// or zeros where the file had grown before its bytes were written.
pub(super) fn is_torn(line: &[u8], n: u64, previous: &str) -> bool {
    let written = line.iter().rposition(|b| *b != 0).map_or(&[][..], |last| &line[..=last]);
    let first = format!("{{\"n\":{n},");
    let shared = written.len().min(first.len());
    if written[..shared] != first.as_bytes()[..shared] {
        return false;
    }
    match serde_json::from_slice::<Record>(written) {
        Ok(_) => parse(written, n, previous).is_ok(),
        Err(error) => error.is_eof(),
    }
}
