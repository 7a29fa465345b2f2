//! Logs: one JSON object a line on stderr, with the time of day in UTC.

use crate::clock;
use serde_json::{Map, Value};
use std::io::Write;
use std::time::Duration;
use tokio::time::Instant;

/// Distance of two lines about the same thing where a peer could cause thousands a second.
const SELDOM: Duration = Duration::from_secs(1);

/// Writes one line. `fields` must be a JSON object.
pub fn write(level: &str, event: &str, fields: Value) {
    let mut line = Map::new();
    line.insert("timestamp".to_owned(), clock::iso(clock::now()).into());
    line.insert("level".to_owned(), level.into());
    line.insert("room".to_owned(), "engine".into());
    line.insert("event".to_owned(), event.into());
    if let Value::Object(fields) = fields {
        line.extend(fields);
    }
    // One write a line, because stderr has no buffer. A closed one must not stop the engine, and there is nowhere to say so.
    drop(std::io::stderr().write_all(format!("{}\n", Value::Object(line)).as_bytes()));
}

/// Something normal happened.
pub fn info(event: &str, fields: Value) {
    write("info", event, fields);
}

/// Something that a person may want to look at.
pub fn warning(event: &str, fields: Value) {
    write("warning", event, fields);
}

/// Lets one line a second through and counts the others.
#[derive(Debug, Default)]
pub struct Seldom {
    last_at: Option<Instant>,
    silenced: u64,
}

impl Seldom {
    /// Whether a line may be written now: `Some` says how many were not since the last one.
    pub fn due(&mut self, now: Instant) -> Option<u64> {
        if self.last_at.is_some_and(|at| now.saturating_duration_since(at) < SELDOM) {
            self.silenced += 1;
            return None;
        }
        self.last_at = Some(now);
        Some(std::mem::take(&mut self.silenced))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_tells_of_the_others() {
        let (mut seldom, start) = (Seldom::default(), Instant::now());
        assert_eq!(seldom.due(start), Some(0));
        assert_eq!(seldom.due(start + Duration::from_millis(1)), None);
        assert_eq!(seldom.due(start + Duration::from_millis(999)), None);
        assert_eq!(seldom.due(start + Duration::from_secs(1)), Some(2));
        assert_eq!(seldom.due(start + Duration::from_secs(3)), Some(0));
    }
}
