//! Closed candles: each once, in order, holes asked for by REST.

use crate::public::source::Candle;
use model::Ts;
use std::collections::BTreeMap;

/// A candle may close so far ahead of this machine's clock, not further.
const MAX_CLOCK_AHEAD_NS: i64 = 60_000_000_000;

/// What became of candles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandleStep {
    /// Pass it on.
    Emit(Candle),
    /// Seen before, or older than what was seen.
    Duplicate,
    /// Off the grid of its interval, or from the future; dropped.
    Strange,
    /// Candles opened from `from` on and before `to` are missing: fetch them, then call [`CandleSync::on_fetched`].
    Fetch {
        /// First missing opening.
        from: Ts,
        /// The first opening that is there.
        to: Ts,
    },
    /// So many candles do not exist at the exchange either.
    Gap(u64),
}

/// Closed candles of one symbol and interval.
#[derive(Clone, Debug)]
pub struct CandleSync {
    interval_ns: i64,
    next_open: Option<Ts>,
    /// What came after a hole that is being fetched, by opening.
    held: BTreeMap<Ts, Candle>,
}

impl CandleSync {
    /// Nothing seen yet.
    #[must_use]
    pub const fn new(interval_ns: i64) -> Self {
        Self { interval_ns, next_open: None, held: BTreeMap::new() }
    }

    /// Takes a closed candle that was received at `at`.
    pub fn on_closed(&mut self, candle: Candle, at: Ts, out: &mut Vec<CandleStep>) {
        let closed_at = candle.opened_at.plus_ns(self.interval_ns);
        let is_strange = candle.opened_at.0.rem_euclid(self.interval_ns) != 0
            || closed_at.0 > at.0.saturating_add(MAX_CLOCK_AHEAD_NS);
        let is_known =
            self.next_open.is_some_and(|next| candle.opened_at < next) || self.held.contains_key(&candle.opened_at);
        if is_strange {
            out.push(CandleStep::Strange);
        } else if is_known {
            out.push(CandleStep::Duplicate);
        } else if !self.held.is_empty() {
            self.held.insert(candle.opened_at, candle);
        } else {
            match self.next_open.filter(|next| *next < candle.opened_at) {
                Some(from) => {
                    self.held.insert(candle.opened_at, candle);
                    out.push(CandleStep::Fetch { from, to: candle.opened_at });
                }
                None => self.emit(candle, out),
            }
        }
    }

    /// Takes the answer to [`CandleStep::Fetch`], oldest first; empty where it failed for good.
    pub fn on_fetched(&mut self, fetched: &[Candle], out: &mut Vec<CandleStep>) {
        let Some(first_held) = self.held.keys().next().copied() else { return };
        let is_on_grid = |candle: &&Candle| candle.opened_at.0.rem_euclid(self.interval_ns) == 0;
        let missing: BTreeMap<Ts, Candle> = fetched
            .iter()
            .filter(is_on_grid)
            .filter(|candle| candle.opened_at < first_held)
            .map(|candle| (candle.opened_at, *candle))
            .collect();
        let held = std::mem::take(&mut self.held);
        for candle in missing.into_values().chain(held.into_values()) {
            let Some(next) = self.next_open else { return };
            if candle.opened_at < next {
                continue;
            }
            let n_missing = (candle.opened_at.0 - next.0) / self.interval_ns;
            if n_missing > 0 {
                out.push(CandleStep::Gap(n_missing.unsigned_abs()));
            }
            self.emit(candle, out);
        }
    }

    fn emit(&mut self, candle: Candle, out: &mut Vec<CandleStep>) {
        self.next_open = Some(candle.opened_at.plus_ns(self.interval_ns));
        out.push(CandleStep::Emit(candle));
    }
}
