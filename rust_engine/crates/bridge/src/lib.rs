//! The bridge to the worker: frames, one session without any I/O, and the WebSocket that carries it.
//!
//! # Layout
//! - [`frame`]: an [`Envelope`](model::message::Envelope) as signed JSON text, bounded in size
//! - [`session`]: sequence, cumulative acknowledgement, resume; knows no socket and no clock
//! - [`handshake`]: who speaks, in which version, from where on
//! - [`carrier`]: a WebSocket on loopback, as two bounded queues of text
//!
//! **Invariant:** a sequenced message is delivered once and in order, however often the link or either side dies,
//! as long as each side keeps what its own acknowledgements promised.

pub mod carrier;
pub mod frame;
pub mod handshake;
pub mod session;

pub use carrier::{Incoming, Link, check_url, dial};
pub use frame::{FrameError, MAX_FRAME_BYTES, Secret};
pub use session::{Received, Session, SessionError};
