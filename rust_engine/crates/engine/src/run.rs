//! A run on disk. Opening one is recovery: the journal is replayed, and what the engine said before it died is said again
//! under the same numbers.

use crate::error::CoreError;
use crate::feed::{self, FeedError};
use crate::input::{Acked, Ignored, Input, Start};
use crate::journal::{self, Journal, JournalError, Record};
use crate::runtime::{Runtime, Standing};
use model::config::{EngineConfig, Pace};
use model::message::Message;
use model::{Bar, Ts};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The journal notes an acknowledgement whenever this many messages were acknowledged since the last note.
const ACKED_NOTE_EVERY: u64 = 256;

/// Why a run cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The feed's file.
    #[error("feed {path}: {source}")]
    FeedFile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The feed's content.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The core.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// The run on disk is another one.
    #[error(
        "{state_dir} holds a run that was started with another '{field}'. Its history would not repeat: put the old value \
         back, or start a new run with its own state_dir and engine_id"
    )]
    Changed {
        /// Directory of the run.
        state_dir: PathBuf,
        /// What differs.
        field: String,
    },
    /// The journal does not describe a run of this build.
    #[error("journal record {n} cannot be replayed: {problem}. The journal was written by another build of the engine")]
    Diverged {
        /// The record.
        n: u64,
        /// What is wrong.
        problem: String,
    },
}

/// What recovery found.
#[derive(Debug)]
pub struct Recovered {
    /// Every message of the run so far, in order; the first has number 1.
    pub messages: Vec<Message>,
    /// Last message of the worker that is in the journal.
    pub received_seq: u64,
    /// Own messages known to be acknowledged.
    pub acked_seq: u64,
    /// Records replayed.
    pub records: u64,
    /// Bytes of an unfinished last record that were cut off.
    pub torn_bytes: u64,
}

/// A run: the engine's state, and the journal that can make it again.
pub struct Run {
    runtime: Runtime,
    journal: Journal,
    pace: Pace,
    noted_step: u64,
    noted_acked: u64,
    received_seq: u64,
}

impl Run {
    /// Opens the run in `config.state_dir`, or starts it.
    ///
    /// # Errors
    /// See [`RunError`]. Nothing of the run has changed then, except that a torn last record was cut off.
    pub fn open(config: &EngineConfig) -> Result<(Self, Recovered), RunError> {
        let state_dir = Path::new(&config.state_dir);
        let (feed, feed_sha256) = load_feed(config)?;
        let (mut journal, contents) = Journal::open(state_dir)?;
        if contents.records.is_empty() {
            // The run is built first: a configuration that cannot run leaves no journal behind.
            let runtime = Runtime::new(config, feed)?;
            let start = Start { feed_sha256, config: config.clone() };
            journal.append(None, 0, runtime.reached(), &Input::Start(Box::new(start)))?;
            journal.sync()?;
            let recovered = Recovered {
                messages: Vec::new(),
                received_seq: 0,
                acked_seq: 0,
                records: 0,
                torn_bytes: contents.torn_bytes,
            };
            return Ok((Self::with(runtime, journal, config.pace, &recovered), recovered));
        }
        let (runtime, mut recovered) = replay_records(config, feed, &feed_sha256, &contents.records)?;
        recovered.torn_bytes = contents.torn_bytes;
        Ok((Self::with(runtime, journal, config.pace, &recovered), recovered))
    }

    fn with(runtime: Runtime, journal: Journal, pace: Pace, recovered: &Recovered) -> Self {
        Self {
            noted_step: runtime.steps(),
            noted_acked: recovered.acked_seq,
            received_seq: recovered.received_seq,
            runtime,
            journal,
            pace,
        }
    }

    /// Writes an input down and applies it. `seq` is the worker's number where it came over the bridge, `wall` the time of day,
    /// which counts in real time only. `Some` says in words why it had no effect.
    ///
    /// # Errors
    /// The run must stop.
    pub fn accept(&mut self, seq: Option<u64>, input: Input, wall: Ts) -> Result<Option<String>, RunError> {
        let input = match input {
            Input::Advance(_) if seq.is_some() && self.pace == Pace::Realtime => Input::Ignored(Ignored {
                kind: "advance_to".to_owned(),
                reason: "this run follows the wall clock".to_owned(),
            }),
            other => other,
        };
        let at = match self.pace {
            Pace::Granted => self.runtime.reached(),
            Pace::Realtime => wall.max(self.runtime.reached()),
        };
        self.journal.append(seq, self.runtime.steps(), at, &input)?;
        self.noted_step = self.runtime.steps();
        self.received_seq = self.received_seq.max(seq.unwrap_or(0));
        Ok(self.runtime.apply(&input, at)?)
    }

