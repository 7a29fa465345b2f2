//! The bridge to the worker: frames, one session without any I/O, and what carries it.
//!
//! # Layout
//! - [`secret`]: the shared secret and the keys of a link
//! - [`frame`]: signed, bounded, perhaps compressed
//! - [`packet`]: what a frame says, as JSON or MessagePack
//! - [`handshake`]: who speaks, in which version, from where on
//! - [`session`]: sequence, acknowledgement, credit, resume; knows no socket and no clock
//! - [`monitor`]: round trips, the peer's clock, counts
//! - [`carrier`]: WebSocket, TCP, Redis Streams
//!
//! **Invariant:** a message is delivered once and in order, however often the link or either side dies, as long as each side
//! keeps what its own acknowledgements promised. A signal is delivered at most once, and every number accounted for.

pub mod carrier;
pub mod frame;
pub mod handshake;
pub mod monitor;
pub mod packet;
pub mod secret;
pub mod session;

pub use frame::{FrameError, MAX_FRAME_BYTES, Style};
pub use monitor::{Counts, Monitor};
pub use secret::Secret;
pub use session::{About, Event, Now, Pulse, Session, SessionError};

#[cfg(test)]
mod decoder_tests;
#[cfg(test)]
#[path = "../../model/tests/mutation/mod.rs"]
mod mutation;
