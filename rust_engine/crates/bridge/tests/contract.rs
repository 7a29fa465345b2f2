//! Golden messages and frames are read by this test and by `tests/contract/`, so both languages mean the same.

// The lint's exception for tests covers functions marked as tests, not what they share.
#![allow(clippy::unwrap_used)]

use bridge::packet::{Body, BodyRef};
use model::config::BridgeEncoding;
use model::message::{Challenge, GapFill, Heartbeat, Hello, Welcome, message_schemas};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

fn golden() -> Vec<(String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../tests/contract/messages");
    let read = |path: PathBuf| {
        let sample: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let kind = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert_eq!(sample["kind"], kind.as_str());
        (kind, sample["body"].clone())
    };
    std::fs::read_dir(&folder).unwrap().map(|entry| read(entry.unwrap().path())).collect()
}

fn through<T: Serialize + DeserializeOwned>(body: BodyRef<'_>, encoding: BridgeEncoding) -> Result<Body, String> {
    let value: T = body.read().map_err(|e| e.to_string())?;
    Body::new(&value, encoding).map_err(|e| e.to_string())
}

/// Reads a body of any kind and writes it again, perhaps in another encoding.
fn again(kind: &str, body: BodyRef<'_>, encoding: BridgeEncoding) -> Result<Body, String> {
    match kind {
        "challenge" => through::<Challenge>(body, encoding),
        "hello" => through::<Hello>(body, encoding),
        "welcome" => through::<Welcome>(body, encoding),
        "heartbeat" => through::<Heartbeat>(body, encoding),
        "gap_fill" => through::<GapFill>(body, encoding),
        other => Ok(Body::of_message(&body.message(other)?, encoding).unwrap()),
    }
}

fn text(body: &Body) -> &str {
    match body {
        Body::Json(text) => text.get(),
        Body::Msgpack(_) => panic!("this is MessagePack"),
    }
}

#[test]
fn every_kind_has_one_golden_message() {
    let kinds: BTreeSet<&str> = message_schemas().into_keys().collect();
    let golden = golden();
    assert_eq!(golden.iter().map(|(kind, _)| kind.as_str()).collect::<BTreeSet<_>>(), kinds);
}

#[test]
fn a_golden_message_says_the_same_again_in_both_encodings() {
    for (kind, sample) in golden() {
        let given = sample.to_string();
        let json = again(&kind, BodyRef::Json(&given), BridgeEncoding::Json).unwrap();
        assert_eq!(serde_json::from_str::<Value>(text(&json)).unwrap(), sample, "{kind}");
        let packed = again(&kind, BodyRef::Json(&given), BridgeEncoding::Msgpack).unwrap();
        let Body::Msgpack(bytes) = packed else { panic!("{kind} is no MessagePack") };
        let back = again(&kind, BodyRef::Msgpack(&bytes), BridgeEncoding::Json).unwrap();
        assert_eq!(text(&back), text(&json), "{kind}");
    }
}

#[test]
fn a_body_with_a_foreign_field_is_refused_in_both_encodings() {
    for (kind, mut body) in golden() {
        body["foreign"] = 1.into();
        assert!(again(&kind, BodyRef::Json(&body.to_string()), BridgeEncoding::Json).is_err(), "{kind}");
        let bytes = rmp_serde::to_vec_named(&body).unwrap();
        assert!(again(&kind, BodyRef::Msgpack(&bytes), BridgeEncoding::Json).is_err(), "{kind}");
    }
}
