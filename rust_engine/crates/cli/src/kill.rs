//! What halts trading without being asked over a line: a file, a signal, and silence.
//!
//! | cause | effect | released by |
//! |---|---|---|
//! | the file `KILL` in the state directory | halt, or flatten if the limits say so | removing it, then `resume` |
//! | SIGUSR1 | halt | `resume` |
//! | SIGUSR2 | reduce | `resume` |
//! | nobody heard from for `dead_man_ms` | halt, or flatten if the limits say so | `resume` |
//!
//! Each takes effect as a [`Command`] of its own name, so that the journal holds it and a replay repeats it. None needs Python,
//! the database or the bridge.

use model::TradingState;
use model::config::EngineConfig;
use model::message::{Command, CommandAction};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the file in the state directory.
pub const KILL_FILE: &str = "KILL";
const MAX_REASON_BYTES: u64 = 400;

/// A signal that asks for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signalled {
    /// SIGUSR1.
    Halt,
    /// SIGUSR2.
    Reduce,
}

impl Signalled {
    /// The stronger of two that came since the last look.
    #[must_use]
    pub fn with(self, earlier: Option<Self>) -> Self {
        if earlier == Some(Self::Halt) { Self::Halt } else { self }
    }
}

/// What the engine knows at one moment.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The state that was latched. One that an account adds while it does not agree ends by itself, so it makes no stop needless.
    pub latched: TradingState,
    /// Since the last frame of the worker and the last command of an operator.
    pub silent_for: Duration,
    /// Whether the kill file is there.
    pub file_exists: bool,
    /// What was signalled since the last look.
    pub signalled: Option<Signalled>,
}

/// Why trading must stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillCause {
    /// The kill file.
    File,
    /// A signal.
    Signal(Signalled),
    /// Silence.
    DeadMan,
}

/// Decides when trading must stop.
#[derive(Debug)]
pub struct KillSwitch {
    file: PathBuf,
    dead_man: Option<Duration>,
    flattens: bool,
    file_was_there: bool,
}

impl KillSwitch {
    /// The switch of an engine with this configuration.
    #[must_use]
    pub fn new(config: &EngineConfig) -> Self {
        Self {
            file: Path::new(&config.state_dir).join(KILL_FILE),
            dead_man: config.dead_man_ms.map(Duration::from_millis),
            flattens: config.limits.flatten_on_halt,
            file_was_there: false,
        }
    }

    /// Whether the kill file is there. One that cannot be looked for counts as there.
    #[must_use]
    pub fn file_exists(&self) -> bool {
        self.file.try_exists().unwrap_or(true)
    }

    /// What must stop trading now. A file that stays halts again after a `resume`; silence halts again once it has lasted as long
    /// again.
    pub fn due(&mut self, view: &View) -> Option<KillCause> {
        let is_new = view.file_exists && !self.file_was_there;
        self.file_was_there = view.file_exists;
        let is_halted = view.latched == TradingState::Halted;
        // Whoever halted may not have flattened, so a new file counts even then.
        if view.file_exists && (!is_halted || (is_new && self.flattens)) {
            return Some(KillCause::File);
        }
        if is_halted {
            return None;
        }
        if view.signalled == Some(Signalled::Halt) {
            return Some(KillCause::Signal(Signalled::Halt));
        }
        if self.dead_man.is_some_and(|limit| view.silent_for >= limit) {
            return Some(KillCause::DeadMan);
        }
        let reduces = view.signalled.is_some() && view.latched == TradingState::Active;
        reduces.then_some(KillCause::Signal(Signalled::Reduce))
    }

    /// The command that `cause` gives, under an id that no other command of this run has.
    #[must_use]
    pub fn command(&self, cause: KillCause, record: u64) -> Command {
        let halt = if self.flattens { CommandAction::Flatten } else { CommandAction::Halt };
        let (action, by, reason) = match cause {
            KillCause::File => (halt, "kill_file", self.reason_in_file()),
            KillCause::Signal(Signalled::Halt) => (CommandAction::Halt, "signal", "SIGUSR1".to_owned()),
            KillCause::Signal(Signalled::Reduce) => (CommandAction::Reduce, "signal", "SIGUSR2".to_owned()),
            KillCause::DeadMan => {
                let limit_ms = self.dead_man.unwrap_or_default().as_millis();
                (halt, "dead_man", format!("neither the worker nor an operator was heard from for {limit_ms} ms"))
            }
        };
        Command { command_id: format!("{by}-{record}"), action, by: by.to_owned(), reason }
    }

    fn reason_in_file(&self) -> String {
        let mut bytes = Vec::new();
        let read = std::fs::File::open(&self.file).and_then(|f| f.take(MAX_REASON_BYTES).read_to_end(&mut bytes));
        let text = String::from_utf8_lossy(&bytes);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match read {
            Err(error) => format!("the kill file cannot be read: {error}"),
            Ok(_) if words.is_empty() => "the kill file gives no reason".to_owned(),
            Ok(_) => words,
        }
    }
}

#[cfg(test)]
#[path = "kill_tests.rs"]
mod tests;
