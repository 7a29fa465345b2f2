//! Frames: JSON text with a MAC over everything that has an effect.

use hmac::{Hmac, KeyInit, Mac};
use model::message::Envelope;
use sha2::Sha256;

/// Longest frame either side accepts, in bytes of UTF-8.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;
/// Shortest accepted secret, in bytes.
pub const MIN_SECRET_BYTES: usize = 16;

/// Why a frame was refused.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Longer than [`MAX_FRAME_BYTES`].
    #[error("a frame of {0} bytes is longer than {MAX_FRAME_BYTES}")]
    TooLong(usize),
    /// Not an envelope.
    #[error("not an envelope: {0}")]
    Syntax(#[from] serde_json::Error),
    /// The MAC is missing, malformed or wrong.
    #[error("the signature of a '{0}' frame is wrong: both sides must read the same secret file")]
    Signature(String),
    /// The secret is too short to protect anything.
    #[error("the bridge secret has {0} bytes, at least {MIN_SECRET_BYTES} are needed")]
    ShortSecret(usize),
}

/// The shared secret. It has no `Debug`, so that it cannot reach a log.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The secret in `bytes`, without surrounding white space.
    ///
    /// # Errors
    /// [`FrameError::ShortSecret`].
    pub fn new(bytes: &[u8]) -> Result<Self, FrameError> {
        let trimmed = bytes.trim_ascii();
        if trimmed.len() < MIN_SECRET_BYTES {
            return Err(FrameError::ShortSecret(trimmed.len()));
        }
        Ok(Self(trimmed.to_vec()))
    }

    fn mac(&self, kind: &str, seq: u64, ack: u64, body: &str) -> Hmac<Sha256> {
        // HMAC takes a key of any length, so this cannot fail; an empty key would only make every check fail.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).unwrap_or_else(|_| Hmac::new(&Default::default()));
        mac.update(format!("{kind}\n{seq}\n{ack}\n{body}").as_bytes());
        mac
    }

    /// The frame's text, signed.
    ///
    /// # Errors
    /// [`FrameError::TooLong`].
    pub fn seal(&self, kind: &str, seq: u64, ack: u64, body: &str) -> Result<String, FrameError> {
        let mac = hex::encode(self.mac(kind, seq, ack, body).finalize().into_bytes());
        let text = serde_json::to_string(&Envelope { kind: kind.to_owned(), seq, ack, body: body.to_owned(), mac })?;
        if text.len() > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong(text.len()));
        }
        Ok(text)
    }

    /// The envelope in `text`, its MAC checked in constant time.
    ///
    /// # Errors
    /// Too long, not an envelope, or not signed with this secret.
    pub fn open(&self, text: &str) -> Result<Envelope, FrameError> {
        if text.len() > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong(text.len()));
        }
        let frame: Envelope = serde_json::from_str(text)?;
        let signature = || FrameError::Signature(frame.kind.chars().take(40).collect());
        let given = hex::decode(&frame.mac).map_err(|_| signature())?;
        let mac = self.mac(&frame.kind, frame.seq, frame.ack, &frame.body);
        mac.verify_slice(&given).map_err(|_| signature())?;
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret::new(b" 0123456789abcdef\n").unwrap()
    }

    #[test]
    fn a_sealed_frame_opens_with_the_same_secret_only() {
        let text = secret().seal("heartbeat", 0, 7, "{\"a\":1}").unwrap();
        assert_eq!(secret().open(&text).unwrap().body, "{\"a\":1}");
        assert!(Secret::new(b"another secret of length").unwrap().open(&text).is_err());
    }

    #[test]
    fn every_changed_field_breaks_the_signature() {
        let text = secret().seal("params_update", 3, 7, "{}").unwrap();
        for (from, to) in
            [("params_update", "command"), ("\"seq\":3", "\"seq\":4"), ("\"ack\":7", "\"ack\":8"), ("{}", "[]")]
        {
            let changed = text.replace(from, to);
            assert_ne!(changed, text);
            assert!(matches!(secret().open(&changed), Err(FrameError::Signature(_))), "{from}");
        }
    }

    #[test]
    fn a_missing_signature_a_short_secret_and_a_long_frame_are_refused() {
        let bare = r#"{"kind":"command","seq":1,"ack":0,"body":"{}","mac":""}"#;
        assert!(matches!(secret().open(bare), Err(FrameError::Signature(_))));
        assert!(matches!(Secret::new(b"short"), Err(FrameError::ShortSecret(5))));
        let long = "x".repeat(MAX_FRAME_BYTES);
        assert!(matches!(secret().seal("command", 1, 0, &long), Err(FrameError::TooLong(_))));
    }
}
