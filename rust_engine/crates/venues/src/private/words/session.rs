//! What the exchange says about the talk itself: its clock, the name of the user stream, and refusals.

use super::{Unread, read, unread};
use serde::Deserialize;

#[derive(Deserialize)]
struct Time {
    #[serde(rename = "serverTime")]
    server_time: i64,
}

/// The exchange's clock, in milliseconds.
pub(in crate::private) fn parse_time(text: &str) -> Result<i64, Unread> {
    read::<Time>("a time", text).map(|time| time.server_time)
}

#[derive(Deserialize)]
struct ListenKey {
    #[serde(rename = "listenKey")]
    listen_key: String,
}

/// The name of a USD-M user stream.
pub(in crate::private) fn parse_listen_key(text: &str) -> Result<String, Unread> {
    let key = read::<ListenKey>("a listen key", text)?.listen_key;
    let is_word = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_word { Ok(key) } else { Err(unread("a listen key", "it is no word")) }
}

/// Code and words of a refusal.
#[derive(Deserialize)]
pub(in crate::private) struct Refusal {
    pub(in crate::private) code: i64,
    pub(in crate::private) msg: String,
}

/// What a refused request got as an answer.
pub(in crate::private) fn parse_refusal(text: &str) -> Option<Refusal> {
    serde_json::from_str(text).ok()
}
