//! `xcrack-engine run`: one loop around a run, its session with the worker, and the control socket.
//!
//! A turn of the loop takes what came in, moves the market a bounded number of steps, makes both durable in one flush, and
//! only then lets messages and acknowledgements leave. The control socket is asked first, so that a halt never queues
//! behind the market or the worker.

mod feed;
mod figures;

use self::feed::MarketFeed;
use crate::clock;
use crate::config::nonce;
use crate::control::{self, Ask};
use crate::kill::Signalled;
use crate::latency::Stage;
use crate::link::{LinkEvent, keep_dialling};
use crate::log;
use crate::scrape;
use crate::watch::Watch;
use anyhow::{Context, Result};
use bridge::{Received, Secret, Session, handshake};
use engine::input::{Ignored, Input, Veto};
use engine::{Recovered, Run};
use model::config::{EngineConfig, Pace};
use model::message::{AdvanceTo, Heartbeat, Hello, PROTOCOL};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// Market steps of one turn: a few milliseconds, so that a halt never waits longer.
const STEPS_PER_TURN: u64 = 1024;
const FRAMES_PER_TURN: usize = 256;
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// A worker that says nothing for this long is gone, whatever the socket believes.
const SILENCE: Duration = Duration::from_secs(15);
const RETRY_FULL_QUEUE: Duration = Duration::from_millis(5);
const FAREWELL: Duration = Duration::from_millis(100);

enum Line {
    Down,
    /// The hello is out.
    Greeting {
        outgoing: mpsc::Sender<String>,
        nonce: String,
    },
    Up {
        outgoing: mpsc::Sender<String>,
    },
}

struct Server {
    config: EngineConfig,
    run: Run,
    session: Session,
    secret: Secret,
    line: Line,
    heard_at: Instant,
    sent_at: Instant,
    queue_is_full: bool,
    waiting_since: Option<Instant>,
    last_problem: String,
    watch: Watch,
    feed: MarketFeed,
}

/// Runs until a signal says stop.
pub async fn serve(config: EngineConfig, run: Run, recovered: Recovered, secret: Secret) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut halts = signal(SignalKind::user_defined1())?;
    let mut reductions = signal(SignalKind::user_defined2())?;
    let mut scrapes = scrape::listen_if(config.metrics_listen.as_deref()).await?;
    let mut control = control::listen(Path::new(&config.state_dir))?;
    let mut links = keep_dialling(config.bridge_url.clone());
    let mut server = Server::new(config, run, recovered, secret)?;
    loop {
        let more = server.turn()?;
        let idle = if more { Duration::ZERO } else { server.idle_time() };
        tokio::select! {
            biased;
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = halts.recv() => server.watch.signalled(Signalled::Halt),
            _ = reductions.recv() => server.watch.signalled(Signalled::Reduce),
            Some(ask) = control.recv() => server.on_control(ask)?,
            event = server.feed.next() => server.run.accept_market(server.feed.gather(event))?,
            Some(event) = links.recv() => {
                server.on_link(event)?;
                for _ in 1..FRAMES_PER_TURN {
                    let Ok(event) = links.try_recv() else { break };
                    server.on_link(event)?;
                }
            }
            // Whoever scrapes may be gone by now.
            Some(scrape) = scrapes.recv() => drop(scrape.send(server.figures())),
            () = sleep(idle) => {}
        }
    }
    server.settle()?;
    log::info("engine stops", json!({ "standing": server.status() }));
    drop(server);
    // What was handed to the line may still leave; the rest is sent again after the next start.
    sleep(FAREWELL).await;
    Ok(())
}

impl Server {
    fn new(config: EngineConfig, run: Run, recovered: Recovered, secret: Secret) -> Result<Self> {
        let mut session = Session::new(secret.clone());
        session.restore(recovered.received_seq, recovered.acked_seq);
        for message in &recovered.messages {
            session.enqueue(message)?;
        }
        let now = Instant::now();
        let server = Self {
            watch: Watch::new(&config)?,
            feed: MarketFeed::start(&config)?,
            config,
            run,
            session,
            secret,
            line: Line::Down,
            heard_at: now,
            sent_at: now,
            queue_is_full: false,
            waiting_since: None,
            last_problem: String::new(),
        };
        log::info(
            "engine starts",
            json!({ "records_replayed": recovered.records, "torn_bytes": recovered.torn_bytes, "standing": server.status() }),
        );
        Ok(server)
    }

