//! One session between two sides that may both die at any time, without sockets and without a clock of its own.
//!
//! Messages are counted from 1 in each direction and kept until the peer made their effect durable. Signals have a lane of
//! their own. After a reconnect each side says what it has and the other goes on from there, so a gap on a live link is
//! never repaired in place: the link is dropped, and the resume repairs it.
//!
//! The engine's half runs in the engine. The worker's half is the mirror image: it lets both halves be tried against each other,
//! and writes the golden frames that the worker's own implementation is held to.

mod error;
mod fresh;
mod messages;
mod opening;
mod packets;
mod signals;

use crate::frame::{Channel, Style};
use crate::monitor::Monitor;
use crate::secret::Secret;
use messages::{Inbox, Outbox};
use model::TradingState;
use model::message::{Hello, InstanceState, Message};
use opening::Phase;
use signals::{SignalInbox, SignalOutbox};

pub use error::SessionError;
pub use fresh::NotFresh;
pub use signals::{MOST_HELD, SignalRefused};

/// What time it is.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// This side's clock.
    pub at_ns: i64,
    /// The injected clock that both sides share, where there is one; signals are then judged by it.
    pub shared_ns: Option<i64>,
}

/// What this side says of itself in every heartbeat.
#[derive(Clone, Copy, Debug)]
pub struct Pulse {
    /// Market time processed.
    pub reached_ns: i64,
    /// State of the engine.
    pub state: TradingState,
}

/// What an engine says of itself when it greets.
#[derive(Clone, Debug)]
pub struct About {
    /// Its name.
    pub engine_id: String,
    /// Its build.
    pub build: String,
    /// What runs.
    pub instances: Vec<InstanceState>,
    /// Where it stands.
    pub pulse: Pulse,
}

/// What one frame brought.
// They live for one turn: a box would only add an allocation.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, PartialEq)]
pub enum Event {
    /// To an engine: the worker wants to be greeted, with [`Session::greet`].
    Challenged,
    /// To a worker: the engine has greeted and waits for [`Session::welcome`].
    Greeted(Hello),
    /// The link is up.
    Opened,
    /// The next message, to be made durable and then confirmed with [`Session::confirm`].
    Message {
        /// Its number.
        seq: u64,
        /// What it says.
        message: Message,
    },
    /// The next message, correctly signed but of a kind or form this build does not know; to be recorded and confirmed too.
    Unreadable {
        /// Its number.
        seq: u64,
        /// Its kind.
        kind: String,
        /// What is wrong.
        reason: String,
    },
    /// A fresh signal. It counts as received, so it must take effect before the next [`Session::transmit`].
    Signal(Message),
}

/// One link: what is forgotten when it breaks.
struct Line {
    phase: Phase,
    outgoing: Channel,
    incoming: Channel,
    style: Style,
    heartbeat_due_ns: i64,
}

/// Both directions of one session.
pub struct Session {
    secret: Secret,
    is_engine: bool,
    wanted: Style,
    line: Line,
    outbox: Outbox,
    inbox: Inbox,
    signals_out: SignalOutbox,
    signals_in: SignalInbox,
    epoch: String,
    monitor: Monitor,
}

impl Session {
    /// An engine's half, which has made nothing and received nothing, and wants to speak in `style`.
    #[must_use]
    pub fn engine(secret: Secret, style: Style) -> Self {
        let mut session = Self::new(secret, true, String::new());
        session.wanted = style;
        session.signals_in = SignalInbox::open();
        session
    }

    /// A worker's half, whose signals are of `epoch`.
    #[must_use]
    pub fn worker(secret: Secret, epoch: String) -> Self {
        Self::new(secret, false, epoch)
    }

    fn new(secret: Secret, is_engine: bool, epoch: String) -> Self {
        Self {
            line: Line::down(&secret),
            secret,
            is_engine,
            wanted: Style::default(),
            outbox: Outbox::default(),
            inbox: Inbox::default(),
            signals_out: SignalOutbox::default(),
            signals_in: SignalInbox::default(),
            epoch,
            monitor: Monitor::default(),
        }
    }

    /// Takes over what is on disk: messages received, and own messages known to be acknowledged. Those are not made again:
    /// the next [`Session::enqueue`] has the number after them.
    pub fn restore(&mut self, received_seq: u64, acked_seq: u64) {
        self.inbox.restore(received_seq);
        self.outbox.restore(acked_seq);
    }

