//! The lane of signals: worth something for seconds, so a late one is left out, and its number accounted for.

use super::SessionError;
use super::fresh::expiry_of;
use model::message::{GapFill, Message};
use std::collections::{BTreeMap, HashMap};

/// So many signals beyond the received ones may be under way.
pub(super) const WINDOW: u64 = 4096;
/// A sender that holds this many refuses the next one.
pub const MOST_HELD: usize = 4096;

/// Why a signal was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalRefused {
    /// Every place is taken by one that is fresh and unacknowledged.
    #[error("{MOST_HELD} signals wait already: the engine takes them more slowly than they are made")]
    Full,
    /// It is too late for this one.
    #[error("it has expired")]
    Expired,
    /// Only predictions and opportunities are signals.
    #[error("it is no signal")]
    NoSignal,
}

/// Of what a newer signal replaces the older: symbol, horizon, model.
type Topic = (String, u64, String);

#[derive(Debug)]
enum Slot {
    Signal {
        message: Box<Message>,
        expires_ns: i64,
        topic: Option<Topic>,
    },
    /// These will never be sent.
    Gap(GapFill),
}

/// What leaves next.
pub(super) enum Outgoing<'a> {
    Signal(&'a Message),
    Gap(&'a GapFill),
}

/// Our signals, of one epoch.
#[derive(Debug, Default)]
pub(super) struct SignalOutbox {
    /// By the first number of each: together they cover every number after `acked`, without a hole.
    slots: BTreeMap<u64, Slot>,
    topics: HashMap<Topic, u64>,
    n_held: usize,
    made: u64,
    acked: u64,
    sent: u64,
    /// Highest number that was ever on a link. Up to it slots keep their bounds, which the peer may know.
    ever_sent: u64,
    credit: u64,
    pub(super) expired: u64,
    pub(super) conflated: u64,
}

impl SignalOutbox {
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    pub(super) fn acked(&self) -> u64 {
        self.acked
    }

    pub(super) fn n_held(&self) -> usize {
        self.n_held
    }

    pub(super) fn n_slots(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn push(&mut self, message: Message, now_ns: i64) -> Result<u64, SignalRefused> {
        let expires_ns = expiry_of(&message).ok_or(SignalRefused::NoSignal)?;
        if expires_ns < now_ns {
            return Err(SignalRefused::Expired);
        }
        let topic = topic_of(&message);
        let older = topic.as_ref().and_then(|topic| self.topics.get(topic)).copied();
        if older.is_none() && self.n_held >= MOST_HELD {
            self.expire(now_ns);
            if self.n_held >= MOST_HELD {
                return Err(SignalRefused::Full);
            }
        }
        if let Some(seq) = older {
            self.give_up(seq, GapFill { through: seq, expired: 0, conflated: 1 });
        }
        self.made += 1;
        if let Some(topic) = topic.clone() {
            self.topics.insert(topic, self.made);
        }
        self.slots.insert(self.made, Slot::Signal { message: Box::new(message), expires_ns, topic });
        self.n_held += 1;
        Ok(self.made)
    }

    /// Forgets what has expired.
    pub(super) fn expire(&mut self, now_ns: i64) {
        let is_over = |slot: &Slot| matches!(slot, Slot::Signal { expires_ns, .. } if *expires_ns < now_ns);
        let over: Vec<u64> = self.slots.iter().filter(|(_, slot)| is_over(slot)).map(|(seq, _)| *seq).collect();
        for seq in over {
            self.give_up(seq, GapFill { through: seq, expired: 1, conflated: 0 });
        }
    }

    /// Puts a gap in the place of signal `seq` and joins it with its neighbours, as long as none of them was ever sent.
    fn give_up(&mut self, seq: u64, gap: GapFill) {
        let Some(Slot::Signal { topic, .. }) = self.slots.remove(&seq) else { return };
        if let Some(topic) = topic.filter(|topic| self.topics.get(topic) == Some(&seq)) {
            self.topics.remove(&topic);
        }
        self.n_held -= 1;
        self.expired += gap.expired;
        self.conflated += gap.conflated;
        let (mut first, mut gap) = (seq, gap);
        if seq > self.ever_sent {
            if let Some((before, Slot::Gap(left))) = self.slots.range(..seq).next_back()
                && *before > self.ever_sent
            {
                first = *before;
                gap = joined(left, &gap);
            }
            if let Some(Slot::Gap(right)) = self.slots.get(&(seq + 1)) {
                gap = joined(&gap, right);
                self.slots.remove(&(seq + 1));
            }
        }
        self.slots.insert(first, Slot::Gap(gap));
    }

    pub(super) fn link_up(&mut self, received: u64) -> Result<(), SessionError> {
        self.acknowledge(received)?;
        (self.sent, self.credit) = (self.acked, 0);
        Ok(())
    }

    pub(super) fn acknowledge(&mut self, ack: u64) -> Result<(), SessionError> {
        // Only what was sent can have arrived.
        if ack > self.ever_sent {
            return Err(SessionError::PeerAhead { peer: ack, own: self.ever_sent });
        }
        if ack < self.acked {
            return Err(SessionError::PeerBehind { peer: ack, acked: self.acked });
        }
        let rest = self.slots.split_off(&(ack + 1));
        for slot in std::mem::replace(&mut self.slots, rest).into_values() {
            if let Slot::Signal { topic, .. } = slot {
                self.n_held -= 1;
                if let Some(topic) = topic.filter(|t| self.topics.get(t).is_some_and(|seq| *seq <= ack)) {
                    self.topics.remove(&topic);
                }
            }
        }
        self.acked = ack;
        Ok(())
    }

    pub(super) fn grant(&mut self, credit: u64) {
        self.credit = self.credit.max(credit);
    }

    /// The next thing that may leave, with its number; [`SignalOutbox::advance`] says that it did.
    pub(super) fn next(&self) -> Option<(u64, Outgoing<'_>)> {
        let seq = self.sent.max(self.acked) + 1;
        let slot = self.slots.get(&seq).filter(|_| seq <= self.credit)?;
        Some((
            seq,
            match slot {
                Slot::Signal { message, .. } => Outgoing::Signal(message),
                Slot::Gap(gap) => Outgoing::Gap(gap),
            },
        ))
    }

    /// Counts what [`SignalOutbox::next`] gave as sent; `true` if it was sent before.
    pub(super) fn advance(&mut self) -> bool {
        let seq = self.sent.max(self.acked) + 1;
        self.sent = match self.slots.get(&seq) {
            Some(Slot::Gap(gap)) => gap.through,
            _ => seq,
        };
        let is_repeat = seq <= self.ever_sent;
        self.ever_sent = self.ever_sent.max(self.sent);
        is_repeat
    }
}

fn joined(left: &GapFill, right: &GapFill) -> GapFill {
    GapFill {
        through: right.through,
        expired: left.expired + right.expired,
        conflated: left.conflated + right.conflated,
    }
}

fn topic_of(message: &Message) -> Option<Topic> {
    match message {
        Message::Prediction(p) => Some((p.symbol.clone(), p.horizon_ms, p.model.clone())),
        _ => None,
    }
}

/// The peer's signals.
#[derive(Debug, Default)]
pub(super) struct SignalInbox {
    pub(super) epoch: String,
    pub(super) received: u64,
    window: u64,
    told: Option<(u64, u64)>,
}

impl SignalInbox {
    /// An inbox that takes signals; the default takes none.
    pub(super) fn open() -> Self {
        Self { window: WINDOW, ..Self::default() }
    }

    /// A new link, on which the peer goes on with `resumes_at` of `epoch`.
    pub(super) fn link_up(&mut self, epoch: &str, resumes_at: u64) -> Result<(), SessionError> {
        self.told = None;
        if self.epoch != epoch {
            epoch.clone_into(&mut self.epoch);
            self.received = resumes_at.saturating_sub(1);
        }
        if resumes_at > self.received + 1 {
            return Err(SessionError::Gap { expected: self.received + 1, got: resumes_at });
        }
        Ok(())
    }

    /// Takes the numbers from `seq` through `through`; `false` if they were received before.
    pub(super) fn take(&mut self, seq: u64, through: u64) -> Result<bool, SessionError> {
        let credit = self.told.map_or(0, |(_, credit)| credit);
        if seq > credit {
            return Err(SessionError::BeyondCredit { seq, credit });
        }
        let expected = self.received + 1;
        if seq > expected || through < seq {
            return Err(SessionError::Gap { expected, got: seq });
        }
        let is_new = through > self.received;
        self.received = self.received.max(through);
        Ok(is_new)
    }

    pub(super) fn owes(&self) -> bool {
        self.told.is_none_or(|(ack, _)| ack < self.received)
    }

    pub(super) fn tell(&mut self) -> (u64, u64) {
        let credit = if self.window == 0 { 0 } else { self.received + self.window };
        *self.told.insert((self.received, credit))
    }
}
