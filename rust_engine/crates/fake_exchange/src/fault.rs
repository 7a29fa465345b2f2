//! What goes wrong, and at which line of the recording.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// One thing that goes wrong with one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is never sent.
    Drop,
    /// It is sent so many times more.
    Duplicate(usize),
    /// It is sent after so many further lines of its stream.
    Late(usize),
    /// Half of its frame is sent, then the connection ends.
    CutMidFrame,
    /// The connections that carry its stream are closed in good order.
    Close,
    /// Texts that are no messages are sent before it, its own first half among them.
    Garbage,
    /// Its sequence numbers are far ahead.
    WrongSequence,
    /// Nothing is sent for this long; then it and all that follows, that much later.
    Silence(Duration),
    /// A candle that closes at this line or next is never sent, only kept for requests.
    LoseCandle,
}

/// All that goes wrong in one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// By number of the line.
    pub lines: BTreeMap<usize, Fault>,
    /// How requests for the whole book are answered, in their order; all further ones rightly.
    pub books: Vec<BookAnswer>,
}

/// How one request for the whole book is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookAnswer {
    /// As the book is.
    Right,
    /// With this status, and two seconds to wait.
    Status(u16),
    /// With the book as it was when the recording began.
    Old,
    /// With the first half of the text.
    Cut,
}

impl Script {
    /// One fault.
    #[must_use]
    pub fn one(line: usize, fault: Fault) -> Self {
        Self { lines: BTreeMap::from([(line, fault)]), ..Self::default() }
    }
}

/// Texts that no exchange sends, and the first half of `text`.
#[must_use]
pub fn garbage(text: &str) -> Vec<String> {
    let half = text.char_indices().nth(text.chars().count() / 2).map_or("", |(end, _)| &text[..end]);
    let mut texts: Vec<String> =
        ["", "{", "null", "[]", "\u{0}", r#"{"stream":7,"data":[]}"#, r#"{"stream":"x@trade","data":{"s":1}}"#]
            .map(str::to_owned)
            .to_vec();
    texts.push(half.to_owned());
    texts.push("9".repeat(100_000));
    texts
}

/// The same message with its numbers far ahead.
#[must_use]
pub fn with_wrong_sequence(text: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    for key in ["u", "U", "t"] {
        for place in ["/data", "/data/0"] {
            if let Some(number) = value.pointer_mut(place).and_then(|data| data.get_mut(key))
                && let Some(right) = number.as_u64()
            {
                *number = json!(right.saturating_add(1_000_000_000));
            }
        }
    }
    value.to_string()
}
