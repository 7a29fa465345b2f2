//! Why a run cannot start or go on.

use crate::error::CoreError;
use crate::feed::FeedError;
use crate::journal::JournalError;
use crate::market_log::MarketLogError;
use crate::spool::SpoolError;
use std::path::PathBuf;
use strategies::state::StateError;

/// Why a run cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file of the run.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the run is not what was written.
    #[error("{path} is damaged ({problem}): restore it from a copy, or start with a new state_dir and a new engine_id")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The feed's content.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The log of market events.
    #[error(transparent)]
    MarketLog(#[from] MarketLogError),
    /// The spool of messages.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The core.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// The state as bytes.
    #[error(transparent)]
    State(#[from] StateError),
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
    /// An instance of the run on disk follows another rule set.
    #[error(
        "{state_dir} holds a run in which instance '{instance}' follows the rule set {was}, not {now}. Another rule set is \
         another strategy: put the old one back, or start a new run with its own state_dir and engine_id"
    )]
    RulesChanged {
        /// Directory of the run.
        state_dir: PathBuf,
        /// The instance.
        instance: String,
        /// Name and hash of the rule set that the run was started with.
        was: String,
        /// Name and hash of the one that the configuration names now.
        now: String,
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
