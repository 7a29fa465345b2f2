//! `xcrack-engine run`: one loop around a run, its session with the worker, and the control socket.
//!
//! A turn of the loop takes what came in, moves the market a bounded number of steps, makes both durable in one flush, and
//! only then lets messages and acknowledgements leave; for signals alone another thread waits for the disk. The control socket
//! is asked first, so that a halt never queues behind the market or the worker.

mod feed;
mod figures;
mod waits;
mod worker;

use self::feed::MarketFeed;
use self::waits::Waits;
use crate::clock;
use crate::control::{self, Ask};
use crate::kill::Signalled;
use crate::latency::Stage;
use crate::link::Line;
use crate::live::Live;
use crate::log;
use crate::scrape;
use crate::watch::Watch;
use anyhow::{Context, Result};
use bridge::carrier::Address;
use bridge::{Event, Secret, Session, Style};
use engine::input::{Input, Veto};
use engine::{Recovered, Run, RunError};
use model::config::{EngineConfig, Pace, VenueModel};
use model::message::{AdvanceTo, Message};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// Market steps of one turn: a few milliseconds, so that a halt never waits longer.
const STEPS_PER_TURN: u64 = 1024;
const FRAMES_PER_TURN: usize = 256;
/// Messages that wait for the worker in memory, the run's own apart: twice what a link takes without an acknowledgement.
const MESSAGES_IN_MEMORY: usize = 2048;
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// A worker that says nothing for this long is gone, whatever the socket believes.
const SILENCE: Duration = Duration::from_secs(15);
const RETRY_BLOCKED: Duration = Duration::from_millis(5);
const FAREWELL: Duration = Duration::from_millis(100);
/// Signals are written down together: nothing but what they caused waits for it, and waking another thread for each costs more
/// than all the rest.
const FLUSH_EVERY: Duration = Duration::from_millis(2);

type Flushing = JoinHandle<Result<Vec<Message>, RunError>>;

struct Server {
    config: EngineConfig,
    run: Run,
    session: Session,
    line: Line,
    /// Room for what a frame brings, kept between frames.
    events: Vec<Event>,
    heard_at: Instant,
    is_blocked: bool,
    flush: Option<Flushing>,
    /// When what only signals brought was last handed to the other thread.
    flushed_at: Instant,
    waits: Waits,
    last_problem: String,
    useless_signals: log::Seldom,
    watch: Watch,
    feed: MarketFeed,
    live: Live,
}

/// Runs until a signal says stop.
pub async fn serve(config: EngineConfig, run: Run, recovered: Recovered, secret: Secret, live: Live) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut halts = signal(SignalKind::user_defined1())?;
    let mut reductions = signal(SignalKind::user_defined2())?;
    let mut scrapes = scrape::listen_if(config.metrics_listen.as_deref()).await?;
    let mut control = control::listen(Path::new(&config.state_dir))?;
    let mut server = Server::new(config, run, recovered, secret, live)?;
    server.live.open(&server.config, &mut server.run)?;
    loop {
        let more = server.turn().await?;
        let idle = if more { Duration::ZERO } else { server.idle_time() };
        tokio::select! {
            biased;
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = halts.recv() => server.watch.signalled(Signalled::Halt),
            _ = reductions.recv() => server.watch.signalled(Signalled::Reduce),
            Some(ask) = control.recv() => server.on_control(ask).await?,
            said = server.live.next() => server.live.hear(said, &mut server.run)?,
            event = server.feed.next() => server.run.accept_market(server.feed.gather(event))?,
            event = server.line.next() => {
                server.on_line(event)?;
                for _ in 1..FRAMES_PER_TURN {
                    let Some(event) = server.line.try_next() else { break };
                    server.on_line(event)?;
                }
                // What took effect in memory is acknowledged before the disk is asked.
                server.send()?;
            }
            written = written(&mut server.flush) => server.release(written?)?,
            // Whoever scrapes may be gone by now.
            Some(scrape) = scrapes.recv() => drop(scrape.send(server.figures())),
            () = sleep(idle) => {}
        }
    }
    server.commit().await?;
    log::info("engine stops", json!({ "standing": server.status() }));
    // What was handed to the line may still leave; the rest is sent again after the next start.
    drop(tokio::time::timeout(FAREWELL, server.line.flush()).await);
    Ok(())
}

impl Server {
    fn new(config: EngineConfig, run: Run, recovered: Recovered, secret: Secret, live: Live) -> Result<Self> {
        let style = Style { encoding: config.bridge_encoding, compression: config.bridge_compression };
        let mut session = Session::engine(secret, style);
        session.restore(recovered.received_seq, recovered.acked_seq);
        session.keep_elsewhere(MESSAGES_IN_MEMORY, recovered.made_seq);
        let address = Address::parse(&config.bridge_url, config.bridge_tls.as_ref())?;
        let now = Instant::now();
        let server = Self {
            watch: Watch::new(&config)?,
            feed: MarketFeed::start(&config, &run.runtime().known_closes())?,
            line: Line::new(address, config.engine_id.clone()),
            live,
            config,
            run,
            session,
            events: Vec::new(),
            heard_at: now,
            is_blocked: false,
            flush: None,
            flushed_at: now,
            waits: Waits::default(),
            last_problem: String::new(),
            useless_signals: log::Seldom::default(),
        };
        log::info(
            "engine starts",
            json!({ "records_replayed": recovered.records, "torn_bytes": recovered.torn_bytes, "standing": server.status() }),
        );
        Ok(server)
    }

