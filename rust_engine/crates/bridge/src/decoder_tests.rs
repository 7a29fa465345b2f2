//! Whatever a frame holds, it is read as something that can be written again, or refused with the error that says so. What is
//! only claimed takes no memory.

use crate::frame::{Channel, FrameError, HEADER_BYTES, MAX_FRAME_BYTES, MAX_PAYLOAD_BYTES, Style};
use crate::handshake;
use crate::mutation::{Mutation, any_mutations, search};
use crate::packet::{Body, BodyRef, Item, Packet, decode, encode};
use crate::secret::{Direction, Key, Secret};
use flate2::Compression;
use flate2::read::ZlibEncoder;
use model::TradingState;
use model::config::{BridgeCompression, BridgeEncoding};
use model::message::{Heartbeat, Hello, Message, Welcome};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseResult;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

const ENCODINGS: [BridgeEncoding; 2] = [BridgeEncoding::Json, BridgeEncoding::Msgpack];
const ZLIB: u8 = 2;

fn golden(kind: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/contract/messages");
    let text = std::fs::read_to_string(folder.join(format!("{kind}.json"))).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["body"].to_string()
}

/// One message of every kind that travels in packets.
fn messages() -> Vec<Message> {
    let kinds = model::message::message_schemas();
    kinds.keys().filter_map(|kind| Message::parse(kind, &golden(kind))).map(Result::unwrap).collect()
}

fn packet(messages: &[Message], encoding: BridgeEncoding) -> Vec<u8> {
    let item = |(message, seq): (&Message, u64)| Item {
        seq,
        kind: Cow::Borrowed(message.kind()),
        body: Body::of_message(message, encoding).unwrap(),
    };
    let heartbeat = Heartbeat { at_ns: 1, echo_ns: 0, held_ns: 2, reached_ns: 3, state: TradingState::Active };
    let packet = Packet {
        ack: 7,
        credit: u64::MAX,
        signal_ack: 2,
        signal_credit: 3,
        heartbeat: Some(heartbeat),
        messages: messages.iter().zip(1..).map(item).collect(),
        signals: messages.iter().take(1).zip(8..).map(item).collect(),
    };
    encode(&packet, encoding).unwrap()
}

/// A packet for each message, one with all of them and one with none.
fn packets(encoding: BridgeEncoding) -> Vec<Vec<u8>> {
    let all = messages();
    let mut packets: Vec<Vec<u8>> = all.iter().map(|m| packet(std::slice::from_ref(m), encoding)).collect();
    packets.extend([packet(&all, encoding), packet(&[], encoding)]);
    packets
}

fn again<'a>(items: &'a [Item<'a, BodyRef<'a>>]) -> Vec<Item<'a, Body>> {
    let body = |body: BodyRef<'_>| match body {
        BodyRef::Json(text) => Body::Json(RawValue::from_string(text.to_owned()).unwrap()),
        BodyRef::Msgpack(bytes) => Body::Msgpack(bytes.to_vec()),
    };
    items.iter().map(|x| Item { seq: x.seq, kind: x.kind.clone(), body: body(x.body) }).collect()
}

/// A payload is no packet, or one that says the same again; so is each message in it.
fn check_payload(payload: &[u8], encoding: BridgeEncoding) -> TestCaseResult {
    let mut read = Err(FrameError::TooShort(0));
    let used = allocation_counter::measure(|| read = decode(payload, encoding));
    prop_assert!(used.bytes_max < 4 * MAX_FRAME_BYTES as u64, "{} bytes for {}", used.bytes_max, payload.len());
    let packet = match read {
        Ok(packet) => packet,
        Err(FrameError::Form(why)) => {
            prop_assert!(!why.is_empty());
            return Ok(());
        }
        Err(other) => return Err(TestCaseError::fail(format!("another error: {other}"))),
    };
    let (messages, signals) = (again(&packet.messages), again(&packet.signals));
    let Packet { ack, credit, signal_ack, signal_credit, .. } = packet;
    let heartbeat = packet.heartbeat.clone();
    let written =
        encode(&Packet { ack, credit, signal_ack, signal_credit, heartbeat, messages, signals }, encoding).unwrap();
    prop_assert_eq!(format!("{:?}", decode(&written, encoding).unwrap()), format!("{packet:?}"));
    for item in packet.messages.iter().chain(&packet.signals) {
        check_body(&item.kind, item.body, encoding)?;
    }
    Ok(())
}

