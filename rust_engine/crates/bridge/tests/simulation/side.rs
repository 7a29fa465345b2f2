//! One side of the simulation.

use bridge::Session;
use model::message::{AdvanceTo, Message};
use std::collections::VecDeque;

/// One process: a session in memory, and what its disk holds.
pub struct Side {
    pub session: Session,
    pub made: Vec<i64>,
    pub received: Vec<i64>,
    /// Delivered, on no disk yet.
    pub pending: Vec<(u64, i64)>,
    /// What the disk knows of the peer's acknowledgements, which may be old.
    pub noted_acked: usize,
    pub inbound: VecDeque<Vec<u8>>,
    /// So many messages wait in the session, where the others are kept elsewhere.
    most_kept: Option<usize>,
}

impl Side {
    pub fn new(session: Session) -> Self {
        let (made, received, pending) = (Vec::new(), Vec::new(), Vec::new());
        Self { session, made, received, pending, noted_acked: 0, inbound: VecDeque::new(), most_kept: None }
    }

    /// The same, with at most so many messages in its session.
    pub fn keeping(mut self, most: Option<usize>) -> Self {
        self.most_kept = most;
        if let Some(most) = most {
            self.session.keep_elsewhere(most, 0);
        }
        self
    }

    /// Gives the session what it asks for.
    pub fn hand_back(&mut self) {
        while let Some((first, n)) = self.session.missing() {
            let wanted = self.made.iter().skip(first as usize - 1).take(n);
            self.session.hand_back(wanted.map(|n| Message::AdvanceTo(AdvanceTo { to_ns: *n })).collect());
        }
        assert!(self.most_kept.is_none_or(|most| self.session.n_kept() <= most));
    }

    pub fn make(&mut self, n: i64) {
        self.made.push(n);
        self.session.enqueue(Message::AdvanceTo(AdvanceTo { to_ns: n }));
    }

    pub fn commit(&mut self) {
        for (seq, n) in self.pending.drain(..) {
            assert_eq!(seq, self.received.len() as u64 + 1);
            self.received.push(n);
        }
        self.session.confirm(self.received.len() as u64);
    }

    /// kill -9 and a new start: memory is gone, the disk makes the messages again that it does not know to be acknowledged.
    pub fn restart(&mut self, session: Session) {
        self.session = session;
        self.pending.clear();
        self.session.restore(self.received.len() as u64, self.noted_acked as u64);
        if let Some(most) = self.most_kept {
            return self.session.keep_elsewhere(most, self.made.len() as u64);
        }
        for n in &self.made[self.noted_acked..] {
            self.session.enqueue(Message::AdvanceTo(AdvanceTo { to_ns: *n }));
        }
    }
}
