//! Packets of an open link: what is due leaves together, what comes is taken in order.

use super::signals::Outgoing;
use super::{Event, NotFresh, Now, Phase, Pulse, Session, SessionError, fresh};
use crate::packet::{self, Body, BodyRef, Item, Packet};
use model::message::{GapFill, Heartbeat, Message};
use std::borrow::Cow;

const HEARTBEAT_EVERY_NS: i64 = 1_000_000_000;
/// A packet that has grown to this size is closed; the next one takes the rest.
const PACKET_BYTES: usize = 256 * 1024;
/// Likewise for its number of items.
const PACKET_ITEMS: usize = 512;

impl Session {
    pub(super) fn read_packet(
        &mut self,
        payload: &[u8],
        now: Now,
        events: &mut Vec<Event>,
    ) -> Result<(), SessionError> {
        let packet = packet::decode(payload, self.line.style.encoding)?;
        self.outbox.acknowledge(packet.ack)?;
        self.outbox.grant(packet.credit);
        self.signals_out.acknowledge(packet.signal_ack)?;
        self.signals_out.grant(packet.signal_credit);
        if let Some(heartbeat) = &packet.heartbeat {
            self.monitor.heard(heartbeat, now.at_ns);
        }
        for item in packet.messages {
            self.take_message(item, events)?;
        }
        for item in packet.signals {
            self.take_signal(item, now, events)?;
        }
        Ok(())
    }

    fn take_message(&mut self, item: Item<'_, BodyRef<'_>>, events: &mut Vec<Event>) -> Result<(), SessionError> {
        let counts = &mut self.monitor.counts;
        if !self.inbox.take(item.seq)? {
            counts.messages_repeated += 1;
            return Ok(());
        }
        counts.messages_received += 1;
        let seq = item.seq;
        events.push(match item.body.message(&item.kind) {
            Ok(message) => Event::Message { seq, message },
            Err(reason) => {
                counts.messages_unreadable += 1;
                Event::Unreadable { seq, kind: item.kind.into_owned(), reason }
            }
        });
        Ok(())
    }

    fn take_signal(
        &mut self,
        item: Item<'_, BodyRef<'_>>,
        now: Now,
        events: &mut Vec<Event>,
    ) -> Result<(), SessionError> {
        let counts = &mut self.monitor.counts;
        if item.kind == "gap_fill" {
            let gap: GapFill = item.body.read()?;
            if self.signals_in.take(item.seq, gap.through)? {
                counts.signals_expired_at_peer += gap.expired;
                counts.signals_conflated_at_peer += gap.conflated;
            }
            return Ok(());
        }
        if !self.signals_in.take(item.seq, item.seq)? {
            return Ok(());
        }
        counts.signals_received += 1;
        let Ok(signal) = item.body.message(&item.kind) else {
            counts.signals_unreadable += 1;
            return Ok(());
        };
        let senders_clock = now.shared_ns.unwrap_or_else(|| now.at_ns.saturating_add(self.monitor.offset_ns()));
        let counts = &mut self.monitor.counts;
        match fresh::judge(&signal, senders_clock) {
            Ok(()) if fresh::expiry_of(&signal).is_none() => counts.signals_unreadable += 1,
            Ok(()) => {
                counts.signals_delivered += 1;
                events.push(Event::Signal(signal));
            }
            Err(NotFresh::Expired) => counts.signals_expired += 1,
            Err(NotFresh::Stale) => counts.signals_stale += 1,
            Err(NotFresh::Future) => counts.signals_future += 1,
        }
        Ok(())
    }

