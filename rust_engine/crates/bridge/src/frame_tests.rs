use super::*;
use crate::secret::{Direction, Secret};
use proptest::prelude::*;

fn channel(style: Style) -> Channel {
    let key = Secret::new(b" 0123456789abcdef\n").unwrap().link_key(Direction::Up, "w", "e");
    let mut channel = Channel::new(key.clone());
    channel.switch(key, style);
    channel
}

fn style(compression: BridgeCompression) -> Style {
    Style { encoding: BridgeEncoding::Msgpack, compression }
}

#[test]
fn what_was_sealed_opens_once_in_order_and_with_the_same_key_only() {
    for compression in [BridgeCompression::None, BridgeCompression::Zlib] {
        let (mut sender, mut reader) = (channel(style(compression)), channel(style(compression)));
        for payload in [vec![], vec![7; 10], vec![7; 100_000]] {
            let frame = sender.seal(&payload).unwrap();
            assert_eq!(compression == BridgeCompression::Zlib && payload.len() > 256, frame.len() < payload.len());
            assert_eq!(reader.open(&frame).unwrap(), payload);
            assert!(matches!(reader.open(&frame), Err(FrameError::Signature(_))), "a repeat");
        }
        let (_, second) = (sender.seal(b"left out").unwrap(), sender.seal(b"second").unwrap());
        assert!(matches!(reader.open(&second), Err(FrameError::Signature(3))), "a gap");
    }
    let other = Secret::new(b"another secret of length").unwrap().link_key(Direction::Up, "w", "e");
    let frame = channel(Style::default()).seal(b"x").unwrap();
    assert!(Channel::new(other).open(&frame).is_err());
    let down = Secret::new(b"0123456789abcdef").unwrap().link_key(Direction::Down, "w", "e");
    assert!(Channel::new(down).open(&frame).is_err());
}

#[test]
fn every_changed_byte_breaks_the_signature() {
    let frame = channel(Style::default()).seal(b"{\"ack\":7}").unwrap();
    for at in 0..frame.len() {
        let mut changed = frame.clone();
        changed[at] ^= 1;
        assert!(matches!(channel(Style::default()).open(&changed), Err(FrameError::Signature(0))), "byte {at}");
    }
    assert!(matches!(channel(Style::default()).open(&frame[..HEADER_BYTES - 1]), Err(FrameError::TooShort(_))));
}

/// A frame with any flags and payload, correctly signed.
fn signed(flags: u8, payload: &[u8]) -> Vec<u8> {
    let key = Secret::new(b"0123456789abcdef").unwrap().link_key(Direction::Up, "w", "e");
    let mut frame = vec![flags];
    frame.extend_from_slice(&key.tag(0, flags, payload));
    frame.extend_from_slice(payload);
    frame
}

#[test]
fn a_style_that_was_not_agreed_is_refused() {
    for (flags, agreed) in [(0, false), (1, true), (2, false), (3, false), (4, false), (129, false)] {
        let opened = channel(style(BridgeCompression::None)).open(&signed(flags, b"x")).map(Cow::into_owned);
        assert_eq!(opened.is_ok(), agreed, "flags {flags}");
    }
}

#[test]
fn a_bomb_a_torn_stream_and_a_long_frame_are_refused() {
    let mut bomb = Vec::new();
    ZlibEncoder::new(&vec![0; MAX_PAYLOAD_BYTES + 1][..], Compression::best()).read_to_end(&mut bomb).unwrap();
    let open = |payload: &[u8]| channel(style(BridgeCompression::Zlib)).open(&signed(3, payload)).map(Cow::into_owned);
    assert!(matches!(open(&bomb), Err(FrameError::Unpack(_))));
    let mut packed = Vec::new();
    ZlibEncoder::new(&b"hello hello hello"[..], Compression::fast()).read_to_end(&mut packed).unwrap();
    assert_eq!(open(&packed).unwrap(), b"hello hello hello");
    assert!(matches!(open(&packed[..packed.len() - 3]), Err(FrameError::Unpack(_))));
    assert!(matches!(open(&[&packed[..], b"x"].concat()), Err(FrameError::Unpack(_))));
    let long = vec![0; MAX_FRAME_BYTES];
    assert!(matches!(channel(Style::default()).seal(&long), Err(FrameError::TooLong(_))));
    assert!(matches!(channel(Style::default()).open(&[0; MAX_FRAME_BYTES + 1]), Err(FrameError::TooLong(_))));
    assert!(matches!(Secret::new(b"short"), Err(FrameError::ShortSecret(5))));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(frame in proptest::collection::vec(any::<u8>(), 0..200), zlib in any::<bool>()) {
        let compression = if zlib { BridgeCompression::Zlib } else { BridgeCompression::None };
        prop_assert!(channel(style(compression)).open(&frame).is_err());
        // Behind a sound signature the rest is met: flags and whatever unpacks, or does not.
        let mut bare = channel(style(compression));
        drop(bare.open(&signed(frame.first().copied().unwrap_or(0), &frame)));
    }
}
