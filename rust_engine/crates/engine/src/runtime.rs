//! A running engine without I/O: the market as far as it was granted, and the inputs of the journal in between.
//!
//! The market moves in steps: one bar, one round of equity marks, or one `reached`. Inputs are applied between two steps, so
//! the pair (inputs, step at which each was applied) determines everything, messages and their order included.

use crate::core::{Core, Setup};
use crate::error::CoreError;
use crate::input::Input;
use crate::live::LiveRecorder;
use model::config::{EngineConfig, Pace};
use model::message::{InstanceState, Message, Reached};
use model::{Bar, TradingState, Ts};

/// The state of one run.
pub struct Runtime {
    core: Core<LiveRecorder>,
    feed: Vec<Bar>,
    next_bar: usize,
    traded_bars: u64,
    granted: Ts,
    reached: Ts,
    next_mark: Ts,
    mark_interval_ns: i64,
    pace: Pace,
    owes_reached: bool,
    steps: u64,
    outbox: Vec<Message>,
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Steps done since the start.
    pub steps: u64,
    /// Bars traded since the start.
    pub bars: u64,
    /// Market time.
    pub reached: Ts,
    /// Whether the feed holds nothing later.
    pub feed_ended: bool,
    /// Hash chain over all orders and fills.
    pub actions_sha256: String,
}

impl Runtime {
    /// A run that has warmed up on every bar closed at or before `trade_from_ns`, and waits for time.
    ///
    /// # Errors
    /// The configuration or a warm-up bar.
    pub fn new(config: &EngineConfig, feed: Vec<Bar>) -> Result<Self, CoreError> {
        let mut core = Core::new(&Setup::from(config), LiveRecorder::new(&config.symbols))?;
        let interval = i64::try_from(config.mark_interval_ms).ok().and_then(|ms| ms.checked_mul(Ts::MS));
        let Some(mark_interval_ns) = interval.filter(|ns| *ns > 0) else {
            let problem = format!("{} ms is not a usable distance; 3600000 is one hour", config.mark_interval_ms);
            return Err(CoreError::Setup { what: "mark_interval_ms".to_owned(), problem });
        };
        let start = Ts(config.trade_from_ns);
        let next_bar = feed.partition_point(|bar| bar.closed_at <= start);
        for bar in &feed[..next_bar] {
            core.warm_up(bar)?;
        }
        let behind = start.0.rem_euclid(mark_interval_ns);
        let next_mark = if behind == 0 { start } else { start.plus_ns(mark_interval_ns - behind) };
        Ok(Self {
            core,
            feed,
            next_bar,
            traded_bars: 0,
            granted: start,
            reached: start,
            next_mark,
            mark_interval_ns,
            pace: config.pace,
            owes_reached: false,
            steps: 0,
            outbox: Vec::new(),
        })
    }

    /// Applies one input. `Some` says in words why it had no effect.
    ///
    /// # Errors
    /// A defect in a strategy; the run must stop.
    pub fn apply(&mut self, input: &Input, at: Ts) -> Result<Option<String>, CoreError> {
        let answer = match input {
            Input::Start(_) | Input::Progress | Input::Acked(_) => None,
            Input::Ignored(ignored) => return Ok(Some(format!("{}: {}", ignored.kind, ignored.reason))),
            Input::Advance(to) => {
                self.granted = self.granted.max(Ts(to.to_ns));
                self.owes_reached = self.pace == Pace::Granted;
                None
            }
            Input::Params(update) => Some(Message::ParamsAck(self.core.apply_params(update, at)?)),
            Input::Command(command) => Some(Message::CommandAck(self.core.command(command, at)?)),
            Input::Advice(answer) => {
                if !self.core.answer_advice(answer)? {
                    return Ok(Some(format!("advice {} is not waited for", answer.advice_id)));
                }
                None
            }
            Input::Rate(rate) => match self.core.update_rate(rate) {
                Err(refused @ CoreError::Rate(_)) => return Ok(Some(refused.to_string())),
                other => other.map(|()| None)?,
            },
            Input::Veto(veto) => {
                self.core.veto_advice(veto.as_str())?;
                None
            }
        };
        self.outbox.append(&mut self.core.drain_outbox());
        self.outbox.extend(answer);
        Ok(None)
    }

    /// Does at most `max_steps` steps. `true` when more are due right now.
    ///
    /// # Errors
    /// A bar that the core refuses, or a defect in a strategy; the run must stop.
    pub fn advance(&mut self, max_steps: u64) -> Result<bool, CoreError> {
        for _ in 0..max_steps {
            if !self.step()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn step(&mut self) -> Result<bool, CoreError> {
        if self.waits_for_advice() {
            return Ok(false);
        }
        let bar = self.feed.get(self.next_bar).copied();
        let bar_at = bar.map_or(Ts(i64::MAX), |bar| bar.closed_at);
        // A mark shows every bar closed at or before it, so it waits until the next bar is a later one.
        if self.next_mark < bar_at && self.next_mark <= self.granted.min(self.feed_end()) {
            let at = self.next_mark;
            self.outbox.extend(self.core.marks(at).into_iter().map(Message::EquityMark));
            self.next_mark = at.plus_ns(self.mark_interval_ns);
            self.reached = self.reached.max(at);
        } else if let Some(bar) = bar.filter(|_| bar_at <= self.granted) {
            self.core.on_bar(&bar)?;
            self.outbox.append(&mut self.core.drain_outbox());
            self.next_bar += 1;
            self.traded_bars += 1;
            self.reached = self.reached.max(bar_at);
        } else if self.owes_reached {
            self.owes_reached = false;
            self.reached = self.reached.max(self.granted);
            let Standing { bars, reached, feed_ended, actions_sha256, .. } = self.standing();
            self.outbox.push(Message::Reached(Reached { to_ns: reached.0, bars, feed_ended, actions_sha256 }));
        } else {
            return Ok(false);
        }
        self.steps += 1;
        Ok(true)
    }

    fn feed_end(&self) -> Ts {
        self.feed.last().map_or(Ts(i64::MIN), |bar| bar.closed_at)
    }

    /// Whether an order waits for the advisor, so that the market stands still.
    #[must_use]
    pub fn waits_for_advice(&self) -> bool {
        !self.core.desk.held.is_empty()
    }

    /// When the next bar or mark falls due on a wall clock; `None` after the feed's end.
    #[must_use]
    pub fn next_due(&self) -> Option<Ts> {
        let bar_at = self.feed.get(self.next_bar).map(|bar| bar.closed_at);
        let mark_at = Some(self.next_mark).filter(|mark| *mark <= self.feed_end());
        [bar_at, mark_at].into_iter().flatten().min()
    }

    /// Market time.
    #[must_use]
    pub fn reached(&self) -> Ts {
        self.reached
    }

    /// Steps done since the start.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Where the run stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            steps: self.steps,
            bars: self.traded_bars,
            reached: self.reached,
            feed_ended: self.next_bar == self.feed.len(),
            actions_sha256: self.core.actions_sha256(),
        }
    }

    /// Active, reducing or halted.
    #[must_use]
    pub fn state(&self) -> TradingState {
        self.core.gate.state()
    }

    /// What runs.
    #[must_use]
    pub fn instance_states(&self) -> Vec<InstanceState> {
        self.core.instance_states()
    }

    /// Takes the messages made so far, in order.
    pub fn drain(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.outbox)
    }
}
