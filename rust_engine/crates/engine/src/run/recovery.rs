//! From what is on disk to a running state: the newest snapshot that can be used, and the inputs after it.

use super::origin::{Feed, as_chosen, check_same_run, diverged, parse};
use super::{Covered, Run, RunError, Snapshots};
use crate::input::{Input, Start};
use crate::journal::{self, JournalReader, Record, StateLock};
use crate::market_log::{self, MarketLogReader, Rotation};
use crate::runtime::{Runtime, Standing};
use crate::snapshot::{self, Header, Snapshot};
use crate::spool::Spool;
use model::config::{EngineConfig, StateConfig};
use model::message::Message;
use model::{Bar, Ts};
use std::path::{Path, PathBuf};

/// What recovery found.
#[derive(Debug)]
pub struct Recovered {
    /// Own messages that were made; those after `acked_seq` can be had from [`Run::messages`].
    pub made_seq: u64,
    /// Last message of the worker that is in the journal.
    pub received_seq: u64,
    /// Own messages known to be acknowledged.
    pub acked_seq: u64,
    /// Records replayed.
    pub records: u64,
    /// The record that the snapshot was taken of, where one was used.
    pub snapshot: Option<u64>,
    /// Bytes of unfinished ends that were cut off, of the journal and of the market log.
    pub torn_bytes: u64,
    /// What a person should know, for example why a snapshot was not used.
    pub notes: Vec<String>,
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
    /// SHA-256 of the whole state, as hex: equal in every process that replays the same inputs with the same build.
    pub state_sha256: String,
}

/// A state on its way through the journal.
struct Replaying {
    runtime: Runtime,
    journal: JournalReader,
    market: MarketLogReader,
    /// Where messages are kept; `None` where nobody asks for them.
    spool: Option<Spool>,
    received_seq: u64,
    made: u64,
    records: u64,
}

impl Replaying {
    /// Follows the journal to its end; `told` gets each message that this makes, with its number.
    fn finish(&mut self, told: &mut dyn FnMut(u64, &Message)) -> Result<(), RunError> {
        while let Some(record) = self.journal.next_record()? {
            self.apply(&record, told)?;
        }
        Ok(())
    }

    fn apply(&mut self, record: &Record, told: &mut dyn FnMut(u64, &Message)) -> Result<(), RunError> {
        let runtime = &mut self.runtime;
        let missing = record.step.checked_sub(runtime.steps()).unwrap_or(u64::MAX);
        let reachable = missing != u64::MAX && (runtime.advance(missing)? || runtime.steps() == record.step);
        if !reachable {
            let problem = format!("it belongs to step {}, the market stands at {}", record.step, runtime.steps());
            return Err(RunError::Diverged { n: record.n, problem });
        }
        match parse(record)? {
            Input::Acked(acked) => {
                if let Some(spool) = &mut self.spool {
                    spool.acknowledge(acked.seq);
                }
            }
            Input::Market(batch) => {
                let seal = batch.seal().ok_or_else(|| diverged(record.n, "it names no seal".to_owned()))?;
                let mut events = Vec::new();
                self.market.read_to(&seal, |event| events.push(event))?;
                for event in events {
                    self.runtime.enqueue(event)?;
                }
            }
            input => drop(self.runtime.apply(&input, record.at_ns)?),
        }
        self.received_seq = self.received_seq.max(record.seq.unwrap_or(0));
        let messages = self.runtime.drain();
        for message in messages {
            self.made += 1;
            told(self.made, &message);
            if let Some(spool) = &mut self.spool {
                spool.push(message)?;
            }
        }
        self.records += 1;
        Ok(())
    }
}

fn rotation(config: &StateConfig) -> Rotation {
    let minutes = i64::from(config.segment_minutes);
    Rotation { max_bytes: u64::from(config.segment_mib) << 20, max_ns: minutes.saturating_mul(60_000 * Ts::MS) }
}

