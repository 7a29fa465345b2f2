//! Frames: `flags | mac | payload`. What a frame holds is trusted no further than its tag.

use crate::secret::{Key, MAC_BYTES};
use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use model::config::{BridgeCompression, BridgeEncoding};
use std::borrow::Cow;
use std::io::Read;

/// Longest frame either side accepts, in bytes.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;
/// Longest payload either side unpacks, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 8 * 1024 * 1024;
/// Bytes before the payload.
pub const HEADER_BYTES: usize = 1 + MAC_BYTES;
/// A shorter payload is not worth compressing.
const MIN_COMPRESSED_BYTES: usize = 256;

const MSGPACK: u8 = 1;
const ZLIB: u8 = 2;

/// Why a frame was refused.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Longer than [`MAX_FRAME_BYTES`].
    #[error("a frame of {0} bytes is longer than {MAX_FRAME_BYTES}")]
    TooLong(usize),
    /// Shorter than a header.
    #[error("a frame of {0} bytes is shorter than its header of {HEADER_BYTES}")]
    TooShort(usize),
    /// The tag is wrong.
    #[error("the signature of frame {0} is wrong: both sides must read the same secret file")]
    Signature(u64),
    /// It is written in another way than was agreed.
    #[error("a frame with flags {0:#04x} was not agreed on this link")]
    Flags(u8),
    /// It does not unpack, or to more than [`MAX_PAYLOAD_BYTES`].
    #[error("a frame does not unpack: {0}")]
    Unpack(String),
    /// The payload is not of the form that it must have.
    #[error("a payload of the wrong form: {0}")]
    Form(String),
    /// The secret is too short to protect anything.
    #[error("the bridge secret has {0} bytes, at least {min} are needed", min = crate::secret::MIN_SECRET_BYTES)]
    ShortSecret(usize),
}

/// How the payloads of a link are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Text or binary.
    pub encoding: BridgeEncoding,
    /// Whether they may be compressed.
    pub compression: BridgeCompression,
}

impl Style {
    const fn flags(self) -> u8 {
        match self.encoding {
            BridgeEncoding::Json => 0,
            BridgeEncoding::Msgpack => MSGPACK,
        }
    }
}

/// One direction of one link: its key, and how many frames it has seen.
pub struct Channel {
    key: Key,
    n: u64,
    style: Style,
}

impl Channel {
    /// A direction before its first frame.
    #[must_use]
    pub fn new(key: Key) -> Self {
        Self { key, n: 0, style: Style::default() }
    }

    /// Goes on under another key, in the style that was agreed.
    pub fn switch(&mut self, key: Key, style: Style) {
        (self.key, self.style) = (key, style);
    }

    /// The next frame around `payload`.
    ///
    /// # Errors
    /// [`FrameError::TooLong`].
    pub fn seal(&mut self, payload: &[u8]) -> Result<Vec<u8>, FrameError> {
        let packed = self.pack(payload);
        let flags = self.style.flags() | if packed.is_some() { ZLIB } else { 0 };
        let payload = packed.as_deref().unwrap_or(payload);
        let length = HEADER_BYTES + payload.len();
        if length > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong(length));
        }
        let mut frame = Vec::with_capacity(length);
        frame.push(flags);
        frame.extend_from_slice(&self.key.tag(self.n, flags, payload));
        frame.extend_from_slice(payload);
        self.n += 1;
        Ok(frame)
    }

    /// The compressed payload, where that was agreed and makes it shorter.
    fn pack(&self, payload: &[u8]) -> Option<Vec<u8>> {
        if self.style.compression == BridgeCompression::None || payload.len() < MIN_COMPRESSED_BYTES {
            return None;
        }
        let mut packed = Vec::new();
        // Reading from memory cannot fail; if it did, the payload would go out as it is.
        ZlibEncoder::new(payload, Compression::fast()).read_to_end(&mut packed).ok()?;
        (packed.len() < payload.len()).then_some(packed)
    }

    /// The payload of the next frame, its tag checked before anything else is looked at.
    ///
    /// # Errors
    /// Any [`FrameError`]; the link must be dropped then.
    pub fn open<'a>(&mut self, frame: &'a [u8]) -> Result<Cow<'a, [u8]>, FrameError> {
        if frame.len() > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong(frame.len()));
        }
        let (header, payload) = frame.split_at_checked(HEADER_BYTES).ok_or(FrameError::TooShort(frame.len()))?;
        let (flags, tag) = (header[0], &header[1..]);
        if !self.key.verifies(self.n, flags, payload, tag) {
            return Err(FrameError::Signature(self.n));
        }
        self.n += 1;
        match flags ^ self.style.flags() {
            0 => Ok(Cow::Borrowed(payload)),
            ZLIB if self.style.compression == BridgeCompression::Zlib => unpack(payload).map(Cow::Owned),
            _ => Err(FrameError::Flags(flags)),
        }
    }
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, FrameError> {
    let mut payload = Vec::new();
    let mut decoder = ZlibDecoder::new(packed);
    let limit = MAX_PAYLOAD_BYTES as u64 + 1;
    decoder.by_ref().take(limit).read_to_end(&mut payload).map_err(|e| FrameError::Unpack(e.to_string()))?;
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(FrameError::Unpack(format!("it holds more than {MAX_PAYLOAD_BYTES} bytes")));
    }
    if decoder.total_in() != packed.len() as u64 {
        return Err(FrameError::Unpack("bytes follow its end".to_owned()));
    }
    Ok(payload)
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