    /// One turn: `true` when the market has more to do right now.
    fn turn(&mut self) -> Result<bool> {
        self.stop_if_due()?;
        if self.config.pace == Pace::Realtime {
            self.follow_the_clock()?;
        }
        let (started, steps) = (Instant::now(), self.run.runtime().steps());
        let more = self.run.advance(STEPS_PER_TURN)?;
        let (decided, n) = (Instant::now(), self.run.runtime().steps() - steps);
        self.watch.took(Stage::Decide, started, n);
        self.settle()?;
        self.watch.took(Stage::Send, decided, n.min(1));
        if self.heard_at.elapsed() > SILENCE && !matches!(self.line, Line::Down) {
            self.hang_up("the worker has been silent for too long");
        }
        Ok(more)
    }

    /// Obeys a kill file, a signal or silence.
    fn stop_if_due(&mut self) -> Result<()> {
        let Some(command) = self.watch.due(self.run.runtime().state(), self.run.next_record()) else { return Ok(()) };
        log::warning(
            "stop without a request",
            json!({ "action": command.action, "by": command.by, "reason": command.reason }),
        );
        self.run.accept(None, Input::Command(command), clock::now())?;
        Ok(())
    }

    /// Grants what the wall clock has passed, and says no for an advisor that is absent or late.
    fn follow_the_clock(&mut self) -> Result<()> {
        let now = clock::now();
        if !self.run.runtime().waits_for_advice() {
            self.waiting_since = None;
            if self.run.runtime().next_due().is_some_and(|due| due <= now) {
                self.run.accept(None, Input::Advance(AdvanceTo { to_ns: now.0 }), now)?;
            }
            return Ok(());
        }
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let veto = if !self.session.is_up() {
            Veto::AdvisorAbsent
        } else if since.elapsed() >= Duration::from_millis(self.config.advice.deadline_ms) {
            Veto::AdvisorTimeout
        } else {
            return Ok(());
        };
        self.waiting_since = None;
        self.run.accept(None, Input::Veto(veto), now)?;
        Ok(())
    }

    /// Makes everything so far durable, then lets it leave.
    fn settle(&mut self) -> Result<()> {
        for message in self.run.commit(self.session.acked_seq())? {
            self.session.enqueue(&message)?;
        }
        self.session.confirm(self.run.received_seq());
        self.send()
    }

    fn send(&mut self) -> Result<()> {
        self.queue_is_full = false;
        let Line::Up { outgoing } = &self.line else { return Ok(()) };
        loop {
            let permit = match outgoing.try_reserve() {
                Ok(permit) => permit,
                Err(mpsc::error::TrySendError::Full(())) => {
                    self.queue_is_full = true;
                    return Ok(());
                }
                // The end of the connection is on its way to us.
                Err(mpsc::error::TrySendError::Closed(())) => return Ok(()),
            };
            let text = match self.session.transmit()? {
                Some(text) => text,
                None if self.session.owes_ack() || self.sent_at.elapsed() >= HEARTBEAT_EVERY => {
                    let runtime = self.run.runtime();
                    let (reached_ns, state) = (runtime.reached().0, runtime.state());
                    self.session.heartbeat(&Heartbeat { at_ns: clock::now().0, reached_ns, state })?
                }
                None => return Ok(()),
            };
            permit.send(text);
            self.sent_at = Instant::now();
        }
    }

    fn idle_time(&self) -> Duration {
        if self.queue_is_full {
            return RETRY_FULL_QUEUE;
        }
        if self.config.pace == Pace::Granted {
            return HEARTBEAT_EVERY / 2;
        }
        if let Some(since) = self.waiting_since {
            return Duration::from_millis(self.config.advice.deadline_ms).saturating_sub(since.elapsed());
        }
        if self.run.runtime().waits_for_advice() {
            return Duration::ZERO;
        }
        let now = clock::now();
        let until = self.run.runtime().next_due().map_or(i64::MAX, |due| (due.0 - now.0).max(0));
        Duration::from_nanos(until.unsigned_abs()).min(HEARTBEAT_EVERY / 2)
    }

