//! What the loop keeps beside the run: who was heard from, what was signalled, how long things took.

use crate::kill::{KillSwitch, Signalled, View};
use crate::latency::{LatencyBook, Stage};
use anyhow::Result;
use model::TradingState;
use model::config::EngineConfig;
use model::message::Command;
use std::time::Duration;
use tokio::time::Instant;

/// One engine's watch.
pub struct Watch {
    kill: KillSwitch,
    signalled: Option<Signalled>,
    heard_at: Instant,
    connections: u64,
    latency: LatencyBook,
}

impl Watch {
    /// A watch that begins now; the start counts as hearing from somebody.
    ///
    /// # Errors
    /// As [`LatencyBook::new`].
    pub fn new(config: &EngineConfig) -> Result<Self> {
        Ok(Self {
            kill: KillSwitch::new(config),
            signalled: None,
            heard_at: Instant::now(),
            connections: 0,
            latency: LatencyBook::new()?,
        })
    }

    /// The worker sent a frame, or an operator a command.
    pub fn heard(&mut self) {
        self.heard_at = Instant::now();
    }

    /// The worker is connected anew.
    pub fn connected(&mut self) {
        self.connections += 1;
        self.heard();
    }

    /// A signal came; it counts at the next [`Watch::due`].
    pub fn signalled(&mut self, signal: Signalled) {
        self.signalled = Some(signal.with(self.signalled));
    }

    /// The command that must be obeyed now without anybody asking for it, if there is one. `latched` is the state that is
    /// latched, `record` the journal's next number.
    pub fn due(&mut self, latched: TradingState, record: u64) -> Option<Command> {
        let view = View {
            latched,
            silent_for: self.silent_for(),
            file_exists: self.kill.file_exists(),
            signalled: self.signalled.take(),
        };
        self.kill.due(&view).map(|cause| self.kill.command(cause, record))
    }

    /// Records `n` events that took from `since` to now together.
    pub fn took(&mut self, stage: Stage, since: Instant, n: u64) {
        let ns = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if let Some(each) = ns.checked_div(n) {
            self.latency.record(stage, each, n);
        }
    }

    /// Since anybody was heard from.
    pub fn silent_for(&self) -> Duration {
        self.heard_at.elapsed()
    }

    /// Connections since the start.
    pub fn connections(&self) -> u64 {
        self.connections
    }

    /// How long things took.
    pub fn latency(&self) -> &LatencyBook {
        &self.latency
    }
}
