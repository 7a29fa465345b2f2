use super::*;
use model::config::TradingState;
use model::message::{AdvanceTo, Reached};
use proptest::prelude::*;

fn packet(encoding: BridgeEncoding) -> Packet<'static, Body> {
    let advance = Message::AdvanceTo(AdvanceTo { to_ns: -5 });
    let reached = Reached { to_ns: 1, bars: 2, feed_ended: true, actions_sha256: "ä\"\\".to_owned() };
    let item = |seq, message: &Message| Item {
        seq,
        kind: Cow::Borrowed(message.kind()),
        body: Body::of_message(message, encoding).unwrap(),
    };
    Packet {
        ack: u64::MAX,
        credit: 1,
        signal_ack: 2,
        signal_credit: 3,
        heartbeat: Some(Heartbeat { at_ns: 1, echo_ns: 0, held_ns: 2, reached_ns: 3, state: TradingState::Halted }),
        messages: vec![item(1, &advance), item(2, &Message::Reached(reached))],
        signals: vec![],
    }
}

#[test]
fn a_packet_is_read_as_it_was_written() {
    for encoding in [BridgeEncoding::Json, BridgeEncoding::Msgpack] {
        let written = packet(encoding);
        let bytes = encode(&written, encoding).unwrap();
        let read = decode(&bytes, encoding).unwrap();
        assert_eq!((read.ack, read.credit, read.signal_ack, read.signal_credit), (u64::MAX, 1, 2, 3));
        assert_eq!(read.heartbeat, written.heartbeat);
        assert_eq!(read.messages.iter().map(|x| x.seq).collect::<Vec<_>>(), [1, 2]);
        let Message::Reached(reached) = read.messages[1].body.message(&read.messages[1].kind).unwrap() else {
            panic!("another kind came out")
        };
        assert_eq!(reached.actions_sha256, "ä\"\\");
    }
}

#[test]
fn bytes_after_the_end_are_refused_in_both_encodings() {
    for (encoding, more) in [(BridgeEncoding::Json, &b"{}"[..]), (BridgeEncoding::Msgpack, &[0xc0][..])] {
        let bytes = encode(&packet(encoding), encoding).unwrap();
        assert!(decode(&bytes, encoding).is_ok());
        assert!(decode(&[&bytes, more].concat(), encoding).is_err(), "{encoding:?}");
    }
}

/// Packets that must be refused; the first word says why.
#[test]
fn the_corpus_of_bad_packets_is_refused() {
    let rest = r#""credit":0,"signal_ack":0,"signal_credit":0,"heartbeat":null,"messages":[],"signals":[]"#;
    let good = format!(r#"{{"ack":0,{rest}}}"#);
    assert!(decode(good.as_bytes(), BridgeEncoding::Json).is_ok());
    let items = |item: &str| good.replace(r#""messages":[]"#, &format!(r#""messages":[{item}]"#));
    for bad in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        format!("{{{rest}}}"),
        format!(r#"{{"ack":-1,{rest}}}"#),
        format!(r#"{{"ack":0.5,{rest}}}"#),
        format!(r#"{{"ack":18446744073709551616,{rest}}}"#),
        format!(r#"{{"ack":0,"ack":0,{rest}}}"#),
        format!(r#"{{"ack":0,"more":1,{rest}}}"#),
        format!("{good} {good}"),
        good.replace("null", r#"{"at_ns":1}"#),
        items(r#"{"seq":1,"kind":"command"}"#),
        items(r#"{"seq":1,"kind":5,"body":{}}"#),
        items(r#"{"seq":1,"kind":"command","body":{}"#),
        items(r#"{"seq":1,"kind":"command","body":{},"mac":""}"#),
        "[".repeat(100_000),
    ] {
        assert!(decode(bad.as_bytes(), BridgeEncoding::Json).is_err(), "{}", &bad[..bad.len().min(200)]);
    }
    assert!(decode(b"\xff\xfe", BridgeEncoding::Json).is_err());
    let sound = encode(&packet(BridgeEncoding::Msgpack), BridgeEncoding::Msgpack).unwrap();
    for length in 0..sound.len() {
        assert!(decode(&sound[..length], BridgeEncoding::Msgpack).is_err(), "cut at {length}");
    }
    // Lengths of 4 GiB that are not there, nesting without end, a body that is no byte string.
    for bad in [&b"\xdf\xff\xff\xff\xff"[..], &b"\xdd\xff\xff\xff\xff"[..], &[0x91; 5000][..], &b"\x87\xa3ack\xc6"[..]]
    {
        assert!(decode(bad, BridgeEncoding::Msgpack).is_err());
    }
}

#[test]
fn a_body_of_an_unknown_kind_or_form_says_what_is_wrong() {
    assert_eq!(BodyRef::Json("{}").message("weather").unwrap_err(), "unknown kind");
    assert!(BodyRef::Json("{}").message("advance_to").unwrap_err().contains("to_ns"));
    assert!(BodyRef::Json("{\"to_ns\":1} 2").message("advance_to").is_err());
    let mut bytes = rmp_serde::to_vec_named(&AdvanceTo { to_ns: 1 }).unwrap();
    assert!(BodyRef::Msgpack(&bytes).message("advance_to").is_ok());
    bytes.push(0);
    assert!(BodyRef::Msgpack(&bytes).message("advance_to").unwrap_err().contains("follow"));
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0_usize..10_000, to in any::<u8>()) {
        for encoding in [BridgeEncoding::Json, BridgeEncoding::Msgpack] {
            drop(decode(&bytes, encoding));
            // Sound bytes with one that is not: deeper than noise gets.
            let mut bytes = encode(&packet(encoding), encoding).unwrap();
            let at = at % bytes.len();
            bytes[at] = to;
            if let Ok(packet) = decode(&bytes, encoding) {
                for item in &packet.messages {
                    drop(item.body.message(&item.kind));
                }
            }
        }
    }
}
