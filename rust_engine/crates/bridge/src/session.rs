//! One session between two sides that may both die at any time.
//!
//! Each direction counts its messages from 1. The sender keeps a message until the peer has acknowledged that its effect is
//! durable. After a reconnect each side says what it has and the other goes on from there, so a gap on a live link
//! is never repaired in place: the link is dropped, and the resume repairs it.

use crate::frame::{FrameError, Secret};
use model::message::{Heartbeat, Message};
use std::collections::VecDeque;

/// Why a link cannot go on. The session itself stays sound: reconnect and resume.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The frame itself.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A message is missing before this one.
    #[error("message {got} came where {expected} was due: reconnecting to have it sent again")]
    Gap {
        /// The next message in order.
        expected: u64,
        /// What came.
        got: u64,
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
    /// A message of another kind than the protocol allows here.
    #[error("a '{0}' frame is not allowed here")]
    Unexpected(String),
    /// The link is down.
    #[error("no link")]
    Down,
}

/// What one frame brought.
// It lives for one call, one at a time: a box would only add an allocation.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, PartialEq)]
pub enum Received {
    /// The next message in order, to be made durable and then confirmed with [`Session::confirm`].
    Message {
        /// Its number.
        seq: u64,
        /// What it says.
        message: Message,
    },
    /// The next message in order, correctly signed but of a kind or form this build does not know.
    Unreadable {
        /// Its number.
        seq: u64,
        /// Its kind.
        kind: String,
        /// What is wrong.
        reason: String,
    },
    /// A message that was delivered before; only its acknowledgement may be owed.
    Duplicate,
    /// A sign of life.
    Heartbeat(Heartbeat),
}

struct Outbound {
    seq: u64,
    kind: &'static str,
    body: String,
}

/// Both directions of one session.
pub struct Session {
    secret: Secret,
    unacked: VecDeque<Outbound>,
    sent_seq: u64,
    acked_seq: u64,
    delivered_seq: u64,
    durable_seq: u64,
    /// `None` while no link is up, else the next message to put on it.
    next: Option<u64>,
    /// The acknowledgement that the peer was last told on this link.
    told_seq: u64,
}

impl Session {
    /// A session that has made nothing and received nothing.
    #[must_use]
    pub fn new(secret: Secret) -> Self {
        Self {
            secret,
            unacked: VecDeque::new(),
            sent_seq: 0,
            acked_seq: 0,
            delivered_seq: 0,
            durable_seq: 0,
            next: None,
            told_seq: 0,
        }
    }

    /// Adds a message and returns its number. It leaves when [`Session::transmit`] is called.
    ///
    /// # Errors
    /// The message cannot be JSON.
    pub fn enqueue(&mut self, message: &Message) -> Result<u64, serde_json::Error> {
        let body = message.body()?;
        self.sent_seq += 1;
        self.unacked.push_back(Outbound { seq: self.sent_seq, kind: message.kind(), body });
        Ok(self.sent_seq)
    }

    /// Highest message made.
    #[must_use]
    pub fn sent_seq(&self) -> u64 {
        self.sent_seq
    }

    /// Highest own message that the peer made durable.
    #[must_use]
    pub fn acked_seq(&self) -> u64 {
        self.acked_seq
    }

    /// Highest received message whose effect is durable.
    #[must_use]
    pub fn durable_seq(&self) -> u64 {
        self.durable_seq
    }

