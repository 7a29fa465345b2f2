//! The golden frames are read by this test and by `tests/contract/test_messages.py`, so both languages mean the same.

// The lint's exception for tests covers functions marked as tests, not what they share.
#![allow(clippy::unwrap_used)]

use bridge::Secret;
use model::message::{Envelope, Heartbeat, Hello, Message, Welcome, message_schemas};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

fn golden() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../tests/contract/messages");
    std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect()
}

/// Reads a body of any kind and writes it again.
fn again(kind: &str, body: &str) -> Result<String, serde_json::Error> {
    match kind {
        "hello" => serde_json::to_string(&serde_json::from_str::<Hello>(body)?),
        "welcome" => serde_json::to_string(&serde_json::from_str::<Welcome>(body)?),
        "heartbeat" => serde_json::to_string(&serde_json::from_str::<Heartbeat>(body)?),
        other => Message::parse(other, body).unwrap()?.body(),
    }
}

#[test]
fn every_kind_has_one_golden_frame() {
    let kinds: BTreeSet<&str> = message_schemas().into_keys().filter(|k| *k != "envelope").collect();
    let golden = golden();
    assert_eq!(golden.iter().map(|(kind, _)| kind.as_str()).collect::<BTreeSet<_>>(), kinds);
}

#[test]
fn a_golden_frame_opens_and_its_message_says_the_same_again() {
    let secret = Secret::new(b"golden secret of the contract").unwrap();
    for (kind, text) in golden() {
        let frame: Envelope = secret.open(&text).unwrap();
        assert_eq!(frame.kind, kind);
        let (then, now): (Value, Value) = (
            serde_json::from_str(&frame.body).unwrap(),
            serde_json::from_str(&again(&kind, &frame.body).unwrap()).unwrap(),
        );
        assert_eq!(now, then, "{kind}");
        let sealed: Envelope =
            serde_json::from_str(&secret.seal(&kind, frame.seq, frame.ack, &frame.body).unwrap()).unwrap();
        assert_eq!(sealed, frame);
    }
}

#[test]
fn a_body_with_a_foreign_field_is_refused() {
    for (kind, text) in golden() {
        let frame: Envelope = serde_json::from_str(&text).unwrap();
        let mut body: Value = serde_json::from_str(&frame.body).unwrap();
        body["foreign"] = 1.into();
        assert!(again(&kind, &body.to_string()).is_err(), "{kind}");
    }
}