/// The run in `config.state_dir`, recovered or started.
pub(super) fn open(config: &EngineConfig) -> Result<(Run, Recovered), RunError> {
    let state_dir = Path::new(&config.state_dir);
    // Before anything is read: another engine may be about to write the first record.
    let lock = StateLock::take(state_dir)?;
    let Some(first) = JournalReader::open(state_dir)?.next_record()? else { return start(config, lock) };
    let feed = Feed::load(config, true)?;
    let start = check_same_run(config, &first, &feed.sha256)?;
    let mut notes = Vec::new();
    let (mut replaying, used) = recover(config, &start, &feed.bars, &mut notes)?;
    let mut spool = match replaying.spool.take() {
        Some(spool) => spool,
        None => Spool::anew(state_dir)?,
    };
    // They may have left before the end: what became of them is for the exchange to say, and nothing is placed anew.
    replaying.runtime.drain_requests();
    let (market, cut_bytes) = replaying.market.into_writer(rotation(&config.state))?;
    let (journal, torn_bytes) = replaying.journal.into_writer(lock)?;
    spool.replace()?;
    let snapshots = Snapshots::new(config, replaying.runtime.reached(), used.as_ref().map(Covered::from));
    let recovered = Recovered {
        made_seq: spool.made(),
        received_seq: replaying.received_seq,
        acked_seq: spool.acked(),
        records: replaying.records,
        snapshot: used.map(|header| header.journal.n),
        torn_bytes: torn_bytes + cut_bytes,
        notes,
    };
    let run = Run {
        noted_step: replaying.runtime.steps(),
        noted_acked: spool.acked(),
        received_seq: replaying.received_seq,
        runtime: replaying.runtime,
        journal,
        market,
        snapshots,
        state_dir: state_dir.to_owned(),
        pace: config.pace,
        spool,
        restamped: 0,
        repeated: 0,
        is_urgent: false,
    };
    Ok((run, recovered))
}

/// A new run. It is built before anything is written: a configuration that cannot run leaves no journal behind.
fn start(config: &EngineConfig, lock: StateLock) -> Result<(Run, Recovered), RunError> {
    let state_dir = Path::new(&config.state_dir);
    let mut feed = Feed::load(config, false)?;
    let runtime = Runtime::new(config, std::mem::take(&mut feed.bars))?;
    let oldest = MarketLogReader::open_oldest(state_dir)?;
    if oldest.is_some() || !list_snapshots(state_dir)?.is_empty() {
        let path = state_dir.join(journal::JOURNAL_FILE);
        return Err(journal::JournalError::Lacks { path, n: 1 }.into());
    }
    if !config.markets.is_empty() {
        feed.keep(state_dir)?;
    }
    let market = MarketLogReader::open(state_dir, &market_log::Position::default())?;
    let (market, _) = market.into_writer(rotation(&config.state))?;
    let (mut journal, torn_bytes) = JournalReader::open(state_dir)?.into_writer(lock)?;
    let start = Start { feed_sha256: feed.sha256, config: config.clone() };
    journal.append(None, 0, runtime.reached(), &Input::Start(Box::new(start)))?;
    journal.sync()?;
    let mut spool = Spool::anew(state_dir)?;
    spool.replace()?;
    let run = Run {
        snapshots: Snapshots::new(config, runtime.reached(), None),
        runtime,
        journal,
        market,
        state_dir: state_dir.to_owned(),
        pace: config.pace,
        noted_step: 0,
        noted_acked: 0,
        received_seq: 0,
        spool,
        restamped: 0,
        repeated: 0,
        is_urgent: false,
    };
    let recovered = Recovered {
        made_seq: 0,
        received_seq: 0,
        acked_seq: 0,
        records: 0,
        snapshot: None,
        torn_bytes,
        notes: Vec::new(),
    };
    Ok((run, recovered))
}

/// The snapshots of a run, newest first.
pub(super) fn list_snapshots(state_dir: &Path) -> Result<Vec<(u64, PathBuf)>, RunError> {
    snapshot::list(state_dir).map_err(|source| RunError::File { path: state_dir.to_owned(), source })
}