    /// Adds a message and returns its number. It leaves when [`Session::transmit`] is called.
    pub fn enqueue(&mut self, message: Message) -> u64 {
        self.outbox.push(message)
    }

    /// Adds a signal and returns its number; a newer prediction takes the place of an older one on the same matter.
    ///
    /// # Errors
    /// [`SignalRefused`].
    pub fn offer(&mut self, signal: Message, now: Now) -> Result<u64, SignalRefused> {
        self.signals_out.push(signal, now.shared_ns.unwrap_or(now.at_ns))
    }

    /// Declares the effect of every message up to `seq` durable; from now on it is acknowledged.
    pub fn confirm(&mut self, seq: u64) {
        self.inbox.confirm(seq);
    }

    /// Highest message made.
    #[must_use]
    pub fn sent_seq(&self) -> u64 {
        self.outbox.made()
    }

    /// Highest own message that the peer made durable.
    #[must_use]
    pub fn acked_seq(&self) -> u64 {
        self.outbox.acked()
    }

    /// Highest received message whose effect is durable.
    #[must_use]
    pub fn durable_seq(&self) -> u64 {
        self.inbox.durable()
    }

    /// Highest signal of the peer's present epoch that arrived, or that the peer will never send.
    #[must_use]
    pub fn signals_received(&self) -> u64 {
        self.signals_in.received
    }

    /// Own signals: how many were numbered, how many the peer accounts for, how many are held, and how many expired and were
    /// replaced here.
    #[must_use]
    pub fn signals_out(&self) -> SignalsOut {
        let out = &self.signals_out;
        SignalsOut {
            made: out.made(),
            acked: out.acked(),
            held: out.n_held(),
            slots: out.n_slots(),
            expired: out.expired,
            conflated: out.conflated,
        }
    }

    /// What is known of the line.
    #[must_use]
    pub fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// Whether a link is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.line.phase, Phase::Up)
    }

    /// Forgets the connection, if there is one. What was not acknowledged is kept.
    pub fn close(&mut self) {
        match self.line.phase {
            Phase::Up => self.monitor.counts.links_broken += 1,
            _ => self.monitor.counts.links_failed += 1,
        }
        self.line = Line::down(&self.secret);
    }

    /// Reads one frame of the peer.
    ///
    /// # Errors
    /// The link must be closed: see [`SessionError`]. What came before in `events` counts.
    pub fn receive(&mut self, frame: &[u8], now: Now, events: &mut Vec<Event>) -> Result<(), SessionError> {
        let result = self.read(frame, now, events);
        match result {
            Ok(()) => self.monitor.counts.frames_received += 1,
            Err(_) => self.monitor.counts.frames_refused += 1,
        }
        result
    }

    fn read(&mut self, frame: &[u8], now: Now, events: &mut Vec<Event>) -> Result<(), SessionError> {
        if matches!(self.line.phase, Phase::Down) {
            return Err(SessionError::Down);
        }
        let payload = self.line.incoming.open(frame)?;
        match std::mem::replace(&mut self.line.phase, Phase::Down) {
            Phase::Up => {
                self.line.phase = Phase::Up;
                self.read_packet(&payload, now, events)
            }
            phase => self.read_opening(phase, &payload, events),
        }
    }

    fn seal(&mut self, payload: &[u8]) -> Result<Vec<u8>, SessionError> {
        let frame = self.line.outgoing.seal(payload)?;
        self.monitor.counts.frames_sent += 1;
        Ok(frame)
    }
}

impl Line {
    fn down(secret: &Secret) -> Self {
        let key = secret.opening_key();
        Self {
            phase: Phase::Down,
            outgoing: Channel::new(key.clone()),
            incoming: Channel::new(key),
            style: Style::default(),
            heartbeat_due_ns: i64::MIN,
        }
    }
}

/// What became of this side's signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalsOut {
    /// Numbered.
    pub made: u64,
    /// The peer has them, or knows that they will never come.
    pub acked: u64,
    /// Held, waiting or unacknowledged.
    pub held: usize,
    /// Places that they and the gaps between them take.
    pub slots: usize,
    /// Expired here.
    pub expired: u64,
    /// Replaced here by a newer one.
    pub conflated: u64,
}
