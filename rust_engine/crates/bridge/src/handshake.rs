//! The first two frames of a connection: the engine says `hello`, the worker answers `welcome`.

use crate::frame::{FrameError, Secret};
use crate::session::SessionError;
use model::message::{Hello, PROTOCOL, Welcome};

/// The frame that opens a connection.
///
/// # Errors
/// The hello is too long for a frame.
pub fn hello(secret: &Secret, hello: &Hello) -> Result<String, FrameError> {
    secret.seal("hello", 0, hello.received_seq, &serde_json::to_string(hello)?)
}

/// Reads the answer. `nonce` is the hello's own, so that an old welcome is worthless.
///
/// # Errors
/// Not a welcome of this connection in this protocol, or not signed with this secret.
pub fn read_welcome(secret: &Secret, text: &str, nonce: &str) -> Result<Welcome, SessionError> {
    let frame = secret.open(text)?;
    if frame.kind != "welcome" || frame.seq != 0 {
        return Err(SessionError::Unexpected(frame.kind));
    }
    let welcome: Welcome = serde_json::from_str(&frame.body).map_err(FrameError::from)?;
    if welcome.protocol != PROTOCOL {
        return Err(SessionError::Protocol { peer: welcome.protocol, own: PROTOCOL });
    }
    if welcome.nonce != nonce {
        return Err(SessionError::Unexpected("welcome of another connection".to_owned()));
    }
    Ok(welcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn welcome(protocol: u32, nonce: &str) -> String {
        let body =
            serde_json::json!({"protocol": protocol, "nonce": nonce, "received_seq": 3, "resume_seq": 9}).to_string();
        secret().seal("welcome", 0, 3, &body).unwrap()
    }

    fn secret() -> Secret {
        Secret::new(b"0123456789abcdef").unwrap()
    }

    #[test]
    fn only_the_welcome_of_this_connection_and_protocol_is_taken() {
        assert_eq!(read_welcome(&secret(), &welcome(PROTOCOL, "n"), "n").unwrap().resume_seq, 9);
        let other = read_welcome(&secret(), &welcome(PROTOCOL + 1, "n"), "n").unwrap_err().to_string();
        assert!(other.contains("protocol 2"), "{other}");
        assert!(read_welcome(&secret(), &welcome(PROTOCOL, "old"), "n").is_err());
        let heartbeat = secret().seal("heartbeat", 0, 0, "{}").unwrap();
        assert!(read_welcome(&secret(), &heartbeat, "n").is_err());
    }
}
