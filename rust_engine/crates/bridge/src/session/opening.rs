//! How a link comes up: challenge, hello, welcome, and from there on packets under keys of this link.

use super::{About, Event, Line, Session, SessionError};
use crate::frame::Style;
use crate::handshake;
use crate::secret::Direction;
use model::message::{Hello, PROTOCOL, Welcome};

/// How far a link has come.
pub(super) enum Phase {
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

pub(super) struct Answering {
    own_nonce: String,
    peer_nonce: String,
    hello: Option<Hello>,
}

impl Session {
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

    /// Reads a frame of a link that is not up yet.
    pub(super) fn read_opening(
        &mut self,
        phase: Phase,
        payload: &[u8],
        events: &mut Vec<Event>,
    ) -> Result<(), SessionError> {
        match phase {
            Phase::Opening(nonce) if self.is_engine => {
                let challenge = handshake::read_challenge(payload, self.wanted)?;
                let answering = Answering { own_nonce: nonce, peer_nonce: challenge.nonce, hello: None };
                self.line.phase = Phase::Answering(Box::new(answering));
                events.push(Event::Challenged);
                Ok(())
            }
            Phase::Opening(nonce) => {
                let hello = handshake::read_hello(payload, &nonce)?;
                let peer_nonce = hello.nonce.clone();
                let answering = Answering { own_nonce: nonce, peer_nonce, hello: Some(hello.clone()) };
                self.line.phase = Phase::Answering(Box::new(answering));
                events.push(Event::Greeted(hello));
                Ok(())
            }
            Phase::Greeted { worker_nonce, engine_nonce } => {
                let welcome = handshake::read_welcome(payload, &engine_nonce)?;
                self.signals_in.link_up(&welcome.epoch, welcome.signals_resume_seq)?;
                self.signals_out.link_up(0)?;
                self.outbox.link_up(welcome.received_seq)?;
                self.inbox.link_up(welcome.resume_seq)?;
                self.link_up(&worker_nonce, &engine_nonce, self.wanted);
                events.push(Event::Opened);
                Ok(())
            }
            Phase::Answering(_) | Phase::Down | Phase::Up => {
                Err(SessionError::Unexpected("frame before the answer".to_owned()))
            }
        }
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