/// Follows the journal from the newest snapshot that can be used, or from its start.
fn recover(
    config: &EngineConfig,
    start: &Start,
    bars: &[Bar],
    notes: &mut Vec<String>,
) -> Result<(Replaying, Option<Header>), RunError> {
    let state_dir = Path::new(&config.state_dir);
    for (_, path) in list_snapshots(state_dir)? {
        let snapshot = match snapshot::load(&path) {
            Ok(snapshot) => snapshot,
            Err(unusable) => {
                notes.push(unusable.to_string());
                continue;
            }
        };
        // The rate of the first start was an input too, so the journal's configuration counts, not today's.
        let mut runtime = Runtime::new(&start.config, bars.to_vec())?;
        let spool = match take_over(state_dir, &mut runtime, &snapshot) {
            Ok(spool) => spool,
            Err(problem) => {
                notes.push(format!("{} is not used: {problem}", path.display()));
                continue;
            }
        };
        let header = snapshot.header;
        let mut replaying = Replaying {
            runtime,
            journal: JournalReader::open_after(state_dir, &header.journal)?,
            market: MarketLogReader::open(state_dir, &header.market)?,
            made: spool.made(),
            spool: Some(spool),
            received_seq: header.received_seq,
            records: 0,
        };
        replaying.finish(&mut |_, _| ())?;
        return Ok((replaying, Some(header)));
    }
    let spool = Some(Spool::anew(state_dir)?);
    Ok((replay_all(state_dir, start, bars.to_vec(), spool, &mut |_, _| ())?, None))
}

/// Puts the state of a snapshot in place and proves that it is the one that was written; gives its messages.
fn take_over(state_dir: &Path, runtime: &mut Runtime, snapshot: &Snapshot) -> Result<Spool, String> {
    runtime.restore(&snapshot.state).map_err(|e| e.to_string())?;
    if runtime.save().map_err(|e| e.to_string())? != snapshot.state {
        return Err("what was read back is not what was written".to_owned());
    }
    Spool::at(state_dir, &snapshot.header.messages).map_err(|e| e.to_string())
}

fn replay_all(
    state_dir: &Path,
    start: &Start,
    bars: Vec<Bar>,
    spool: Option<Spool>,
    told: &mut dyn FnMut(u64, &Message),
) -> Result<Replaying, RunError> {
    let mut replaying = Replaying {
        runtime: Runtime::new(&start.config, bars)?,
        journal: JournalReader::open(state_dir)?,
        market: MarketLogReader::open(state_dir, &market_log::Position::default())?,
        spool,
        received_seq: 0,
        made: 0,
        records: 0,
    };
    replaying.finish(told)?;
    Ok(replaying)
}

/// Replays the journal in `config.state_dir` from its beginning without touching it: the same journal gives the same actions
/// on every machine.
///
/// # Errors
/// As [`Run::open`]; an empty journal replays to the start.
pub fn replay(config: &EngineConfig) -> Result<Replay, RunError> {
    replay_telling(config, &mut |_, _| ())
}

/// [`replay`], in which `told` gets each message to the worker, with its number.
///
/// # Errors
/// As [`replay`].
pub fn replay_telling(config: &EngineConfig, told: &mut dyn FnMut(u64, &Message)) -> Result<Replay, RunError> {
    let state_dir = Path::new(&config.state_dir);
    let first = JournalReader::open(state_dir)?.next_record()?;
    let feed = Feed::load(config, first.is_some())?;
    let Some(first) = first else {
        let runtime = Runtime::new(config, feed.bars)?;
        return Ok(Replay {
            records: 0,
            messages: 0,
            standing: runtime.standing(),
            state_sha256: runtime.state_sha256()?,
        });
    };
    let start = check_same_run(&as_chosen(config, &first)?, &first, &feed.sha256)?;
    let replayed = replay_all(state_dir, &start, feed.bars, None, told)?;
    Ok(Replay {
        records: replayed.records,
        messages: replayed.made,
        standing: replayed.runtime.standing(),
        state_sha256: replayed.runtime.state_sha256()?,
    })
}