    /// One turn: `true` when the market has more to do right now.
    async fn turn(&mut self) -> Result<bool> {
        self.stop_if_due()?;
        if self.config.pace == Pace::Realtime {
            self.follow_the_clock()?;
        }
        let (started, steps) = (Instant::now(), self.run.runtime().steps());
        let more = self.run.advance(STEPS_PER_TURN)?;
        let (decided, n) = (Instant::now(), self.run.runtime().steps() - steps);
        self.watch.took(Stage::Decide, started, n);
        self.settle().await?;
        self.watch.took(Stage::Send, decided, n.min(1));
        self.hang_up_when_silent();
        Ok(more)
    }

    /// Obeys a kill file, a signal or silence.
    fn stop_if_due(&mut self) -> Result<()> {
        let Some(command) = self.watch.due(self.run.runtime().latched_state(), self.run.next_record()) else {
            return Ok(());
        };
        log::warning(
            "stop without a request",
            json!({ "action": command.action, "by": command.by, "reason": command.reason }),
        );
        self.run.accept(None, Input::Command(command), clock::now())?;
        Ok(())
    }

    /// Grants what the wall clock has passed, and says no for an advisor that is absent or late.
    fn follow_the_clock(&mut self) -> Result<()> {
        let (now, instant) = (clock::now(), Instant::now());
        self.waits.look(self.run.runtime().advice_waited_for(), instant);
        let Some(waited) = self.waits.longest(instant) else {
            if self.run.runtime().next_due().is_some_and(|due| due <= now) {
                self.run.accept(None, Input::Advance(AdvanceTo { to_ns: now.0 }), now)?;
            }
            return Ok(());
        };
        let veto = if !self.session.is_up() {
            Veto::AdvisorAbsent
        } else if waited >= Duration::from_millis(self.config.advice.deadline_ms) {
            Veto::AdvisorTimeout
        } else {
            return Ok(());
        };
        self.waits = Waits::default();
        self.run.accept(None, Input::Veto(veto), now)?;
        Ok(())
    }

    /// Sees to it that everything so far becomes durable and then leaves. Where only signals came in, another thread waits for
    /// the disk; everything else is durable when this returns.
    async fn settle(&mut self) -> Result<()> {
        // An order for an exchange must not wait for a later turn.
        if !self.run.has_only_signals() || self.config.venue.model == VenueModel::External {
            return self.commit().await;
        }
        if self.flush.is_none()
            && self.flush_wait().is_zero()
            && let Some(flush) = self.run.start_flush()?
        {
            self.flushed_at = Instant::now();
            self.flush = Some(tokio::task::spawn_blocking(move || flush.write()));
        }
        self.send()
    }

    /// Makes everything so far durable, then lets it leave.
    async fn commit(&mut self) -> Result<()> {
        if self.flush.is_some() {
            let messages = written(&mut self.flush).await?;
            self.release(messages)?;
        }
        for message in self.run.commit(self.session.acked_seq())? {
            self.session.enqueue(message);
        }
        self.session.confirm(self.run.received_seq());
        self.live.dispatch(&mut self.run)?;
        self.send()
    }

    /// Lets leave what waited for the other thread.
    fn release(&mut self, messages: Vec<Message>) -> Result<()> {
        for message in messages {
            self.session.enqueue(message);
        }
        self.send()
    }

    /// Until signals that came in must go to the disk; somebody waits for advice at once.
    fn flush_wait(&self) -> Duration {
        if self.run.runtime().waits_for_advice() {
            return Duration::ZERO;
        }
        FLUSH_EVERY.saturating_sub(self.flushed_at.elapsed())
    }

    fn idle_time(&self) -> Duration {
        let idle = self.time_to_next_work();
        if self.flush.is_none() && self.run.has_unwritten() { idle.min(self.flush_wait()) } else { idle }
    }

    fn time_to_next_work(&self) -> Duration {
        if self.is_blocked {
            return RETRY_BLOCKED;
        }
        if self.config.pace == Pace::Granted {
            return HEARTBEAT_EVERY / 2;
        }
        if let Some(waited) = self.waits.longest(Instant::now()) {
            return Duration::from_millis(self.config.advice.deadline_ms).saturating_sub(waited);
        }
        if self.run.runtime().waits_for_advice() {
            return Duration::ZERO;
        }
        let now = clock::now();
        let until = self.run.runtime().next_due().map_or(i64::MAX, |due| (due.0 - now.0).max(0));
        Duration::from_nanos(until.unsigned_abs()).min(HEARTBEAT_EVERY / 2)
    }

    async fn on_control(&mut self, (request, reply): Ask) -> Result<()> {
        if let Some(command) = request.clone().command(self.run.next_record()) {
            log::warning(
                "control command",
                json!({ "action": command.action, "by": command.by, "reason": command.reason }),
            );
            self.watch.heard();
            self.run.accept(None, Input::Command(command), clock::now())?;
            self.settle().await?;
        }
        // Whoever asked may be gone by now; the effect stays.
        drop(reply.send(self.status()));
        Ok(())
    }
}

/// What may leave once the other thread has written; waits for ever where it has nothing to write.
async fn written(flush: &mut Option<Flushing>) -> Result<Vec<Message>> {
    let Some(task) = flush else { return std::future::pending().await };
    let messages = task.await;
    *flush = None;
    Ok(messages.context("the thread that writes the journal died")??)
}
