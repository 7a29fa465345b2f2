//! Logs: one JSON object a line on stderr, with the time of day in UTC.

use crate::clock;
use serde_json::{Map, Value};
use std::io::Write;

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
    // A closed stderr must not stop the engine, and there is nowhere else to say so.
    drop(writeln!(std::io::stderr(), "{}", Value::Object(line)));
}

/// Something normal happened.
pub fn info(event: &str, fields: Value) {
    write("info", event, fields);
}

/// Something that a person may want to look at.
pub fn warning(event: &str, fields: Value) {
    write("warning", event, fields);
}
