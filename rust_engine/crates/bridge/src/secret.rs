//! The shared secret, and the keys made of it.

use crate::frame::FrameError;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Shortest accepted secret, in bytes.
pub const MIN_SECRET_BYTES: usize = 16;
/// First bytes of a tag that are sent: a forger has one try a link, and 2^128 tags to choose from.
pub const MAC_BYTES: usize = 16;
const LABEL: &str = "xcrack bridge 3";

/// Which way frames go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the worker.
    Up,
    /// To the engine.
    Down,
}

impl Direction {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
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

    /// The key of the three frames that open a link.
    #[must_use]
    pub fn opening_key(&self) -> Key {
        self.key(LABEL)
    }

    /// The key of one direction of one link, after it is open.
    #[must_use]
    pub fn link_key(&self, direction: Direction, worker_nonce: &str, engine_nonce: &str) -> Key {
        self.key(&format!("{LABEL}\n{}\n{worker_nonce}\n{engine_nonce}", direction.as_str()))
    }

    fn key(&self, label: &str) -> Key {
        let mut mac = keyed(&self.0);
        mac.update(label.as_bytes());
        Key(keyed(&mac.finalize().into_bytes()))
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // HMAC takes a key of any length, so this cannot fail; an empty key would only make every check fail.
    Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()))
}

/// A key that is ready for use: the hash of the key itself is done once, not for every frame.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl Key {
    fn mac(&self, n: u64, flags: u8, payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(&n.to_be_bytes());
        mac.update(&[flags]);
        mac.update(payload);
        mac
    }

    /// The tag of frame `n`.
    #[must_use]
    pub fn tag(&self, n: u64, flags: u8, payload: &[u8]) -> [u8; MAC_BYTES] {
        let whole: [u8; 32] = self.mac(n, flags, payload).finalize().into_bytes().into();
        let mut tag = [0; MAC_BYTES];
        tag.copy_from_slice(&whole[..MAC_BYTES]);
        tag
    }

    /// Whether `tag` is the tag of frame `n`, compared in constant time.
    #[must_use]
    pub fn verifies(&self, n: u64, flags: u8, payload: &[u8], tag: &[u8]) -> bool {
        tag.len() == MAC_BYTES && self.mac(n, flags, payload).verify_truncated_left(tag).is_ok()
    }
}
