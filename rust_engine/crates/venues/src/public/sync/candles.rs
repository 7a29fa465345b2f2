//! Closed candles: each once, in order. What the stream did not bring is asked for by REST and passes as missed, before what
//! came after it; what cannot be had is said to be a gap.

use crate::public::source::Candle;
use model::Ts;
use std::collections::BTreeMap;

/// This machine's clock may be wrong by so much, not more: a candle from further ahead is dropped, and one that closed more
/// recently is not asked for, because it may still be forming.
const CLOCK_ERROR_NS: i64 = 60_000_000_000;
/// A candle of the stream waits so long for those before it. Where they take longer, they are a gap.
const PATIENCE_NS: i64 = 30_000_000_000;

/// What became of candles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandleStep {
    /// Pass it on as live.
    Emit(Candle),
    /// Pass it on as history: a later one has closed since.
    Missed(Candle),
    /// Seen before, or older than what was seen.
    Duplicate,
    /// Off the grid of its interval, or from the future; dropped.
    Strange,
    /// Candles opened from `from` on and before `to` are missing: fetch them, then call [`CandleSync::on_fetched`].
    Fetch {
        /// First missing opening.
        from: Ts,
        /// The opening after the last.
        to: Ts,
    },
    /// Candles opened from `from` on and before `to` cannot be had.
    Gap {
        /// First missing opening.
        from: Ts,
        /// The opening after the last.
        to: Ts,
    },
}

/// Candles that were asked for.
#[derive(Clone, Copy, Debug)]
struct Hole {
    from: Ts,
    to: Ts,
}

/// Closed candles of one symbol and interval.
#[derive(Clone, Debug)]
pub struct CandleSync {
    interval_ns: i64,
    next_open: Option<Ts>,
    hole: Option<Hole>,
    /// What came after the hole, by opening.
    held: BTreeMap<Ts, Candle>,
    held_since: Ts,
}

impl CandleSync {
    /// Goes on after the candle that closed at `known`; without one, the first that comes is the first.
    #[must_use]
    pub fn new(interval_ns: i64, known: Option<Ts>) -> Self {
        let on_grid = |at: Ts| Ts(at.0.saturating_add(interval_ns - 1).div_euclid(interval_ns) * interval_ns);
        Self { interval_ns, next_open: known.map(on_grid), hole: None, held: BTreeMap::new(), held_since: Ts(0) }
    }

    /// The stream begins, or begins again: what closed meanwhile is asked for.
    pub fn reopened(&mut self, now: Ts, out: &mut Vec<CandleStep>) {
        let settled = now.0.saturating_sub(CLOCK_ERROR_NS);
        let to = Ts(settled - settled.rem_euclid(self.interval_ns));
        if self.hole.is_none()
            && let Some(from) = self.next_open.filter(|from| *from < to)
        {
            self.ask(from, to, out);
        }
    }

    /// Takes a closed candle that was received at `at`.
    pub fn on_closed(&mut self, candle: Candle, at: Ts, out: &mut Vec<CandleStep>) {
        let closed_at = candle.opened_at.plus_ns(self.interval_ns);
        let is_strange =
            candle.opened_at.0.rem_euclid(self.interval_ns) != 0 || closed_at.0 > at.0.saturating_add(CLOCK_ERROR_NS);
        let is_known =
            self.next_open.is_some_and(|next| candle.opened_at < next) || self.held.contains_key(&candle.opened_at);
        let hole = self.next_open.filter(|next| *next < candle.opened_at);
        if is_strange {
            out.push(CandleStep::Strange);
        } else if is_known {
            out.push(CandleStep::Duplicate);
        } else if self.hole.is_none() && hole.is_none() {
            self.pass(candle, CandleStep::Emit, out);
        } else {
            if self.held.is_empty() {
                self.held_since = at;
            }
            self.held.insert(candle.opened_at, candle);
            if let (None, Some(from)) = (self.hole, hole) {
                self.ask(from, candle.opened_at, out);
            }
        }
    }

    /// Takes the answer to the [`CandleStep::Fetch`] that began at `from`, oldest first; empty where it failed for good. An
    /// answer that nobody waits for any more changes nothing.
    pub fn on_fetched(&mut self, from: Ts, fetched: &[Candle], out: &mut Vec<CandleStep>) {
        let Some(hole) = self.hole.take_if(|hole| hole.from == from) else { return };
        let is_asked = |c: &&Candle| c.opened_at.0.rem_euclid(self.interval_ns) == 0 && c.opened_at < hole.to;
        let fetched: BTreeMap<Ts, Candle> = fetched.iter().filter(is_asked).map(|c| (c.opened_at, *c)).collect();
        for candle in fetched.into_values() {
            self.pass(candle, CandleStep::Missed, out);
        }
        // What closed while this was under way was not asked for yet.
        match (self.next_open, self.held.keys().next().copied()) {
            (Some(next), Some(first)) if hole.to < first && next < first => self.ask(next, first, out),
            _ => self.release(out),
        }
    }

    /// Ends a wait that takes too long.
    pub fn on_time(&mut self, now: Ts, out: &mut Vec<CandleStep>) {
        if !self.held.is_empty() && now.0.saturating_sub(self.held_since.0) >= PATIENCE_NS {
            self.hole = None;
            self.release(out);
        }
    }

    fn ask(&mut self, from: Ts, to: Ts, out: &mut Vec<CandleStep>) {
        self.hole = Some(Hole { from, to });
        out.push(CandleStep::Fetch { from, to });
    }

    /// Passes on what waited: only the newest can still be decided on.
    fn release(&mut self, out: &mut Vec<CandleStep>) {
        let mut held = std::mem::take(&mut self.held);
        let newest = held.pop_last();
        for candle in held.into_values() {
            self.pass(candle, CandleStep::Missed, out);
        }
        if let Some((_, candle)) = newest {
            self.pass(candle, CandleStep::Emit, out);
        }
    }

    /// Passes a candle on if it comes after all before it.
    fn pass(&mut self, candle: Candle, step: impl Fn(Candle) -> CandleStep, out: &mut Vec<CandleStep>) {
        let opened_at = candle.opened_at;
        let next = self.next_open.unwrap_or(opened_at);
        if opened_at < next {
            return out.push(CandleStep::Duplicate);
        }
        if next < opened_at {
            out.push(CandleStep::Gap { from: next, to: opened_at });
        }
        self.next_open = Some(opened_at.plus_ns(self.interval_ns));
        out.push(step(candle));
    }
}
