//! Whatever bytes come over a line, and however they are cut, the frames are those that the bytes spell, and then the line ends.

use super::*;
use crate::frame::MAX_FRAME_BYTES;
use crate::mutation::{Mutation, any_mutations, search};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseResult;
use std::collections::VecDeque;
use std::pin::Pin;
use tokio::io::ReadBuf;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

/// Most memory that a reader may need for a line of a few frames: a frame on its way in, and what buffers keep.
const MOST_BYTES: u64 = 4 * MAX_FRAME_BYTES as u64;

/// A line that brings these chunks and then ends; it takes whatever is written.
struct Script(VecDeque<Vec<u8>>);

impl Script {
    fn new(bytes: &[u8], chunk: usize) -> Self {
        Self(bytes.chunks(chunk).map(<[u8]>::to_vec).collect())
    }
}

impl AsyncRead for Script {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(mut chunk) = self.0.pop_front() {
            let rest = chunk.split_off(chunk.len().min(out.remaining()));
            out.put_slice(&chunk);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Reads to the end of the line: the frames, why it ended, and the most memory it took.
fn read_out(
    mut next: impl FnMut(&mut Context<'_>) -> Poll<Result<Vec<u8>, LinkError>>,
) -> (Vec<Vec<u8>>, LinkError, u64) {
    let (mut frames, mut ended) = (Vec::new(), None);
    let used = allocation_counter::measure(|| {
        while ended.is_none() {
            match next(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(frame)) => frames.push(frame),
                Poll::Ready(Err(error)) => ended = Some(error),
                Poll::Pending => panic!("the line has an end"),
            }
        }
    });
    (frames, ended.unwrap(), used.bytes_max)
}

fn spoil(whole: &[u8], mutations: &[Mutation], other: &[u8]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    mutations.iter().for_each(|mutation| mutation.apply(&mut bytes, other));
    bytes
}

fn framed(frames: &[Vec<u8>]) -> Vec<u8> {
    frames.iter().flat_map(|frame| [&(frame.len() as u32).to_be_bytes()[..], frame].concat()).collect()
}

/// What the bytes spell: frames, and the length of one that is too long.
fn spelt(mut bytes: &[u8]) -> (Vec<Vec<u8>>, Option<usize>) {
    let mut frames = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        if length > MAX_FRAME_BYTES {
            return (frames, Some(length));
        }
        let Some((frame, rest)) = rest.split_at_checked(length) else { break };
        frames.push(frame.to_vec());
        bytes = rest;
    }
    (frames, None)
}

fn check_stream(bytes: &[u8], chunk: usize) -> TestCaseResult {
    let mut line = Framed::new(Script::new(bytes, chunk));
    let (frames, ended, used) = read_out(|cx| line.poll_recv(cx));
    let (expected, too_long) = spelt(bytes);
    prop_assert_eq!(frames, expected);
    match (ended, too_long) {
        (LinkError::TooLong(told), Some(length)) => prop_assert_eq!(told, length),
        (LinkError::Closed, None) => {}
        (other, _) => return Err(TestCaseError::fail(format!("another end: {other}"))),
    }
    prop_assert!(used < MOST_BYTES, "{used} bytes for {}", bytes.len());
    Ok(())
}

fn some_frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..12)
}

fn search_streams(n_cases: u32, seed: u64) {
    let cases = (some_frames(), some_frames(), any_mutations(), 1..700_usize);
    search(n_cases, seed, &cases, |(frames, others, mutations, chunk)| {
        let whole = framed(&frames);
        prop_assert_eq!(spelt(&whole), (frames, None));
        check_stream(&whole, chunk)?;
        check_stream(&spoil(&whole, &mutations, &framed(&others)), chunk)
    });
}

#[test]
fn a_stream_gives_the_frames_that_its_bytes_spell_however_it_is_cut() {
    search_streams(300, 1);
}

#[test]
#[ignore = "soak: three hundred thousand streams"]
fn many_streams_give_the_frames_that_their_bytes_spell() {
    search_streams(300_000, 2);
}

/// One piece of a message as a server sends it, without a mask.
fn piece(opcode: u8, is_last: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![opcode | if is_last { 0x80 } else { 0 }];
    match payload.len() {
        n @ 0..=125 => bytes.push(n as u8),
        n => {
            bytes.push(126);
            bytes.extend_from_slice(&(n as u16).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

const CONTINUED: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;

/// What a server may send: whole messages, messages in pieces with a ping between them, text, a farewell.
fn said(frames: &[Vec<u8>], kinds: &[Index]) -> Vec<u8> {
    let one = |(frame, kind): (&Vec<u8>, &Index)| match kind.index(12) {
        0 => [piece(BINARY, false, frame), piece(PING, true, b"?"), piece(CONTINUED, true, frame)].concat(),
        1 => piece(TEXT, true, b"text"),
        2 => piece(CLOSE, true, b"\x03\xe8enough"),
        _ => piece(BINARY, true, frame),
    };
    frames.iter().zip(kinds).flat_map(one).collect()
}

/// Frames of a WebSocket that brings these bytes after its greeting, and why it ended.
fn hear(bytes: &[u8], chunk: usize) -> (Vec<Vec<u8>>, LinkError, u64) {
    let line: BoxedStream = Box::new(Script::new(bytes, chunk));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let socket =
        runtime.block_on(WebSocketStream::from_raw_socket(line, Role::Client, Some(websocket::WebSocket::limits())));
    let mut socket = websocket::WebSocket::over(socket);
    read_out(|cx| socket.poll_recv(cx))
}

fn search_websockets(n_cases: u32, seed: u64) {
    let kinds = || prop::collection::vec(any::<Index>(), 12);
    let cases = (some_frames(), kinds(), some_frames(), kinds(), any_mutations(), 1..700_usize);
    search(n_cases, seed, &cases, |(frames, kinds, others, other_kinds, mutations, chunk)| {
        let sound: Vec<u8> = frames.iter().flat_map(|frame| piece(BINARY, true, frame)).collect();
        prop_assert_eq!(hear(&sound, chunk).0, frames.clone());
        let spoilt = spoil(&said(&frames, &kinds), &mutations, &said(&others, &other_kinds));
        let (heard, ended, used) = hear(&spoilt, chunk);
        prop_assert!(heard.iter().map(Vec::len).sum::<usize>() <= spoilt.len());
        prop_assert!(matches!(
            ended,
            LinkError::WebSocket(_) | LinkError::Closed | LinkError::Refused(_) | LinkError::Text
        ));
        prop_assert!(used < MOST_BYTES, "{used} bytes for {}", spoilt.len());
        Ok(())
    });
}

#[test]
fn a_websocket_gives_messages_that_its_bytes_hold_and_then_ends() {
    search_websockets(200, 1);
}

#[test]
#[ignore = "soak: a hundred thousand WebSockets"]
fn many_websockets_give_messages_that_their_bytes_hold_and_then_end() {
    search_websockets(100_000, 2);
}

#[test]
fn a_piece_that_claims_four_gibibytes_is_refused_before_they_come() {
    for length in [MAX_FRAME_BYTES as u64 + 1, u64::from(u32::MAX), u64::MAX >> 1, u64::MAX] {
        let claim = [&[0x80 | BINARY, 127][..], &length.to_be_bytes(), b"few"].concat();
        let (heard, ended, used) = hear(&claim, 5);
        assert!(heard.is_empty() && matches!(ended, LinkError::WebSocket(_)), "{ended}");
        assert!(used < MOST_BYTES, "{used} bytes for a claim of {length}");
    }
}
