//! The lane of messages: kept until the peer made them durable, sent again after every break, never dropped.

use super::SessionError;
use model::message::Message;
use std::collections::VecDeque;

/// So many messages beyond the durable ones may be under way.
pub(super) const WINDOW: u64 = 1024;

/// Our messages.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// The first messages after `acked`, in order; those up to `made` that are not here are kept by this side's owner.
    kept: VecDeque<Message>,
    /// So many are kept here at most; `None` for all of them.
    most: Option<usize>,
    made: u64,
    acked: u64,
    /// Last one on this link.
    sent: u64,
    credit: u64,
    /// Highest one that was ever on a link: below it, sending is sending again.
    ever_sent: u64,
}

impl Outbox {
    pub(super) fn push(&mut self, message: Message) -> u64 {
        let has_room = self.most.is_none_or(|most| self.kept.len() < most);
        if self.kept_to() == self.made && has_room {
            self.kept.push_back(message);
        }
        self.made += 1;
        self.made
    }

    /// Leaves all but `most` messages to the owner, who has kept those up to `made`.
    pub(super) fn keep_elsewhere(&mut self, most: usize, made: u64) {
        (self.most, self.made) = (Some(most), self.made.max(made));
    }

    /// The next messages to be handed back, once half of the room is free: the first, and how many.
    pub(super) fn missing(&self) -> Option<(u64, usize)> {
        let (most, next) = (self.most?, self.kept_to() + 1);
        let wants = next <= self.made && self.kept.len() <= most / 2;
        wants.then(|| (next, usize::try_from(self.made + 1 - next).unwrap_or(most).min(most - self.kept.len())))
    }

    pub(super) fn hand_back(&mut self, messages: Vec<Message>) {
        self.kept.extend(messages);
    }

    pub(super) fn n_kept(&self) -> usize {
        self.kept.len()
    }

    fn kept_to(&self) -> u64 {
        self.acked + self.kept.len() as u64
    }

    pub(super) fn made(&self) -> u64 {
        self.made
    }

    pub(super) fn acked(&self) -> u64 {
        self.acked
    }

    /// Takes over that everything up to `acked` was made and acknowledged before.
    pub(super) fn restore(&mut self, acked: u64) {
        let known = acked.saturating_sub(self.acked).min(self.kept.len() as u64);
        self.kept.drain(..usize::try_from(known).unwrap_or(0));
        self.acked = self.acked.max(acked);
        self.made = self.made.max(self.acked);
        self.ever_sent = self.ever_sent.max(acked);
    }

    /// A new link, whose peer has everything up to `received`.
    pub(super) fn link_up(&mut self, received: u64) -> Result<(), SessionError> {
        self.acknowledge(received)?;
        (self.sent, self.credit) = (self.acked, 0);
        Ok(())
    }

    pub(super) fn acknowledge(&mut self, ack: u64) -> Result<(), SessionError> {
        if ack > self.made() {
            return Err(SessionError::PeerAhead { peer: ack, own: self.made() });
        }
        if ack < self.acked {
            return Err(SessionError::PeerBehind { peer: ack, acked: self.acked });
        }
        self.restore(ack);
        Ok(())
    }

    pub(super) fn grant(&mut self, credit: u64) {
        self.credit = self.credit.max(credit);
    }

    /// The next message that may leave; [`Outbox::advance`] says that it did.
    pub(super) fn next(&self) -> Option<(u64, &Message)> {
        let seq = self.sent.max(self.acked) + 1;
        let index = usize::try_from(seq - self.acked - 1).ok()?;
        (seq <= self.credit).then_some(())?;
        self.kept.get(index).map(|message| (seq, message))
    }

    /// Counts the message of [`Outbox::next`] as sent; `true` if it was sent before.
    pub(super) fn advance(&mut self) -> bool {
        self.sent = self.sent.max(self.acked) + 1;
        let is_repeat = self.sent <= self.ever_sent;
        self.ever_sent = self.ever_sent.max(self.sent);
        is_repeat
    }
}

/// The peer's messages.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    delivered: u64,
    durable: u64,
    /// What the peer was told on this link: acknowledgement and credit.
    told: Option<(u64, u64)>,
}

impl Inbox {
    pub(super) fn durable(&self) -> u64 {
        self.durable
    }

    pub(super) fn restore(&mut self, received: u64) {
        self.delivered = self.delivered.max(received);
        self.durable = self.delivered;
    }

    /// A new link, on which the peer goes on with `resumes_at`. A side that has received nothing yet starts there; any other
    /// insists on its own next message.
    pub(super) fn link_up(&mut self, resumes_at: u64) -> Result<(), SessionError> {
        self.told = None;
        if self.delivered == 0 {
            self.restore(resumes_at.saturating_sub(1));
        }
        self.expect(resumes_at).map(|_| ())
    }

    /// Whether message `seq` is the next one; `false` if it was delivered before.
    fn expect(&self, seq: u64) -> Result<bool, SessionError> {
        let expected = self.delivered + 1;
        if seq > expected {
            return Err(SessionError::Gap { expected, got: seq });
        }
        Ok(seq == expected)
    }

    /// Takes message `seq`; `false` if it was delivered before.
    pub(super) fn take(&mut self, seq: u64) -> Result<bool, SessionError> {
        let credit = self.told.map_or(0, |(_, credit)| credit);
        if seq > credit {
            return Err(SessionError::BeyondCredit { seq, credit });
        }
        let is_new = self.expect(seq)?;
        self.delivered += u64::from(is_new);
        Ok(is_new)
    }

    pub(super) fn confirm(&mut self, seq: u64) {
        self.durable = self.durable.max(seq.min(self.delivered));
    }

    /// Whether the peer waits for an acknowledgement that it was not told.
    pub(super) fn owes(&self) -> bool {
        self.told.is_none_or(|(ack, _)| ack < self.durable)
    }

    /// The acknowledgement and the credit that leave now.
    pub(super) fn tell(&mut self) -> (u64, u64) {
        *self.told.insert((self.durable, self.durable + WINDOW))
    }
}
