//! A run on disk. Opening one is recovery: what the engine said before it died is said again under the same numbers.
//!
//! A turn writes down what came in, live market events first and the journal after them, and only then lets messages leave.

mod check;
mod error;
mod flush;
mod origin;
mod recovery;

use crate::external::VenueRequest;
use crate::input::{Acked, Ignored, Input, MarketBatch};
use crate::journal::Journal;
use crate::market_log::MarketLog;
use crate::runtime::Runtime;
use crate::snapshot::{self, Header, Snapshot};
use crate::spool::Spool;
use model::config::{EngineConfig, Pace, Retain};
use model::message::Message;
use model::{MarketEvent, Ts};
use std::path::PathBuf;

pub use check::{Verified, VerifiedSnapshot, verify};
pub use error::RunError;
pub use flush::Flush;
pub use recovery::{Recovered, Replay, replay, replay_telling};

/// The journal notes an acknowledgement whenever this many messages were acknowledged since the last note.
const ACKED_NOTE_EVERY: u64 = 256;
/// Distance of snapshots in real time where the configuration says nothing.
const SNAPSHOT_EVERY_S: u64 = 300;
const NS_PER_S: i64 = 1_000_000_000;

/// What a snapshot makes superfluous for a start.
#[derive(Clone, Copy)]
struct Covered {
    /// Records of the journal.
    n: u64,
    /// Rows of the market log.
    rows: u64,
    /// Own messages that were acknowledged.
    acked: u64,
}

impl From<&Header> for Covered {
    fn from(header: &Header) -> Self {
        Self { n: header.journal.n, rows: header.market.rows, acked: header.messages.acked }
    }
}

/// When the next snapshot is due, and what the last one was of.
struct Snapshots {
    /// Distance on the run's own clock; `None` for no snapshots.
    every_ns: Option<i64>,
    retain: Retain,
    last_at: Ts,
    /// Of the newest snapshot that can be used.
    last: Option<Covered>,
    problem: Option<String>,
}

impl Snapshots {
    fn new(config: &EngineConfig, last_at: Ts, last: Option<Covered>) -> Self {
        let by_pace = if config.pace == Pace::Realtime { SNAPSHOT_EVERY_S } else { 0 };
        let every_s = config.state.snapshot_every_s.unwrap_or(by_pace);
        let every_ns = i64::try_from(every_s).unwrap_or(i64::MAX).saturating_mul(NS_PER_S);
        Self {
            every_ns: Some(every_ns).filter(|ns| *ns > 0),
            retain: config.state.retain,
            last_at,
            last,
            problem: None,
        }
    }

    fn is_due(&self, now: Ts) -> bool {
        self.every_ns.is_some_and(|every_ns| now.0.saturating_sub(self.last_at.0) >= every_ns)
    }
}

/// A run: the engine's state, and the journal that can make it again.
pub struct Run {
    runtime: Runtime,
    journal: Journal,
    market: MarketLog,
    snapshots: Snapshots,
    state_dir: PathBuf,
    pace: Pace,
    noted_step: u64,
    noted_acked: u64,
    received_seq: u64,
    /// Messages that the worker is not known to have.
    spool: Spool,
    restamped: u64,
    repeated: u64,
    /// Something other than signals waits for the disk.
    is_urgent: bool,
}

impl Run {
    /// Opens the run in `config.state_dir`, or starts it.
    ///
    /// # Errors
    /// See [`RunError`]. Nothing of the run has changed then, except that an unfinished end was cut off.
    pub fn open(config: &EngineConfig) -> Result<(Self, Recovered), RunError> {
        recovery::open(config)
    }

    /// Writes an input down and applies it; a signal that was taken before is written down as ignored. `seq` is the worker's number where it came over the bridge, `wall` the time of day,
    /// which counts in real time only. `Some` says in words why it had no effect.
    ///
    /// # Errors
    /// The run must stop.
    pub fn accept(&mut self, seq: Option<u64>, input: Input, wall: Ts) -> Result<Option<String>, RunError> {
        let is_signal = seq.is_none() && matches!(input, Input::Prediction(_) | Input::Opportunity(_));
        let input = match input {
            Input::Advance(_) if seq.is_some() && self.pace == Pace::Realtime => Input::Ignored(Ignored {
                kind: "advance_to".to_owned(),
                reason: "this run follows the wall clock".to_owned(),
            }),
            // The refusal is an input, so a journal that was written without it replays as it was.
            other => match self.runtime.refusal(&other) {
                Some(reason) => {
                    self.repeated += 1;
                    Input::Ignored(Ignored { kind: other.kind().to_owned(), reason })
                }
                None => other,
            },
        };
        let at = match self.pace {
            Pace::Granted => self.runtime.reached(),
            Pace::Realtime => wall.max(self.runtime.reached()),
        };
        self.journal.append(seq, self.runtime.steps(), at, &input)?;
        self.is_urgent |= !is_signal;
        self.noted_step = self.runtime.steps();
        self.received_seq = self.received_seq.max(seq.unwrap_or(0));
        Ok(self.runtime.apply(&input, at)?)
    }

