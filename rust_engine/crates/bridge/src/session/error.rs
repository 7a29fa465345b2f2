//! Why a link cannot go on.

use crate::frame::FrameError;

/// Why a link cannot go on. The session itself stays sound: reconnect and resume.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The frame itself.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Something is missing before this one.
    #[error("message {got} came where {expected} was due: reconnecting to have it sent again")]
    Gap {
        /// The next number in order.
        expected: u64,
        /// What came.
        got: u64,
    },
    /// The peer sent what it was not allowed to send yet.
    #[error("message {seq} came although the peer may send only up to {credit}")]
    BeyondCredit {
        /// What came.
        seq: u64,
        /// What was granted.
        credit: u64,
    },
    /// The peer knows messages that this side never made: one of the two lost its state.
    #[error(
        "the peer has {peer} messages of this side, which has made only {own}: one side's state was lost or swapped. \
         Restore it, or start both with a new engine_id and empty state"
    )]
    PeerAhead {
        /// What the peer claims to have.
        peer: u64,
        /// What this side has made.
        own: u64,
    },
    /// The peer has lost messages that it had acknowledged.
    #[error(
        "the peer has {peer} messages of this side but had acknowledged {acked}: its state was lost or restored from an \
         older copy. Restore it, or start both with a new engine_id and empty state"
    )]
    PeerBehind {
        /// What the peer claims to have.
        peer: u64,
        /// What it had acknowledged.
        acked: u64,
    },
    /// The other side was built from another contract.
    #[error("the peer speaks protocol {peer}, this side {own}: build both from one version")]
    Protocol {
        /// The peer's.
        peer: u32,
        /// Ours.
        own: u32,
    },
    /// The worker does not read what this engine is configured to write.
    #[error("the worker offers another encoding or compression than bridge_encoding and bridge_compression ask for")]
    NotOffered,
    /// A frame of another kind than the protocol allows here.
    #[error("'{0}' is not allowed here")]
    Unexpected(String),
    /// The link is down.
    #[error("no link")]
    Down,
}
