//! The golden frames: one short conversation in every style, byte for byte. `tests/contract/` holds the worker's own
//! implementation to the same file. `XCRACK_WRITE_GOLDEN=1` writes it anew after a change of the protocol.

// The lint's exception for tests covers functions marked as tests, not what they share.
#![allow(clippy::unwrap_used)]

use bridge::session::Event;
use bridge::{About, Now, Pulse, Secret, Session, Style};
use model::TradingState;
use model::config::{BridgeCompression, BridgeEncoding};
use model::message::{Hello, Message};
use serde_json::{Value, json};
use std::path::PathBuf;

const SECRET: &str = "golden secret of the contract";
const WORKER_NONCE: &str = "ffeeddccbbaa99887766554433221100";
const ENGINE_NONCE: &str = "00112233445566778899aabbccddeeff";
const EPOCH: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const START_NS: i64 = 1_772_316_001_000_000_000;

fn contract() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../tests/contract")
}

fn sample(kind: &str) -> String {
    let text = std::fs::read_to_string(contract().join("messages").join(format!("{kind}.json"))).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["body"].to_string()
}

fn message(kind: &str) -> Message {
    Message::parse(kind, &sample(kind)).unwrap().unwrap()
}

fn now(ms: i64) -> Now {
    Now { at_ns: START_NS + ms * 1_000_000, shared_ns: None }
}

/// Two sides, and what went between them.
struct Talk {
    engine: Session,
    worker: Session,
    frames: Vec<Value>,
}

impl Talk {
    /// Notes a frame and hands it to the other side.
    fn pass(&mut self, from: &str, frame: &[u8], ms: i64) -> Vec<Event> {
        self.frames.push(json!({ "from": from, "hex": hex::encode(frame) }));
        let mut events = Vec::new();
        let reader = if from == "worker" { &mut self.engine } else { &mut self.worker };
        reader.receive(frame, now(ms), &mut events).unwrap();
        events
    }

    fn exchange(&mut self, from: &str, ms: i64) -> Vec<Event> {
        let side = if from == "worker" { &mut self.worker } else { &mut self.engine };
        let pulse = Pulse { reached_ns: if from == "worker" { 0 } else { 7 }, state: TradingState::Active };
        let frame = side.transmit(now(ms), pulse).unwrap().unwrap();
        self.pass(from, &frame, ms)
    }
}

fn open(style: Style) -> Talk {
    let secret = Secret::new(SECRET.as_bytes()).unwrap();
    let engine = Session::engine(secret.clone(), style);
    let mut talk = Talk { engine, worker: Session::worker(secret, EPOCH.to_owned()), frames: Vec::new() };
    talk.engine.restore(4, 0);
    talk.worker.restore(0, 4);
    assert_eq!(talk.engine.open(ENGINE_NONCE.to_owned()).unwrap(), None);
    let challenge = talk.worker.open(WORKER_NONCE.to_owned()).unwrap().unwrap();
    assert_eq!(talk.pass("worker", &challenge, 0), [Event::Challenged]);
    let hello: Hello = serde_json::from_str(&sample("hello")).unwrap();
    let about = About {
        engine_id: hello.engine_id,
        build: hello.build,
        instances: hello.instances,
        pulse: Pulse { reached_ns: hello.reached_ns, state: hello.state },
    };
    let hello = talk.engine.greet(&about).unwrap();
    assert!(matches!(talk.pass("engine", &hello, 1)[..], [Event::Greeted(_)]));
    let welcome = talk.worker.welcome().unwrap();
    assert_eq!(talk.pass("worker", &welcome, 2), [Event::Opened]);
    talk
}

/// The conversation: everything that a packet can carry, in both directions.
fn converse(style: Style) -> Vec<Value> {
    let mut talk = open(style);
    for kind in ["trade_event", "performance_feedback", "reached"] {
        talk.engine.enqueue(message(kind));
    }
    for kind in ["params_update", "command"] {
        talk.worker.enqueue(message(kind));
    }
    for kind in ["prediction", "prediction", "mev_opportunity"] {
        talk.worker.offer(message(kind), now(2)).unwrap();
    }
    assert!(talk.exchange("worker", 3).is_empty());
    assert_eq!(talk.exchange("engine", 4).len(), 3);
    let got = talk.exchange("worker", 5);
    assert!(matches!(
        got[..],
        [
            Event::Message { seq: 5, .. },
            Event::Message { seq: 6, .. },
            Event::Signal(Message::Prediction(_)),
            Event::Signal(Message::MevOpportunity(_))
        ]
    ));
    talk.engine.confirm(6);
    talk.worker.confirm(3);
    assert!(talk.exchange("engine", 6).is_empty());
    assert!(talk.exchange("worker", 7).is_empty());
    assert_eq!((talk.engine.acked_seq(), talk.worker.acked_seq()), (3, 6));
    assert_eq!(talk.worker.signals_out().acked, 3);
    // A second later both say that they live, and what they measured.
    assert!(talk.exchange("worker", 1010).is_empty());
    assert!(talk.exchange("engine", 1012).is_empty());
    assert_eq!(talk.worker.monitor().last_round_trip_ns(), Some(0));
    talk.frames
}

#[test]
fn the_golden_conversation_is_what_this_build_says() {
    let mut conversations = Vec::new();
    for encoding in [BridgeEncoding::Json, BridgeEncoding::Msgpack] {
        for compression in [BridgeCompression::None, BridgeCompression::Zlib] {
            let frames = converse(Style { encoding, compression });
            conversations.push(json!({ "encoding": encoding, "compression": compression, "frames": frames }));
        }
    }
    let made = json!({
        "secret": SECRET, "worker_nonce": WORKER_NONCE, "engine_nonce": ENGINE_NONCE, "epoch": EPOCH,
        "conversations": conversations,
    });
    let path = contract().join("frames.json");
    if std::env::var_os("XCRACK_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{made:#}\n")).unwrap();
    }
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(golden, made);
}
