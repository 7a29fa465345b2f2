//! The engine's side of the talk with the worker.

use super::{SILENCE, Server};
use crate::clock;
use crate::config::nonce;
use crate::latency::Stage;
use crate::link::LineEvent;
use crate::log;
use anyhow::{Context, Result};
use bridge::{About, Event, Now, Pulse};
use engine::input::{Ignored, Input};
use model::config::Pace;
use serde_json::json;
use tokio::time::Instant;

impl Server {
    pub(super) fn on_line(&mut self, event: LineEvent) -> Result<()> {
        match event {
            LineEvent::Opened => {
                self.heard_at = Instant::now();
                self.session.open(nonce()?)?;
            }
            LineEvent::Frame(frame) => self.on_frame(&frame)?,
            LineEvent::Closed(reason) => self.hang_up(&reason),
        }
        Ok(())
    }

    fn on_frame(&mut self, frame: &[u8]) -> Result<()> {
        let (now, mut events) = (self.session_now(), std::mem::take(&mut self.events));
        let received = self.session.receive(frame, now, &mut events);
        if received.is_ok() {
            self.heard_at = Instant::now();
            self.watch.heard();
        }
        for event in events.drain(..) {
            self.on_event(event)?;
        }
        self.events = events;
        if let Err(error) = received {
            self.hang_up(&error.to_string());
        }
        Ok(())
    }

    fn on_event(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Challenged => {
                let hello = self.session.greet(&self.about())?;
                self.line.send(hello);
            }
            Event::Opened => {
                self.last_problem.clear();
                log::info("worker connected", json!({ "acked_seq": self.session.acked_seq() }));
                self.watch.connected();
            }
            Event::Message { seq, message } => self.take(Some(seq), Input::from(message))?,
            Event::Unreadable { seq, kind, reason } => {
                self.take(Some(seq), Input::Ignored(Ignored { kind, reason }))?;
            }
            Event::Signal(signal) => {
                let came = Instant::now();
                self.take(None, Input::from(signal))?;
                self.watch.took(Stage::Signal, came, 1);
            }
            // Only a worker is greeted.
            Event::Greeted(_) => {}
        }
        Ok(())
    }

    fn take(&mut self, seq: Option<u64>, input: Input) -> Result<()> {
        let kind = input.kind();
        let refused = self.run.accept(seq, input, clock::now()).context("an input of the worker cannot be taken")?;
        let Some(reason) = refused else { return Ok(()) };
        // Messages are few and each counts; signals come by the thousand and say the same.
        if seq.is_some() {
            log::warning("message without effect", json!({ "seq": seq, "kind": kind, "reason": reason }));
        } else if let Some(silenced) = self.useless_signals.due(Instant::now()) {
            log::warning("signal without effect", json!({ "kind": kind, "reason": reason, "others": silenced }));
        }
        Ok(())
    }

    fn about(&self) -> About {
        About {
            engine_id: self.config.engine_id.clone(),
            build: env!("CARGO_PKG_VERSION").to_owned(),
            instances: self.run.runtime().instance_states(),
            pulse: self.pulse(),
        }
    }

    fn pulse(&self) -> Pulse {
        let runtime = self.run.runtime();
        Pulse { reached_ns: runtime.reached().0, state: runtime.state() }
    }

    /// The session's clocks. Where time is granted, both sides live on the market's.
    fn session_now(&self) -> Now {
        let granted = self.config.pace == Pace::Granted;
        Now { at_ns: clock::now().0, shared_ns: granted.then(|| self.run.runtime().reached().0) }
    }

    /// Lets everything leave that may.
    pub(super) fn send(&mut self) -> Result<()> {
        self.is_blocked = false;
        while self.session.is_up() {
            if !self.line.has_room() {
                // Without a connection its end is on its way to us.
                self.is_blocked = self.line.is_open();
                return Ok(());
            }
            if let Some((first, n)) = self.session.missing() {
                self.session.hand_back(self.run.messages(first, n)?);
            }
            let (now, pulse) = (self.session_now(), self.pulse());
            let Some(frame) = self.session.transmit(now, pulse)? else { return Ok(()) };
            self.line.send(frame);
        }
        Ok(())
    }

    pub(super) fn hang_up_when_silent(&mut self) {
        if self.line.is_open() && self.heard_at.elapsed() > SILENCE {
            self.hang_up("the worker has been silent for too long");
        }
    }

    fn hang_up(&mut self, reason: &str) {
        self.line.hang_up();
        self.session.close();
        // A worker that is down stays down for many dials; one line is enough.
        if self.last_problem != reason {
            log::warning("no worker", json!({ "reason": reason }));
            reason.clone_into(&mut self.last_problem);
        }
    }
}