fn check_body(kind: &str, body: BodyRef<'_>, encoding: BridgeEncoding) -> TestCaseResult {
    let mut read = Err(String::new());
    let used = allocation_counter::measure(|| read = body.message(kind));
    prop_assert!(used.bytes_max < 4 * MAX_FRAME_BYTES as u64, "{} bytes for a body", used.bytes_max);
    let message = match read {
        Ok(message) => message,
        Err(why) => {
            prop_assert!(!why.is_empty());
            return Ok(());
        }
    };
    let written = Body::of_message(&message, encoding).unwrap();
    let written = match &written {
        Body::Json(text) => BodyRef::Json(text.get()),
        Body::Msgpack(bytes) => BodyRef::Msgpack(bytes),
    };
    prop_assert_eq!(format!("{:?}", written.message(kind)), format!("{:?}", Ok::<_, String>(message)));
    Ok(())
}

fn key() -> Key {
    Secret::new(b"0123456789abcdef").unwrap().link_key(Direction::Up, "w", "e")
}

fn channel(style: Style) -> Channel {
    let mut channel = Channel::new(key());
    channel.switch(key(), style);
    channel
}

/// A frame with any flags and payload, correctly signed.
fn signed(flags: u8, payload: &[u8]) -> Vec<u8> {
    let tag = key().tag(0, flags, payload);
    [&[flags], &tag[..], payload].concat()
}

fn zlib(payload: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    ZlibEncoder::new(payload, Compression::fast()).read_to_end(&mut packed).unwrap();
    packed
}

/// A signed frame is refused, or gives its payload, unpacked; what was opened can be sealed and opened again.
fn check_frame(flags: u8, payload: &[u8], style: Style) -> TestCaseResult {
    let frame = signed(flags, payload);
    let mut reader = channel(style);
    let mut opened = Ok(Vec::new());
    let used = allocation_counter::measure(|| opened = reader.open(&frame).map(Cow::into_owned));
    prop_assert!(used.bytes_max < 4 * MAX_PAYLOAD_BYTES as u64, "{} bytes for {}", used.bytes_max, frame.len());
    let opened = match opened {
        Ok(opened) => opened,
        Err(FrameError::TooLong(n)) => {
            prop_assert!(n > MAX_FRAME_BYTES);
            return Ok(());
        }
        Err(FrameError::Flags(_) | FrameError::Unpack(_)) => return Ok(()),
        Err(other) => return Err(TestCaseError::fail(format!("another error: {other}"))),
    };
    prop_assert!(opened.len() <= MAX_PAYLOAD_BYTES);
    prop_assert!(flags & ZLIB != 0 || opened == payload);
    if let Ok(frame) = channel(style).seal(&opened) {
        prop_assert_eq!(&*channel(style).open(&frame).unwrap(), &opened[..]);
    }
    check_payload(&opened, style.encoding)
}

/// How a frame is spoilt.
#[derive(Clone, Copy, Debug)]
enum Spoilt {
    /// Its payload, which is then signed.
    Payload,
    /// Its payload, which is then compressed and signed.
    Unpacked,
    /// Its compressed payload, which is then signed.
    Packed,
    /// The frame with its tag.
    Whole,
}

fn spoil(bytes: &[u8], mutations: &[Mutation], other: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    mutations.iter().for_each(|mutation| mutation.apply(&mut bytes, other));
    bytes
}