    fn on_control(&mut self, (request, reply): Ask) -> Result<()> {
        if let Some(command) = request.clone().command(self.run.next_record()) {
            log::warning(
                "control command",
                json!({ "action": command.action, "by": command.by, "reason": command.reason }),
            );
            self.watch.heard();
            self.run.accept(None, Input::Command(command), clock::now())?;
            self.settle()?;
        }
        // Whoever asked may be gone by now; the effect stays.
        drop(reply.send(self.status()));
        Ok(())
    }

    fn on_link(&mut self, event: LinkEvent) -> Result<()> {
        self.heard_at = Instant::now();
        match event {
            LinkEvent::Opened(outgoing) => self.greet(outgoing)?,
            LinkEvent::Frame(text) => match &self.line {
                Line::Down => {} // left over from a connection that this side hung up
                Line::Greeting { .. } => self.on_welcome(&text),
                Line::Up { .. } => {
                    self.watch.heard();
                    self.on_frame(&text)?;
                }
            },
            LinkEvent::Closed(reason) => self.hang_up(&reason),
        }
        Ok(())
    }

    fn greet(&mut self, outgoing: mpsc::Sender<String>) -> Result<()> {
        let (runtime, nonce) = (self.run.runtime(), nonce()?);
        let hello = Hello {
            protocol: PROTOCOL,
            engine_id: self.config.engine_id.clone(),
            build: env!("CARGO_PKG_VERSION").to_owned(),
            nonce: nonce.clone(),
            received_seq: self.session.durable_seq(),
            sent_seq: self.session.sent_seq(),
            reached_ns: runtime.reached().0,
            instances: runtime.instance_states(),
            state: runtime.state(),
        };
        // A fresh queue has room for one frame; if the line is dead already, its end is on its way to us.
        drop(outgoing.try_send(handshake::hello(&self.secret, &hello)?));
        self.line = Line::Greeting { outgoing, nonce };
        Ok(())
    }

    fn on_welcome(&mut self, text: &str) {
        let Line::Greeting { outgoing, nonce } = std::mem::replace(&mut self.line, Line::Down) else { return };
        let welcomed = handshake::read_welcome(&self.secret, text, &nonce)
            .and_then(|welcome| self.session.link_up(welcome.received_seq, welcome.resume_seq));
        match welcomed {
            Ok(()) => {
                self.last_problem.clear();
                log::info("worker connected", json!({ "acked_seq": self.session.acked_seq() }));
                self.line = Line::Up { outgoing };
                self.watch.connected();
            }
            Err(error) => self.hang_up(&error.to_string()),
        }
    }

    fn on_frame(&mut self, text: &str) -> Result<()> {
        let (seq, input) = match self.session.receive(text) {
            Ok(Received::Message { seq, message }) => (seq, Input::from(message)),
            Ok(Received::Unreadable { seq, kind, reason }) => (seq, Input::Ignored(Ignored { kind, reason })),
            Ok(Received::Duplicate | Received::Heartbeat(_)) => return Ok(()),
            Err(error) => {
                self.hang_up(&error.to_string());
                return Ok(());
            }
        };
        self.waiting_since = None;
        let kind = input.kind();
        let refused =
            self.run.accept(Some(seq), input, clock::now()).context("an input of the worker cannot be taken")?;
        if let Some(reason) = refused {
            log::warning("message without effect", json!({ "seq": seq, "kind": kind, "reason": reason }));
        }
        Ok(())
    }

    fn hang_up(&mut self, reason: &str) {
        self.line = Line::Down;
        self.session.link_down();
        // A worker that is down stays down for many dials; one line is enough.
        if self.last_problem != reason {
            log::warning("no worker", json!({ "reason": reason }));
            reason.clone_into(&mut self.last_problem);
        }
    }
}