    /// Whether a link is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.next.is_some()
    }

    /// Takes over what a journal knows: messages received, and own messages known to be acknowledged. Those are not made again:
    /// the next [`Session::enqueue`] has the number after them.
    pub fn restore(&mut self, received_seq: u64, acked_seq: u64) {
        self.delivered_seq = self.delivered_seq.max(received_seq);
        self.durable_seq = self.delivered_seq;
        self.acked_seq = self.acked_seq.max(acked_seq);
        self.sent_seq = self.sent_seq.max(acked_seq);
        self.forget_acked();
    }

    /// Puts the session on a fresh link whose peer has `peer_received` of our messages and goes on with `peer_resumes_at`.
    /// A side that has received nothing yet starts there; any other insists on its own next message.
    ///
    /// # Errors
    /// [`SessionError::PeerAhead`] or [`SessionError::PeerBehind`].
    pub fn link_up(&mut self, peer_received: u64, peer_resumes_at: u64) -> Result<(), SessionError> {
        if peer_received < self.acked_seq {
            return Err(SessionError::PeerBehind { peer: peer_received, acked: self.acked_seq });
        }
        self.acknowledge(peer_received)?;
        if self.delivered_seq == 0 {
            self.delivered_seq = peer_resumes_at.saturating_sub(1);
            self.durable_seq = self.delivered_seq;
        } else if peer_resumes_at > self.delivered_seq + 1 {
            return Err(SessionError::Gap { expected: self.delivered_seq + 1, got: peer_resumes_at });
        }
        self.next = Some(peer_received + 1);
        self.told_seq = self.durable_seq;
        Ok(())
    }

    /// Forgets the link. What was not acknowledged is kept.
    pub fn link_down(&mut self) {
        self.next = None;
    }

    /// Reads one frame of the peer.
    ///
    /// # Errors
    /// The link must be dropped: see [`SessionError`].
    pub fn receive(&mut self, text: &str) -> Result<Received, SessionError> {
        if !self.is_up() {
            return Err(SessionError::Down);
        }
        let frame = self.secret.open(text)?;
        self.acknowledge(frame.ack)?;
        if frame.seq == 0 {
            if frame.kind != "heartbeat" {
                return Err(SessionError::Unexpected(frame.kind));
            }
            return Ok(Received::Heartbeat(serde_json::from_str(&frame.body).map_err(FrameError::from)?));
        }
        let expected = self.delivered_seq + 1;
        if frame.seq < expected {
            // The peer sends it again because it never saw the acknowledgement, so it must be told once more.
            self.told_seq = 0;
            return Ok(Received::Duplicate);
        }
        if frame.seq > expected {
            return Err(SessionError::Gap { expected, got: frame.seq });
        }
        self.delivered_seq = expected;
        let (seq, kind) = (frame.seq, frame.kind);
        Ok(match Message::parse(&kind, &frame.body) {
            Some(Ok(message)) => Received::Message { seq, message },
            Some(Err(error)) => Received::Unreadable { seq, kind, reason: error.to_string() },
            None => Received::Unreadable { seq, kind, reason: "unknown kind".to_owned() },
        })
    }

    /// Declares the effect of every message up to `seq` durable; from now on it is acknowledged.
    pub fn confirm(&mut self, seq: u64) {
        self.durable_seq = self.durable_seq.max(seq.min(self.delivered_seq));
    }

    /// The next message due on this link, or `None`.
    ///
    /// # Errors
    /// The message is too long for a frame.
    pub fn transmit(&mut self) -> Result<Option<String>, SessionError> {
        let Some(next) = self.next else { return Ok(None) };
        let Some(first) = self.unacked.front().map(|m| m.seq) else { return Ok(None) };
        let Some(message) = usize::try_from(next.max(first) - first).ok().and_then(|i| self.unacked.get(i)) else {
            return Ok(None);
        };
        let text = self.secret.seal(message.kind, message.seq, self.durable_seq, &message.body)?;
        self.next = Some(message.seq + 1);
        self.told_seq = self.durable_seq;
        Ok(Some(text))
    }

    /// Whether the peer waits for an acknowledgement that no message has carried yet.
    #[must_use]
    pub fn owes_ack(&self) -> bool {
        self.is_up() && self.told_seq < self.durable_seq
    }

    /// A heartbeat frame, which also carries the acknowledgement.
    ///
    /// # Errors
    /// The heartbeat cannot be JSON.
    pub fn heartbeat(&mut self, heartbeat: &Heartbeat) -> Result<String, SessionError> {
        let body = serde_json::to_string(heartbeat).map_err(FrameError::from)?;
        self.told_seq = self.durable_seq;
        Ok(self.secret.seal("heartbeat", 0, self.durable_seq, &body)?)
    }

    fn acknowledge(&mut self, ack: u64) -> Result<(), SessionError> {
        if ack > self.sent_seq {
            return Err(SessionError::PeerAhead { peer: ack, own: self.sent_seq });
        }
        self.acked_seq = self.acked_seq.max(ack);
        self.forget_acked();
        Ok(())
    }

    fn forget_acked(&mut self) {
        while self.unacked.front().is_some_and(|m| m.seq <= self.acked_seq) {
            self.unacked.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