fn search_frames(n_cases: u32, seed: u64) {
    let samples = ENCODINGS.map(packets);
    let spoilt = prop_oneof![Just(Spoilt::Payload), Just(Spoilt::Unpacked), Just(Spoilt::Packed), Just(Spoilt::Whole)];
    let cases = (0..2_usize, any::<Index>(), any::<Index>(), any_mutations(), spoilt, any::<bool>());
    search(n_cases, seed, &cases, |(encoding, sample, other, mutations, spoilt, zlib_agreed)| {
        let payload = sample.get::<Vec<u8>>(&samples[encoding]);
        // Spliced with another packet of the same encoding or of the other one.
        let other = other.get::<Vec<u8>>(&samples[if zlib_agreed { encoding } else { 1 - encoding }]);
        let compression = if zlib_agreed { BridgeCompression::Zlib } else { BridgeCompression::None };
        let style = Style { encoding: ENCODINGS[encoding], compression };
        let flags = encoding as u8;
        match spoilt {
            Spoilt::Payload => check_frame(flags, &spoil(payload, &mutations, other), style),
            Spoilt::Unpacked => check_frame(flags | ZLIB, &zlib(&spoil(payload, &mutations, other)), style),
            Spoilt::Packed => check_frame(flags | ZLIB, &spoil(&zlib(payload), &mutations, &zlib(other)), style),
            Spoilt::Whole => {
                let frame = channel(style).seal(payload).unwrap();
                let spoilt = spoil(&frame, &mutations, other);
                let is_whole = channel(style).open(&spoilt).is_ok();
                prop_assert!(!is_whole || spoilt == frame, "a frame that nobody signed was opened");
                Ok(())
            }
        }
    });
}

#[test]
fn what_is_sent_is_read_as_it_was_written() {
    for encoding in ENCODINGS {
        for payload in packets(encoding) {
            let packet = decode(&payload, encoding).unwrap();
            assert!(packet.messages.iter().all(|item| item.body.message(&item.kind).is_ok()));
            check_payload(&payload, encoding).unwrap();
        }
    }
}

#[test]
fn a_spoilt_frame_is_read_or_refused_and_takes_no_more_memory_than_it_has_bytes() {
    search_frames(400, 1);
}

#[test]
#[ignore = "soak: three hundred thousand frames"]
fn many_spoilt_frames_are_read_or_refused() {
    search_frames(300_000, 2);
}

/// Reads an opening frame of each kind and writes it again; the numbers in it are what they were.
fn check_openings(payload: &[u8]) -> TestCaseResult {
    let style = Style { encoding: BridgeEncoding::Msgpack, compression: BridgeCompression::Zlib };
    if let Ok(challenge) = handshake::read_challenge(payload, style) {
        let again = handshake::write("challenge", &challenge).unwrap();
        prop_assert_eq!(handshake::read_challenge(&again, style).unwrap(), challenge);
    }
    let hello: Hello = serde_json::from_str(&golden("hello")).unwrap();
    if let Ok(hello) = handshake::read_hello(payload, &hello.worker_nonce) {
        let again = handshake::write("hello", &hello).unwrap();
        prop_assert_eq!(handshake::read_hello(&again, &hello.worker_nonce).unwrap(), hello);
    }
    let welcome: Welcome = serde_json::from_str(&golden("welcome")).unwrap();
    if let Ok(welcome) = handshake::read_welcome(payload, &welcome.nonce) {
        let again = handshake::write("welcome", &welcome).unwrap();
        prop_assert_eq!(handshake::read_welcome(&again, &welcome.nonce).unwrap(), welcome);
    }
    Ok(())
}

fn search_openings(n_cases: u32, seed: u64) {
    let opening = |kind: &str| format!(r#"{{"kind":"{kind}","body":{}}}"#, golden(kind)).into_bytes();
    let samples = ["challenge", "hello", "welcome"].map(opening);
    samples.iter().for_each(|sample| check_openings(sample).unwrap());
    search(n_cases, seed, &(any::<Index>(), any::<Index>(), any_mutations()), |(sample, other, mutations)| {
        let spoilt = spoil(sample.get::<Vec<u8>>(&samples), &mutations, other.get::<Vec<u8>>(&samples));
        let mut checked = Ok(());
        let used = allocation_counter::measure(|| checked = check_openings(&spoilt));
        prop_assert!(used.bytes_max < 4 * MAX_FRAME_BYTES as u64, "{} bytes for {}", used.bytes_max, spoilt.len());
        checked
    });
}

#[test]
fn a_spoilt_opening_is_read_or_refused() {
    search_openings(300, 1);
}

#[test]
#[ignore = "soak: a hundred thousand openings"]
fn many_spoilt_openings_are_read_or_refused() {
    search_openings(100_000, 2);
}

#[test]
fn a_frame_shorter_than_its_header_is_refused_whatever_it_holds() {
    for length in 0..HEADER_BYTES {
        let refused = channel(Style::default()).open(&vec![0xff; length]).map(Cow::into_owned);
        assert!(matches!(refused, Err(FrameError::TooShort(n)) if n == length));
    }
}