    /// Writes live market events down, in the order in which they were received, and queues them: each is one step. An event
    /// stamped before the one that was received before it takes that one's stamp, because time does not go back in a run.
    ///
    /// # Errors
    /// The run must stop; also [`crate::CoreError::Setup`] where it has no live markets.
    pub fn accept_market(&mut self, events: &[MarketEvent]) -> Result<(), RunError> {
        let mut queued = Vec::with_capacity(events.len());
        for event in events {
            let queued_event = self.runtime.enqueue(event.clone())?;
            self.restamped += u64::from(queued_event.at() != event.at());
            queued.push(queued_event);
        }
        if queued.is_empty() {
            return Ok(());
        }
        let batch = MarketBatch::from(self.market.append(&queued)?);
        let (step, at) = (self.runtime.steps(), self.runtime.reached());
        self.journal.append(None, step, at, &Input::Market(batch))?;
        self.is_urgent = true;
        self.noted_step = step;
        Ok(())
    }

    /// Does at most `max_steps` steps of the market; `true` when more are due.
    ///
    /// # Errors
    /// The run must stop.
    pub fn advance(&mut self, max_steps: u64) -> Result<bool, RunError> {
        Ok(self.runtime.advance(max_steps)?)
    }

    /// Makes everything so far durable and returns the messages that may leave now. `acked_seq` is the last of them that the
    /// worker is known to have.
    ///
    /// # Errors
    /// The disk refused; nothing may leave and the run must stop.
    pub fn commit(&mut self, acked_seq: u64) -> Result<Vec<Message>, RunError> {
        let (step, at) = (self.runtime.steps(), self.runtime.reached());
        if acked_seq >= self.noted_acked + ACKED_NOTE_EVERY {
            self.journal.append(None, step, at, &Input::Acked(Acked { seq: acked_seq }))?;
            (self.noted_acked, self.noted_step) = (acked_seq, step);
        } else if step > self.noted_step {
            self.journal.append(None, step, at, &Input::Progress)?;
            self.noted_step = step;
        }
        // The journal names the log's seals, so the log comes first.
        self.market.sync()?;
        self.journal.sync()?;
        self.is_urgent = false;
        let messages = self.drain()?;
        self.spool.acknowledge(acked_seq);
        if self.snapshots.is_due(at) {
            self.snapshots.problem = self.take_snapshot(at).err();
        } else if self.snapshots.every_ns.is_none() {
            // A start makes all messages again from the journal.
            self.spool.forget(self.noted_acked)?;
        }
        Ok(messages)
    }

    /// Takes the messages made so far, and keeps them until they are acknowledged.
    fn drain(&mut self) -> Result<Vec<Message>, RunError> {
        let messages = self.runtime.drain();
        for message in &messages {
            self.spool.push(message.clone())?;
        }
        Ok(messages)
    }

    /// Messages from number `first` on, at most `most`, as far as they have left [`Run::commit`] or a [`Flush`]. All that the
    /// worker has not acknowledged can be asked for.
    ///
    /// # Errors
    /// The disk refused, or a message on it is damaged; the run must stop.
    pub fn messages(&mut self, first: u64, most: usize) -> Result<Vec<Message>, RunError> {
        Ok(self.spool.read(first, most)?)
    }

    /// Writes a snapshot of the state behind the last durable record. The error says in words why there is none.
    fn take_snapshot(&mut self, at: Ts) -> Result<(), String> {
        let words = |e: &dyn std::error::Error| e.to_string();
        self.snapshots.last_at = at;
        let journal = self.journal.position().clone();
        if self.snapshots.last.is_some_and(|last| last.n >= journal.n) {
            return Ok(());
        }
        let header = Header {
            build: snapshot::BUILD.to_owned(),
            journal,
            market: self.market.position(),
            received_seq: self.received_seq,
            messages: self.spool.sync().map_err(|e| words(&e))?,
        };
        let newest = Covered::from(&header);
        let snapshot = Snapshot { header, state: self.runtime.save().map_err(|e| words(&e))? };
        snapshot::save(&self.state_dir, &snapshot, self.snapshots.last.map(|last| last.n)).map_err(|e| words(&e))?;
        let Some(older) = self.snapshots.last.replace(newest) else { return Ok(()) };
        self.spool.forget(older.acked).map_err(|e| words(&e))?;
        if self.snapshots.retain == Retain::UntilArchived {
            self.market.delete_archived(older.rows).map_err(|e| words(&e))?;
        }
        Ok(())
    }

    /// Takes what must be said to the exchange. Call it after [`Run::commit`]: an order that left is then on disk, and a start
    /// that finds it asks the exchange about it instead of placing it anew.
    pub fn take_requests(&mut self) -> Vec<VenueRequest> {
        self.runtime.drain_requests()
    }

    /// Live events since this start whose stamp was moved up.
    #[must_use]
    pub fn restamped(&self) -> u64 {
        self.restamped
    }

    /// Signals since this start that were refused because they had acted before.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Why the last snapshot could not be written, in words. The run goes on: its journal holds everything.
    #[must_use]
    pub fn snapshot_problem(&self) -> Option<&str> {
        self.snapshots.problem.as_deref()
    }

    /// Last message of the worker that was accepted; durable after [`Run::commit`].
    #[must_use]
    pub fn received_seq(&self) -> u64 {
        self.received_seq
    }

    /// Messages to the worker that wait in memory; the others are on disk.
    #[must_use]
    pub fn in_memory(&self) -> usize {
        self.spool.in_memory()
    }

    /// Number of the next journal record: unique in this run, for ids of commands that come without one.
    #[must_use]
    pub fn next_record(&self) -> u64 {
        self.journal.next_n()
    }

    /// The state behind the journal.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