    /// The next frame that is due on this link, or `None`. Call it until then.
    ///
    /// # Errors
    /// A message is too long for a frame.
    pub fn transmit(&mut self, now: Now, pulse: Pulse) -> Result<Option<Vec<u8>>, SessionError> {
        if !matches!(self.line.phase, Phase::Up) {
            return Ok(None);
        }
        self.signals_out.expire(now.shared_ns.unwrap_or(now.at_ns));
        let beats = now.at_ns >= self.line.heartbeat_due_ns;
        let (messages, size) = self.due_messages()?;
        let signals = self.due_signals(PACKET_ITEMS - messages.len(), PACKET_BYTES.saturating_sub(size))?;
        let owes = self.inbox.owes() || self.signals_in.owes();
        if messages.is_empty() && signals.is_empty() && !owes && !beats {
            return Ok(None);
        }
        let heartbeat = beats.then(|| {
            self.line.heartbeat_due_ns = now.at_ns.saturating_add(HEARTBEAT_EVERY_NS);
            let (echo_ns, held_ns) = self.monitor.echo(now.at_ns);
            Heartbeat { at_ns: now.at_ns, echo_ns, held_ns, reached_ns: pulse.reached_ns, state: pulse.state }
        });
        let ((ack, credit), (signal_ack, signal_credit)) = (self.inbox.tell(), self.signals_in.tell());
        let packet = Packet { ack, credit, signal_ack, signal_credit, heartbeat, messages, signals };
        let payload = packet::encode(&packet, self.line.style.encoding)?;
        self.seal(&payload).map(Some)
    }

    /// When the next heartbeat is due, on this side's clock; `None` while no link is up.
    #[must_use]
    pub fn heartbeat_due_ns(&self) -> Option<i64> {
        self.is_up().then_some(self.line.heartbeat_due_ns)
    }

    fn due_messages(&mut self) -> Result<(Vec<Item<'static, Body>>, usize), SessionError> {
        let (mut items, mut size) = (Vec::new(), 0);
        while items.len() < PACKET_ITEMS && size < PACKET_BYTES {
            let Some((seq, message)) = self.outbox.next() else { break };
            let body = Body::of_message(message, self.line.style.encoding)?;
            size += body.len();
            items.push(Item { seq, kind: Cow::Borrowed(message.kind()), body });
            self.monitor.counts.messages_sent += 1;
            self.monitor.counts.messages_sent_again += u64::from(self.outbox.advance());
        }
        Ok((items, size))
    }

    fn due_signals(&mut self, most: usize, mut room: usize) -> Result<Vec<Item<'static, Body>>, SessionError> {
        let (mut items, encoding) = (Vec::new(), self.line.style.encoding);
        while items.len() < most && room > 0 {
            let Some((seq, outgoing)) = self.signals_out.next() else { break };
            let (kind, body) = match outgoing {
                Outgoing::Signal(signal) => (signal.kind(), Body::of_message(signal, encoding)?),
                Outgoing::Gap(gap) => ("gap_fill", Body::new(gap, encoding)?),
            };
            self.monitor.counts.signals_sent += u64::from(matches!(outgoing, Outgoing::Signal(_)));
            room = room.saturating_sub(body.len());
            items.push(Item { seq, kind: Cow::Borrowed(kind), body });
            self.monitor.counts.signals_sent_again += u64::from(self.signals_out.advance());
        }
        Ok(items)
    }

    /// Says that the owner keeps this side's messages, of which those up to `made` exist already: at most `most` of them wait here.
    /// The owner must give back what [`Session::missing`] asks for.
    pub fn keep_elsewhere(&mut self, most: usize, made: u64) {
        self.outbox.keep_elsewhere(most, made);
    }

    /// Messages that are due soon and are not here: the first, and how many. [`Session::hand_back`] takes them.
    #[must_use]
    pub fn missing(&self) -> Option<(u64, usize)> {
        self.outbox.missing()
    }

    /// Takes the messages that [`Session::missing`] asked for, in order, from the first on; fewer will do.
    pub fn hand_back(&mut self, messages: Vec<Message>) {
        self.outbox.hand_back(messages);
    }

    /// Own messages that wait in memory.
    #[must_use]
    pub fn n_kept(&self) -> usize {
        self.outbox.n_kept()
    }

    /// Messages that were made and are not acknowledged.
    #[must_use]
    pub fn n_waiting(&self) -> u64 {
        self.outbox.made() - self.outbox.acked()
    }
}
