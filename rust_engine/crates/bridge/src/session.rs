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
mod packets;
mod signals;

use crate::frame::{Channel, Style};
use crate::handshake;
use crate::monitor::Monitor;
use crate::secret::{Direction, Secret};
use messages::{Inbox, Outbox};
use model::TradingState;
use model::message::{Hello, InstanceState, Message, PROTOCOL, Welcome};
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

enum Phase {
    Down,
    /// Engine: the challenge is due. Worker: the hello is due, to this nonce.
    Opening(String),
    /// Engine: greets next. Worker: welcomes next.
    Answering(Box<Answering>),
    /// Engine only: the welcome is due, to this nonce.
    Greeted {
        worker_nonce: String,
        engine_nonce: String,
    },
    Up,
}

struct Answering {
    own_nonce: String,
    peer_nonce: String,
    hello: Option<Hello>,
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

    /// A connection is there; `nonce` is random and of this connection alone. A worker speaks first, an engine listens.
    ///
    /// # Errors
    /// The challenge cannot be written.
    pub fn open(&mut self, nonce: String) -> Result<Option<Vec<u8>>, SessionError> {
        self.line = Line::down(&self.secret);
        let challenge = match self.is_engine {
            true => None,
            false => Some(self.seal(&handshake::write("challenge", &handshake::challenge(&nonce))?)?),
        };
        self.line.phase = Phase::Opening(nonce);
        Ok(challenge)
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
            Phase::Opening(nonce) if self.is_engine => {
                let challenge = handshake::read_challenge(&payload, self.wanted)?;
                let answering = Answering { own_nonce: nonce, peer_nonce: challenge.nonce, hello: None };
                self.line.phase = Phase::Answering(Box::new(answering));
                events.push(Event::Challenged);
                Ok(())
            }
            Phase::Opening(nonce) => {
                let hello = handshake::read_hello(&payload, &nonce)?;
                let peer_nonce = hello.nonce.clone();
                let answering = Answering { own_nonce: nonce, peer_nonce, hello: Some(hello.clone()) };
                self.line.phase = Phase::Answering(Box::new(answering));
                events.push(Event::Greeted(hello));
                Ok(())
            }
            Phase::Greeted { worker_nonce, engine_nonce } => {
                let welcome = handshake::read_welcome(&payload, &engine_nonce)?;
                self.signals_in.link_up(&welcome.epoch, welcome.signals_resume_seq)?;
                self.signals_out.link_up(0)?;
                self.outbox.link_up(welcome.received_seq)?;
                self.inbox.link_up(welcome.resume_seq)?;
                self.link_up(&worker_nonce, &engine_nonce, self.wanted);
                events.push(Event::Opened);
                Ok(())
            }
            Phase::Answering(_) | Phase::Down => Err(SessionError::Unexpected("frame before the answer".to_owned())),
        }
    }

    /// An engine's hello, after [`Event::Challenged`].
    ///
    /// # Errors
    /// No challenge came, or the hello is too long for a frame.
    pub fn greet(&mut self, about: &About) -> Result<Vec<u8>, SessionError> {
        let Phase::Answering(answering) = std::mem::replace(&mut self.line.phase, Phase::Down) else {
            return Err(SessionError::Down);
        };
        let hello = Hello {
            protocol: PROTOCOL,
            engine_id: about.engine_id.clone(),
            build: about.build.clone(),
            nonce: answering.own_nonce.clone(),
            worker_nonce: answering.peer_nonce.clone(),
            encoding: self.wanted.encoding,
            compression: self.wanted.compression,
            received_seq: self.inbox.durable(),
            sent_seq: self.outbox.made(),
            epoch: self.signals_in.epoch.clone(),
            signals_received: self.signals_in.received,
            reached_ns: about.pulse.reached_ns,
            instances: about.instances.clone(),
            state: about.pulse.state,
        };
        let frame = self.seal(&handshake::write("hello", &hello)?)?;
        self.line.phase = Phase::Greeted { worker_nonce: answering.peer_nonce, engine_nonce: answering.own_nonce };
        Ok(frame)
    }

    /// A worker's welcome, after [`Event::Greeted`]; packets follow.
    ///
    /// # Errors
    /// No hello came, or one of the two sides has lost its state.
    pub fn welcome(&mut self) -> Result<Vec<u8>, SessionError> {
        let Phase::Answering(answering) = std::mem::replace(&mut self.line.phase, Phase::Down) else {
            return Err(SessionError::Down);
        };
        let Some(hello) = answering.hello else { return Err(SessionError::Down) };
        if hello.sent_seq < self.inbox.durable() {
            return Err(SessionError::PeerBehind { peer: hello.sent_seq, acked: self.inbox.durable() });
        }
        self.outbox.link_up(hello.received_seq)?;
        self.inbox.link_up(self.inbox.durable() + 1)?;
        self.signals_in.link_up("", 1)?;
        let knows_epoch = hello.epoch == self.epoch;
        self.signals_out.link_up(if knows_epoch { hello.signals_received } else { self.signals_out.acked() })?;
        let welcome = Welcome {
            protocol: PROTOCOL,
            nonce: answering.peer_nonce.clone(),
            received_seq: self.inbox.durable(),
            resume_seq: self.outbox.acked() + 1,
            epoch: self.epoch.clone(),
            signals_resume_seq: self.signals_out.acked() + 1,
        };
        let frame = self.seal(&handshake::write("welcome", &welcome)?)?;
        let style = Style { encoding: hello.encoding, compression: hello.compression };
        self.link_up(&answering.own_nonce, &answering.peer_nonce, style);
        Ok(frame)
    }

    fn seal(&mut self, payload: &[u8]) -> Result<Vec<u8>, SessionError> {
        let frame = self.line.outgoing.seal(payload)?;
        self.monitor.counts.frames_sent += 1;
        Ok(frame)
    }

    /// From here on frames are packets, under keys of this link.
    fn link_up(&mut self, worker_nonce: &str, engine_nonce: &str, style: Style) {
        let key = |direction| self.secret.link_key(direction, worker_nonce, engine_nonce);
        let (up, down) = (key(Direction::Up), key(Direction::Down));
        let (outgoing, incoming) = if self.is_engine { (up, down) } else { (down, up) };
        self.line.outgoing.switch(outgoing, style);
        self.line.incoming.switch(incoming, style);
        self.line.style = style;
        self.line.heartbeat_due_ns = i64::MIN;
        self.line.phase = Phase::Up;
        self.monitor.link_up();
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
