//! `xcrack-engine`: the process that trades. It holds no opinion and no LLM, and needs no Python to stop.
//!
//! # Layout
//! - [`serve`]: the loop of a running engine
//! - [`link`]: the line to the worker
//! - [`live`]: the account of a run, in builds with feature `live`
//! - [`control`]: the Unix socket that works with everything else dead
//! - [`listening`]: a listener that outlives failed connections
//! - [`kill`]: what halts without a line: a file, a signal, silence
//! - [`metrics`], [`latency`], [`scrape`]: figures for Prometheus
//! - [`status`]: a status for people
//! - [`watch`]: who was heard from, what was signalled, how long things took
//! - [`offline`]: backtest, replay, journal
//! - [`output`]: standard output
//! - [`schema`]: the contracts as JSON Schema
//! - [`config`], [`log`], [`clock`]: edges

mod args;
mod clock;
mod config;
mod control;
mod kill;
mod latency;
mod link;
mod listening;
mod live;
mod log;
mod metrics;
mod offline;
mod output;
mod schema;
mod scrape;
mod serve;
mod status;
mod watch;

use anyhow::{Context, Result};
use args::{Arguments, Failure, JournalTask, Order, Verb};
use clap::Parser;
use engine::Run;
use model::message::CommandAction;
use std::io::IsTerminal;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match execute(Arguments::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::Unread) {
                eprintln!("xcrack-engine: {failure}");
            }
            failure.exit_code()
        }
    }
}

fn execute(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Run { config, strategies, live, die_with_parent } => {
            run(&config, &strategies, live.as_deref(), die_with_parent)
        }
        Verb::ApproveLive { config, live, by, days } => {
            let config = config::load(&config).map_err(Failure::BadInput)?;
            print(live::approve(&config, &live, &by, days).map_err(Failure::BadInput)?)
        }
        Verb::Backtest(backtest) => print(offline::backtest(&backtest.request()).map_err(Failure::BadInput)?),
        Verb::Replay { config } => replay(&config, false),
        Verb::Schema { out } => {
            let written = schema::export(&out)?;
            eprintln!("wrote {written} schemas to {}", out.display());
            Ok(())
        }
        Verb::Journal(journal) => match journal.task()? {
            JournalTask::List(state_dir) => Ok(offline::inspect_journal(&state_dir, true)?),
            JournalTask::Verify(state_dir) => Ok(offline::inspect_journal(&state_dir, false)?),
            JournalTask::Replay(config, messages) => replay(&config, messages),
        },
        Verb::Status { state_dir, json } => {
            let status = control::ask(&state_dir, &control::Request::Status {})?;
            if json || !std::io::stdout().is_terminal() {
                return print(status);
            }
            Ok(output::line(status::table(&status).trim_end())?)
        }
        Verb::Halt(order) => tell(order, CommandAction::Halt),
        Verb::Resume(order) => tell(order, CommandAction::Resume),
        Verb::Reduce(order) => tell(order, CommandAction::Reduce),
        Verb::Kill(order) => tell(order, CommandAction::Flatten),
    }
}

fn tell(order: Order, action: CommandAction) -> Result<(), Failure> {
    let state_dir = order.state_dir.clone();
    print(control::ask(&state_dir, &order.request(action)?)?)
}

fn replay(config: &Path, list: bool) -> Result<(), Failure> {
    let config = config::load(config).map_err(Failure::BadInput)?;
    print(offline::replay(&config, list)?)
}

fn print(value: serde_json::Value) -> Result<(), Failure> {
    Ok(output::json(&value)?)
}

fn run(path: &Path, strategies: &[String], live: Option<&Path>, die_with_parent: bool) -> Result<(), Failure> {
    if die_with_parent {
        bind_to_parent()?;
    }
    let mut config = config::load(path).map_err(Failure::BadInput)?;
    config::choose_strategies(&mut config, strategies).map_err(Failure::BadInput)?;
    let secret = config::load_secret(Path::new(&config.secret_file)).map_err(Failure::BadInput)?;
    let live = live::Live::check(&config, live).map_err(Failure::BadInput)?;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&config.state_dir)
        .with_context(|| format!("cannot make the state directory {}", config.state_dir))?;
    let (run, recovered) = Run::open(&config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no event loop")?;
    // It has begun, so what ends it is no wrong input: whoever supervises may start it again.
    runtime.block_on(serve::serve(config, run, recovered, secret, live)).map_err(Failure::Failed)
}

/// Stops in good order when the supervisor dies, so that no engine trades unwatched.
fn bind_to_parent() -> Result<()> {
    use nix::sys::{prctl, signal::Signal};
    let parent = nix::unistd::getppid();
    prctl::set_pdeathsig(Signal::SIGTERM).context("cannot bind to the parent process")?;
    // The parent may have died before the line above; then nobody will send the signal.
    anyhow::ensure!(nix::unistd::getppid() == parent, "the parent process died during the start");
    Ok(())
}
