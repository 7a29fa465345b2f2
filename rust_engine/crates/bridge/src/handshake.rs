//! The three frames that open a link: `challenge`, `hello`, `welcome`. JSON, under a key of their own.

use crate::frame::{FrameError, Style};
use crate::session::SessionError;
use model::config::{BridgeCompression, BridgeEncoding};
use model::message::{Challenge, Hello, PROTOCOL, Welcome};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening<B> {
    kind: String,
    body: B,
}

/// The payload of an opening frame.
///
/// # Errors
/// The body cannot be JSON.
pub fn write(kind: &str, body: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    serde_json::to_vec(&Opening { kind: kind.to_owned(), body }).map_err(|e| FrameError::Form(e.to_string()))
}

fn read<T: DeserializeOwned>(payload: &[u8], kind: &str) -> Result<T, SessionError> {
    let wrong = |e: serde_json::Error| FrameError::Form(e.to_string());
    let opening: Opening<serde_json::Value> = serde_json::from_slice(payload).map_err(wrong)?;
    if opening.kind != kind {
        return Err(SessionError::Unexpected(opening.kind.chars().take(40).collect()));
    }
    Ok(serde_json::from_value(opening.body).map_err(wrong)?)
}

fn same_protocol(peer: u32) -> Result<(), SessionError> {
    if peer != PROTOCOL {
        return Err(SessionError::Protocol { peer, own: PROTOCOL });
    }
    Ok(())
}

/// What a worker says first. It reads everything there is.
#[must_use]
pub fn challenge(nonce: &str) -> Challenge {
    Challenge {
        protocol: PROTOCOL,
        nonce: nonce.to_owned(),
        encodings: vec![BridgeEncoding::Json, BridgeEncoding::Msgpack],
        compressions: vec![BridgeCompression::None, BridgeCompression::Zlib],
    }
}

/// Reads the worker's first frame; it must offer what this engine wants to speak.
///
/// # Errors
/// Another protocol or form, or no such offer.
pub fn read_challenge(payload: &[u8], wanted: Style) -> Result<Challenge, SessionError> {
    let challenge: Challenge = read(payload, "challenge")?;
    same_protocol(challenge.protocol)?;
    if !challenge.encodings.contains(&wanted.encoding) || !challenge.compressions.contains(&wanted.compression) {
        return Err(SessionError::NotOffered);
    }
    Ok(challenge)
}

/// Reads the engine's answer. `nonce` is the challenge's own, so that an old hello is worthless.
///
/// # Errors
/// Another protocol or form, or an answer to another challenge.
pub fn read_hello(payload: &[u8], nonce: &str) -> Result<Hello, SessionError> {
    let hello: Hello = read(payload, "hello")?;
    same_protocol(hello.protocol)?;
    if hello.worker_nonce != nonce {
        return Err(SessionError::Unexpected("hello of another link".to_owned()));
    }
    Ok(hello)
}

/// Reads the worker's answer. `nonce` is the hello's own.
///
/// # Errors
/// Another protocol or form, or an answer to another hello.
pub fn read_welcome(payload: &[u8], nonce: &str) -> Result<Welcome, SessionError> {
    let welcome: Welcome = read(payload, "welcome")?;
    same_protocol(welcome.protocol)?;
    if welcome.nonce != nonce {
        return Err(SessionError::Unexpected("welcome of another link".to_owned()));
    }
    Ok(welcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn welcome(protocol: u32, nonce: &str) -> Vec<u8> {
        let (nonce, epoch) = (nonce.to_owned(), "e".to_owned());
        let body = Welcome { protocol, nonce, received_seq: 3, resume_seq: 9, epoch, signals_resume_seq: 1 };
        write("welcome", &body).unwrap()
    }

    #[test]
    fn only_the_welcome_of_this_link_and_protocol_is_taken() {
        assert_eq!(read_welcome(&welcome(PROTOCOL, "n"), "n").unwrap().resume_seq, 9);
        let other = read_welcome(&welcome(PROTOCOL + 1, "n"), "n").unwrap_err().to_string();
        assert!(other.contains(&format!("protocol {}", PROTOCOL + 1)), "{other}");
        assert!(read_welcome(&welcome(PROTOCOL, "old"), "n").is_err());
        let another = write("challenge", &challenge("n")).unwrap();
        assert!(read_welcome(&another, "n").is_err());
    }

    #[test]
    fn an_engine_speaks_only_what_the_worker_offers() {
        let zlib = Style { compression: BridgeCompression::Zlib, ..Style::default() };
        assert!(read_challenge(&write("challenge", &challenge("n")).unwrap(), zlib).is_ok());
        let bare = Challenge { compressions: vec![BridgeCompression::None], ..challenge("n") };
        let refused = read_challenge(&write("challenge", &bare).unwrap(), zlib).unwrap_err();
        assert!(matches!(refused, SessionError::NotOffered));
    }
}
