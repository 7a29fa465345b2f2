//! A running engine without I/O: the market as far as it was granted, and the inputs of the journal in between.
//!
//! The market moves in steps: one bar of the feed or one event of a live market, one round of equity marks, one move of the
//! clock, or one `reached`. Inputs are applied between two steps, so the pair (inputs, step at which each was applied)
//! determines everything, messages and their order included. A live event is an input as well: it is queued at a step.

mod listening;
mod outside;
mod queue;
mod stops;

use crate::core::{Core, Setup};
use crate::error::CoreError;
use crate::heard;
use crate::input::Input;
use crate::live::LiveRecorder;
use crate::taken::{self, TakenSignals};
use model::config::{EngineConfig, Pace};
use model::message::{InstanceState, Message, Reached};
use model::{Bar, MarketEvent, Ts};
use queue::MarketQueue;
use risk::Counts;
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};
use strategies::state::{StateError, from_bytes, to_bytes};

pub use queue::MarketCounts;

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
    /// Live markets, where they and not the feed are what is traded.
    live: Option<MarketQueue>,
    taken: TakenSignals,
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
        heard::check(config)?;
        let mut core = Core::new(&Setup::from(config), LiveRecorder::new(&config.symbols))?;
        core.keep_bars();
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
        let live = live_queue(config, &feed, start)?;
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
            live,
            taken: TakenSignals::default(),
        })
    }

    /// Applies one input. `Some` says in words why it had no effect.
    ///
    /// # Errors
    /// A defect in a strategy; the run must stop.
    pub fn apply(&mut self, input: &Input, at: Ts) -> Result<Option<String>, CoreError> {
        self.taken.take(input, at);
        let answer = match input {
            Input::Start(_) | Input::Progress | Input::Acked(_) | Input::Market(_) => None,
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
            Input::Prediction(prediction) => {
                let refused = self.core.on_prediction(prediction, at)?;
                self.outbox.append(&mut self.core.drain_outbox());
                return Ok(refused);
            }
            Input::Opportunity(opportunity) => {
                let refused = self.core.on_opportunity(opportunity, at)?;
                self.outbox.append(&mut self.core.drain_outbox());
                return Ok(refused);
            }
            Input::Report(report) => {
                let refused = self.core.on_report(report)?;
                self.outbox.append(&mut self.core.drain_outbox());
                return Ok(refused);
            }
            Input::Reconciliation(found) => {
                self.core.reconciled(found.mismatch.as_deref(), at);
                None
            }
            Input::Veto(veto) => {
                self.core.veto_advice(veto.as_str())?;
                None
            }
        };
        self.outbox.append(&mut self.core.drain_outbox());
        self.outbox.extend(answer);
        Ok(None)
    }

    /// Queues a live event and gives it with the stamp under which it is played: never before what was received earlier.
    ///
    /// # Errors
    /// [`CoreError::Setup`] where no live markets are configured.
    pub fn enqueue(&mut self, event: MarketEvent) -> Result<MarketEvent, CoreError> {
        let now = self.granted.max(self.reached).max(self.core.now());
        let Some(queue) = &mut self.live else {
            let problem = "this run plays a feed; configure `markets` to listen to live ones".to_owned();
            return Err(CoreError::Setup { what: "market event".to_owned(), problem });
        };
        Ok(queue.push(event, now))
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
        let moved = if self.live.is_some() { self.step_live()? } else { self.step_feed()? };
        self.steps += u64::from(moved);
        Ok(moved)
    }

    fn step_feed(&mut self) -> Result<bool, CoreError> {
        let bar = self.feed.get(self.next_bar).copied();
        let bar_at = bar.map_or(Ts(i64::MAX), |bar| bar.closed_at);
        // A mark shows every bar closed at or before it, so it waits until the next bar is a later one.
        if self.next_mark < bar_at && self.next_mark <= self.granted.min(self.feed_end()) {
            self.mark();
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
        Ok(true)
    }

    fn step_live(&mut self) -> Result<bool, CoreError> {
        let Some(queue) = &mut self.live else { return Ok(false) };
        let next_at = queue.next_at();
        // What was received has happened, granted or not; the clock alone moves time only while nothing waits.
        let mark_is_due = next_at.map_or(self.next_mark <= self.granted, |at| self.next_mark < at);
        if mark_is_due {
            self.mark();
        } else if let Some((at, event)) = queue.pop() {
            match self.core.on_market(&event) {
                Ok(()) => self.traded_bars += u64::from(matches!(event, MarketEvent::Bar(_))),
                Err(error) if error.is_of_the_event() => queue.counts.refused += 1,
                Err(error) => return Err(error),
            }
            self.reached = self.reached.max(at);
        } else if self.granted > self.reached {
            self.core.on_time(self.granted)?;
            self.reached = self.granted;
        } else {
            return Ok(false);
        }
        self.outbox.append(&mut self.core.drain_outbox());
        Ok(true)
    }

    /// Says what every instance is worth at the time of the mark that is due.
    fn mark(&mut self) {
        let at = self.next_mark;
        self.outbox.extend(self.core.marks(at).into_iter().map(Message::EquityMark));
        self.next_mark = at.plus_ns(self.mark_interval_ns);
        self.reached = self.reached.max(at);
    }

    fn feed_end(&self) -> Ts {
        self.feed.last().map_or(Ts(i64::MIN), |bar| bar.closed_at)
    }

    /// When the next bar, mark or part of a worked order falls due on a wall clock; `None` after the feed's end.
    #[must_use]
    pub fn next_due(&self) -> Option<Ts> {
        if self.live.is_some() {
            return [Some(self.next_mark), self.core.next_due()].into_iter().flatten().min();
        }
        let bar_at = self.feed.get(self.next_bar).map(|bar| bar.closed_at);
        let mark_at = Some(self.next_mark).filter(|mark| *mark <= self.feed_end());
        [bar_at, mark_at].into_iter().flatten().min()
    }

    /// Why an input that is offered must not be taken, in words: it is a signal that has acted already.
    #[must_use]
    pub fn refusal(&self, input: &Input) -> Option<String> {
        self.taken.refusal(input)
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
            feed_ended: self.live.is_none() && self.next_bar == self.feed.len(),
            actions_sha256: self.core.actions_sha256(),
        }
    }

    /// Orders that the risk gate passed and refused.
    #[must_use]
    pub fn risk_counts(&self) -> &Counts {
        self.core.gate.counts()
    }

    /// Fills of live and canary instances so far.
    #[must_use]
    pub fn n_fills(&self) -> u64 {
        let funded = self.core.instances.iter().filter(|instance| instance.identity.mode.is_funded());
        funded.map(|instance| instance.ledger.n_fills()).sum()
    }

    /// What runs.
    #[must_use]
    pub fn instance_states(&self) -> Vec<InstanceState> {
        self.core.instance_states()
    }

    /// The whole state but messages that were not drained, as bytes: equal states give equal bytes.
    ///
    /// # Errors
    /// A strategy's state has no form as bytes.
    pub fn save(&self) -> Result<Vec<u8>, StateError> {
        let core = ByteBuf::from(self.core.save()?);
        let clock = (self.granted, self.reached, self.next_mark, self.owes_reached);
        to_bytes(&(self.next_bar, self.traded_bars, self.steps, clock, &self.live, self.taken.order(), core))
    }

    /// SHA-256 of [`Runtime::save`], as hex.
    ///
    /// # Errors
    /// As [`Runtime::save`].
    pub fn state_sha256(&self) -> Result<String, StateError> {
        Ok(hex::encode(Sha256::digest(self.save()?)))
    }

    /// Goes on from what [`Runtime::save`] wrote in a run of the same configuration and feed.
    ///
    /// # Errors
    /// The bytes are of another configuration or build. The state is undefined then: build a new one.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        type Parts<A, B, C, D, E> = (A, B, C, D, E, taken::Order, ByteBuf);
        let (next_bar, traded_bars, steps, clock, live, taken, core): Parts<_, _, _, _, _> = from_bytes(bytes)?;
        self.core.restore(&core)?;
        (self.granted, self.reached, self.next_mark, self.owes_reached) = clock;
        (self.next_bar, self.traded_bars, self.steps, self.live) = (next_bar, traded_bars, steps, live);
        (self.taken, self.outbox) = (taken.into(), Vec::new());
        Ok(())
    }

    /// Takes the messages made so far, in order.
    pub fn drain(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.outbox)
    }
}

/// The queue of a run on live markets, whose feed only warms up; `None` for a run that plays its feed.
fn live_queue(config: &EngineConfig, feed: &[Bar], start: Ts) -> Result<Option<MarketQueue>, CoreError> {
    let refuse =
        |what: &str, problem: &str| Err(CoreError::Setup { what: what.to_owned(), problem: problem.to_owned() });
    if config.markets.is_empty() {
        return Ok(None);
    }
    if config.pace != Pace::Realtime {
        return refuse("markets", "live markets follow the wall clock; set pace to realtime, or remove them");
    }
    if feed.last().is_some_and(|bar| bar.closed_at > start) {
        return refuse("feed", "holds bars after trade_from_ns, and with live markets it only warms up; cut it there");
    }
    Ok(Some(MarketQueue::new(start)))
}

#[cfg(test)]
#[path = "runtime_tests.rs"]
mod tests;
