//! Packets: what one frame says after the handshake.

use crate::frame::FrameError;
use model::config::BridgeEncoding;
use model::message::{Heartbeat, Message};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// One packet with bodies of form `B`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a, B: Deserialize<'de>"))]
pub struct Packet<'a, B> {
    /// Last message of the peer whose effect is durable.
    pub ack: u64,
    /// Last message that the peer may send.
    pub credit: u64,
    /// Last signal of the peer that took effect.
    pub signal_ack: u64,
    /// Last signal that the peer may send.
    pub signal_credit: u64,
    /// A sign of life.
    pub heartbeat: Option<Heartbeat>,
    /// Messages, in order.
    #[serde(borrow)]
    pub messages: Vec<Item<'a, B>>,
    /// Signals, in order.
    #[serde(borrow)]
    pub signals: Vec<Item<'a, B>>,
}

/// One numbered message or signal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a, B: Deserialize<'de>"))]
pub struct Item<'a, B> {
    /// Its number.
    pub seq: u64,
    /// Its kind.
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    /// What it says.
    pub body: B,
}

/// A body that is ready to leave.
#[derive(Debug)]
pub enum Body {
    /// JSON text, written into the packet as it is.
    Json(Box<RawValue>),
    /// MessagePack, written as a byte string.
    Msgpack(Vec<u8>),
}

impl Body {
    /// Writes `body`.
    ///
    /// # Errors
    /// A value that the encoding does not have.
    pub fn new(body: &impl Serialize, encoding: BridgeEncoding) -> Result<Self, FrameError> {
        Ok(match encoding {
            BridgeEncoding::Json => Self::Json(serde_json::value::to_raw_value(body).map_err(form)?),
            BridgeEncoding::Msgpack => Self::Msgpack(rmp_serde::to_vec_named(body).map_err(form)?),
        })
    }

    /// Writes a message.
    ///
    /// # Errors
    /// As [`Body::new`].
    pub fn of_message(message: &Message, encoding: BridgeEncoding) -> Result<Self, FrameError> {
        struct Bare<'a>(&'a Message);
        impl Serialize for Bare<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize_body(serializer)
            }
        }
        Self::new(&Bare(message), encoding)
    }

    /// Its size in the packet.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Json(text) => text.get().len(),
            Self::Msgpack(bytes) => bytes.len(),
        }
    }

    /// Whether it has no bytes, which no body is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(text) => text.serialize(serializer),
            Self::Msgpack(bytes) => serializer.serialize_bytes(bytes),
        }
    }
}

/// A body that came in: its bytes are sound, its content was not looked at yet.
#[derive(Clone, Copy, Debug)]
pub enum BodyRef<'a> {
    /// JSON text.
    Json(&'a str),
    /// MessagePack.
    Msgpack(&'a [u8]),
}

impl BodyRef<'_> {
    /// Reads it as a message of `kind`; the error says in words what is wrong with it.
    ///
    /// # Errors
    /// No such kind, or not of its form.
    pub fn message(self, kind: &str) -> Result<Message, String> {
        let read = match self {
            Self::Json(text) => Message::parse(kind, text).map(|read| read.map_err(|e| e.to_string())),
            Self::Msgpack(bytes) => {
                let mut reader = rmp_serde::Deserializer::new(bytes);
                Message::deserialize_body(kind, &mut reader).map(|read| match read {
                    Ok(_) if !reader.get_ref().is_empty() => Err("bytes follow its end".to_owned()),
                    read => read.map_err(|e| e.to_string()),
                })
            }
        };
        read.unwrap_or_else(|| Err("unknown kind".to_owned()))
    }

    /// Reads it as `T`.
    ///
    /// # Errors
    /// [`FrameError::Form`].
    pub fn read<T: DeserializeOwned>(self) -> Result<T, FrameError> {
        match self {
            Self::Json(text) => serde_json::from_str(text).map_err(form),
            Self::Msgpack(bytes) => unpack(bytes),
        }
    }
}

/// The bytes of a packet.
///
/// # Errors
/// Only if a body was written in another encoding.
pub fn encode(packet: &Packet<'_, Body>, encoding: BridgeEncoding) -> Result<Vec<u8>, FrameError> {
    match encoding {
        BridgeEncoding::Json => serde_json::to_vec(packet).map_err(form),
        BridgeEncoding::Msgpack => rmp_serde::to_vec_named(packet).map_err(form),
    }
}

/// Reads a packet; bodies are left for later.
///
/// # Errors
/// [`FrameError::Form`].
pub fn decode(payload: &[u8], encoding: BridgeEncoding) -> Result<Packet<'_, BodyRef<'_>>, FrameError> {
    Ok(match encoding {
        BridgeEncoding::Json => {
            let text = std::str::from_utf8(payload).map_err(form)?;
            let packet: Packet<'_, &RawValue> = serde_json::from_str(text).map_err(form)?;
            packet.map(|raw| BodyRef::Json(raw.get()))
        }
        BridgeEncoding::Msgpack => {
            let packet: Packet<'_, &serde_bytes::Bytes> = unpack(payload)?;
            packet.map(|bytes| BodyRef::Msgpack(bytes))
        }
    })
}

impl<'a, B> Packet<'a, B> {
    fn map<C>(self, body: impl Fn(B) -> C) -> Packet<'a, C> {
        let items = |items: Vec<Item<'a, B>>| {
            items.into_iter().map(|x| Item { seq: x.seq, kind: x.kind, body: body(x.body) }).collect()
        };
        Packet {
            ack: self.ack,
            credit: self.credit,
            signal_ack: self.signal_ack,
            signal_credit: self.signal_credit,
            heartbeat: self.heartbeat,
            messages: items(self.messages),
            signals: items(self.signals),
        }
    }
}

/// Reads all of `bytes` as one value.
fn unpack<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, FrameError> {
    let mut reader = rmp_serde::Deserializer::new(bytes);
    IgnoredAny::deserialize(&mut reader).map_err(form)?;
    // A reader that borrows does not say where it stopped, so this one looks for the end first.
    if !reader.get_ref().is_empty() {
        return Err(form("bytes follow its end"));
    }
    rmp_serde::from_slice(bytes).map_err(form)
}

fn form(error: impl std::fmt::Display) -> FrameError {
    FrameError::Form(error.to_string())
}

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
