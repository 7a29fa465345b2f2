//! The command line.

use crate::control::Request;
use crate::offline;
use crate::output::Unread;
use clap::{Args, Parser, Subcommand};
use engine::{CoreError, RunError};
use model::Costs;
use model::message::CommandAction;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::process::ExitCode;

/// The engine of xCrack: runs strategies, records every input, and stops when told to, with or without Python.
#[derive(Parser)]
#[command(
    name = "xcrack-engine",
    version,
    arg_required_else_help = true,
    after_help = "\
Exit status: 0 done, 1 failed, 2 the input was wrong.
A running engine writes JSON lines to stderr; commands print JSON to stdout.

Examples:
  xcrack-engine run --config var/engine.json
  xcrack-engine halt --state-dir var/engine --by kim --reason 'odd fills'
  xcrack-engine run --config var/engine.json --strategies predictive,micro_arbitrage
  xcrack-engine journal replay --config var/engine.json

A running engine halts on SIGUSR1, reduces on SIGUSR2, and halts when a file named KILL appears in its state directory;
the words in that file are kept as the reason."
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Everything the binary can do.
#[derive(Subcommand)]
pub enum Verb {
    /// Trade: recover the run in its state directory, dial the worker, go on until SIGTERM or SIGINT.
    Run {
        /// Configuration (see `schema`, config/engine_config.json).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Run only the configured instances of these strategies, separated by commas.
        #[arg(long, value_name = "NAMES", value_delimiter = ',')]
        strategies: Vec<String>,
        /// Trade this account instead of a simulated venue (docs/guides/live.md).
        #[arg(long, value_name = "FILE")]
        live: Option<PathBuf>,
        /// Stop in good order when the process that started this one dies.
        #[arg(long)]
        die_with_parent: bool,
    },
    /// Sign that an account may be traded within the configured limits, for a few days.
    ApproveLive {
        /// Configuration of the run, whose limits are approved.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The account.
        #[arg(long, value_name = "FILE")]
        live: PathBuf,
        /// Who approves.
        #[arg(long, value_name = "NAME")]
        by: String,
        /// For how many days, at most seven.
        #[arg(long, value_name = "DAYS", default_value_t = 7)]
        days: u32,
    },
    /// Play one strategy over a feed and print the facts.
    Backtest(BacktestArgs),
    /// Replay the journal of a run without touching it and print the hash of its actions.
    Replay {
        /// Configuration of the run.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Write the JSON Schemas of parameters, messages and configuration.
    Schema {
        /// Directory to write into.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Ask a running engine where it stands.
    Status {
        /// State directory of the engine.
        #[arg(long, value_name = "DIR")]
        state_dir: PathBuf,
        /// Print JSON also on a terminal.
        #[arg(long)]
        json: bool,
    },
    /// Cancel what rests and open nothing, until `resume`.
    Halt(Order),
    /// Let trading go on. Needs --by: only a named person releases a stop.
    Resume(Order),
    /// Only let positions shrink, until `resume`.
    Reduce(Order),
    /// Halt and close every position.
    Kill(Order),
    /// Print the records of a journal, verify it, or replay it.
    Journal(JournalArgs),
}

/// A journal, and what to do with it.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = false)]
pub struct JournalArgs {
    /// State directory of the run; with `replay`, its configuration says where.
    #[arg(long, value_name = "DIR", global = true)]
    state_dir: Option<PathBuf>,
    /// Without one, prints the records.
    #[command(subcommand)]
    what: Option<JournalVerb>,
}

/// What to do with a journal.
#[derive(Subcommand)]
pub enum JournalVerb {
    /// Check the chain and print a summary only.
    Verify,
    /// Play it again without touching it and print the hash of the actions.
    Replay {
        /// Configuration of the run.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Print each message that it makes to the worker first, one JSON line each.
        #[arg(long)]
        messages: bool,
    },
}

/// A journal verb with what it needs.
pub enum JournalTask {
    /// Print the records.
    List(PathBuf),
    /// Check the chain.
    Verify(PathBuf),
    /// Play it again, by the configuration; whether its messages are printed too.
    Replay(PathBuf, bool),
}

impl JournalArgs {
    /// What is asked for.
    ///
    /// # Errors
    /// The state directory is missing.
    pub fn task(self) -> Result<JournalTask, Failure> {
        let missing = || Failure::BadInput(anyhow::anyhow!("journal needs --state-dir DIR, or `replay --config FILE`"));
        match self.what {
            Some(JournalVerb::Replay { config, messages }) => Ok(JournalTask::Replay(config, messages)),
            Some(JournalVerb::Verify) => Ok(JournalTask::Verify(self.state_dir.ok_or_else(missing)?)),
            None => Ok(JournalTask::List(self.state_dir.ok_or_else(missing)?)),
        }
    }
}

/// An order to a running engine.
#[derive(Args)]
pub struct Order {
    /// State directory of the engine.
    #[arg(long, value_name = "DIR")]
    pub state_dir: PathBuf,
    /// Who gives the order; it is written into the journal.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Why; it is written into the journal.
    #[arg(long, value_name = "TEXT", default_value = "no reason given")]
    pub reason: String,
}

impl Order {
    /// The request to send.
    ///
    /// # Errors
    /// A resume without a name.
    pub fn request(self, action: CommandAction) -> Result<Request, Failure> {
        let by = match self.by {
            Some(name) if !name.trim().is_empty() => name,
            _ if action == CommandAction::Resume => {
                return Err(Failure::BadInput(anyhow::anyhow!(
                    "resume needs --by NAME: only a named person releases a stop"
                )));
            }
            _ => "operator".to_owned(),
        };
        Ok(Request::Command { action, by, reason: self.reason })
    }
}

/// A backtest.
#[derive(Args)]
pub struct BacktestArgs {
    /// Bars as a NumPy `.npy` of records.
    #[arg(long, value_name = "FILE")]
    feed: PathBuf,
    /// Symbol and its grid, in the feed's order; repeat for several.
    #[arg(long = "symbol", value_name = "NAME:TICK:LOT", required = true)]
    symbols: Vec<String>,
    /// Strategy, for example sma_cross.
    #[arg(long)]
    strategy: String,
    /// A parameter that differs from its default; repeat for several.
    #[arg(long = "param", value_name = "NAME=NUMBER")]
    params: Vec<String>,
    /// Rule set of strategy `rules` (see `schema`, config/rules_program.json).
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Capital that sizes refer to, in quote currency.
    #[arg(long, default_value = "100000")]
    capital: String,
    /// Fee of a resting fill, basis points.
    #[arg(long, default_value_t = Costs::default().maker_fee_bps, allow_negative_numbers = true)]
    maker_fee_bps: f64,
    /// Fee of a crossing fill, basis points.
    #[arg(long, default_value_t = Costs::default().taker_fee_bps)]
    taker_fee_bps: f64,
    /// Slippage of a crossing fill, basis points.
    #[arg(long, default_value_t = Costs::default().slippage_bps)]
    slippage_bps: f64,
    /// Bars closed at or before this warm up and are not traded, nanoseconds since 1970.
    #[arg(long, default_value_t = 0)]
    trade_from_ns: i64,
}

impl BacktestArgs {
    /// The request.
    pub fn request(&self) -> offline::Backtest<'_> {
        let Self { maker_fee_bps, taker_fee_bps, slippage_bps, .. } = *self;
        offline::Backtest {
            feed: &self.feed,
            symbols: &self.symbols,
            strategy: &self.strategy,
            params: &self.params,
            rules: self.rules.as_deref(),
            capital: &self.capital,
            costs: Costs { maker_fee_bps, taker_fee_bps, slippage_bps },
            trade_from_ns: self.trade_from_ns,
        }
    }
}

/// Why the process ends without having done what it was asked.
pub enum Failure {
    /// What was given is wrong.
    BadInput(anyhow::Error),
    /// It was right, and did not work.
    Failed(anyhow::Error),
    /// Nobody reads what it prints.
    Unread,
}

impl Failure {
    /// 2 for wrong input, 1 for the rest.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::BadInput(_) => 2,
            Self::Failed(_) | Self::Unread => 1,
        })
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        if error.is::<Unread>() {
            return Self::Unread;
        }
        match error.downcast::<RunError>() {
            Ok(error) => error.into(),
            Err(error) => Self::Failed(error),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Journal(_)
            | RunError::MarketLog(_)
            | RunError::Spool(_)
            | RunError::Damaged { .. }
            | RunError::Diverged { .. }
            | RunError::State(_)
            | RunError::Core(CoreError::Runaway { .. }) => Self::Failed(error.into()),
            // A name that leads nowhere is a mistake; a disk that fails may be well again at the next start.
            RunError::File { ref source, .. } if !is_of_the_name(source) => Self::Failed(error.into()),
            other => Self::BadInput(other.into()),
        }
    }
}

fn is_of_the_name(error: &io::Error) -> bool {
    use ErrorKind::{IsADirectory, NotADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | PermissionDenied | IsADirectory | NotADirectory)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::BadInput(error) | Self::Failed(error)) = self else { return write!(f, "{Unread}") };
        // One line, causes included.
        write!(f, "{}", format!("{error:#}").replace('\n', " "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::market_log::MarketLogError;

    fn is_retried(error: RunError) -> bool {
        matches!(Failure::from(error), Failure::Failed(_))
    }

    #[test]
    fn a_disk_that_fails_is_tried_again_and_a_wrong_name_is_not() {
        let full = || io::Error::from(ErrorKind::StorageFull);
        let path = || PathBuf::from("state/market");
        assert!(is_retried(MarketLogError::Io { path: path(), source: full() }.into()));
        assert!(is_retried(RunError::File { path: path(), source: full() }));
        assert!(is_retried(CoreError::Runaway { instance: "sma-1".into(), limit: 1 }.into()));
        assert!(!is_retried(RunError::File { path: path(), source: ErrorKind::NotFound.into() }));
        assert!(!is_retried(CoreError::Rate(0.0).into()));
    }
}