    /// Does at most `max_steps` steps of the market; `true` when more are due.
    ///
    /// # Errors
    /// The run must stop.
    pub fn advance(&mut self, max_steps: u64) -> Result<bool, RunError> {
        Ok(self.runtime.advance(max_steps)?)
    }

    /// Makes everything so far durable and returns the messages that may leave now.
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
        self.journal.sync()?;
        Ok(self.runtime.drain())
    }

    /// Last message of the worker that was accepted; durable after [`Run::commit`].
    #[must_use]
    pub fn received_seq(&self) -> u64 {
        self.received_seq
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

/// What an offline replay found.
#[derive(Debug)]
pub struct Replay {
    /// Records replayed.
    pub records: u64,
    /// Messages made.
    pub messages: u64,
    /// Where the run stands.
    pub standing: Standing,
}

/// Replays the journal in `config.state_dir` without touching it: the same journal gives the same actions on every machine.
///
/// # Errors
/// As [`Run::open`]; an empty journal replays to the start.
pub fn replay(config: &EngineConfig) -> Result<Replay, RunError> {
    let (feed, feed_sha256) = load_feed(config)?;
    let contents = journal::read(Path::new(&config.state_dir))?;
    if contents.records.is_empty() {
        let standing = Runtime::new(config, feed)?.standing();
        return Ok(Replay { records: 0, messages: 0, standing });
    }
    let (runtime, recovered) = replay_records(config, feed, &feed_sha256, &contents.records)?;
    Ok(Replay { records: recovered.records, messages: recovered.messages.len() as u64, standing: runtime.standing() })
}

fn load_feed(config: &EngineConfig) -> Result<(Vec<Bar>, String), RunError> {
    let path = PathBuf::from(&config.feed);
    let bytes = std::fs::read(&path).map_err(|source| RunError::FeedFile { path: path.clone(), source })?;
    Ok((feed::load(&path, &config.symbols)?, hex::encode(Sha256::digest(&bytes))))
}

fn replay_records(
    config: &EngineConfig,
    feed: Vec<Bar>,
    feed_sha256: &str,
    records: &[Record],
) -> Result<(Runtime, Recovered), RunError> {
    let diverged = |n: u64, problem: String| RunError::Diverged { n, problem };
    let input = |record: &Record| record.input().map_err(|e| diverged(record.n, e.to_string()));
    let Some((Input::Start(start), first)) = records.first().map(|r| input(r).map(|i| (i, r))).transpose()? else {
        return Err(diverged(1, "it is not the start of a run".to_owned()));
    };
    check_same_run(config, &start, feed_sha256)?;
    // The rate of the first start was an input too, so the journal's configuration counts, not today's.
    let mut runtime = Runtime::new(&start.config, feed)?;
    let (mut messages, mut received_seq, mut acked_seq) = (Vec::new(), 0, 0);
    for record in records {
        let missing = record.step.checked_sub(runtime.steps()).unwrap_or(u64::MAX);
        let reachable = missing != u64::MAX && (runtime.advance(missing)? || runtime.steps() == record.step);
        if !reachable {
            let problem = format!("it belongs to step {}, the market stands at {}", record.step, runtime.steps());
            return Err(diverged(record.n, problem));
        }
        let input = input(record)?;
        if let Input::Acked(acked) = input {
            acked_seq = acked.seq;
        }
        runtime.apply(&input, record.at_ns)?;
        received_seq = received_seq.max(record.seq.unwrap_or(0));
        messages.append(&mut runtime.drain());
    }
    let records = records.len() as u64;
    debug_assert_eq!(first.n, 1);
    Ok((runtime, Recovered { messages, received_seq, acked_seq, records, torn_bytes: 0 }))
}

/// What may differ between two starts of one run: addresses, and the rate, which has its own message.
fn comparable(config: &EngineConfig) -> serde_json::Value {
    let mut config = config.clone();
    config.state_dir.clear();
    config.feed.clear();
    config.bridge_url.clear();
    config.secret_file.clear();
    config.advice.krw_per_quote = 0.0;
    serde_json::json!(config)
}

fn check_same_run(config: &EngineConfig, start: &Start, feed_sha256: &str) -> Result<(), RunError> {
    let changed = |field: &str| RunError::Changed { state_dir: (&config.state_dir).into(), field: field.to_owned() };
    if start.feed_sha256 != feed_sha256 {
        return Err(changed("feed"));
    }
    let (now, then) = (comparable(config), comparable(&start.config));
    match now.as_object().and_then(|fields| fields.iter().find(|(name, value)| then.get(*name) != Some(*value))) {
        Some((field, _)) => Err(changed(field)),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
