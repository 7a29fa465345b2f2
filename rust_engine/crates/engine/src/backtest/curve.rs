//! The equity curve of a backtest, and what it changed by day.

use super::{BacktestFacts, BacktestRequest};
use crate::ledger::Holding;
use model::{Bar, Money, Qty, Ts};

/// The number of the day that holds a close, in the zone `offset_ns` east of UTC. A close at midnight belongs to the day that
/// ends then.
pub(crate) fn day_of(at: Ts, offset_ns: i64) -> i64 {
    (at.0 - 1 + offset_ns).div_euclid(Ts::DAY)
}

/// The last nanosecond of a day.
pub(crate) fn day_ends(day: i64, offset_ns: i64) -> i64 {
    (day + 1) * Ts::DAY - offset_ns
}

/// Where an equity curve goes: places for as many marks as there are bars, or none. The caller brings them, because it knows
/// memory in which a million new places cost little.
#[derive(Debug, Default)]
pub struct CurveRows<'a> {
    at: Option<&'a mut [i64]>,
    equity: &'a mut [f64],
    len: usize,
}

impl<'a> CurveRows<'a> {
    /// An empty curve in these places; marks beyond the shorter of the two are not kept. Without places for times only the
    /// equity is kept: over one symbol the times are the closes of its last bars, which the caller has already.
    #[must_use]
    pub fn new(at: Option<&'a mut [i64]>, equity: &'a mut [f64]) -> Self {
        let n = at.as_ref().map_or(equity.len(), |at| at.len().min(equity.len()));
        Self { at, equity: &mut equity[..n], len: 0 }
    }

    fn are_kept(&self) -> bool {
        !self.equity.is_empty()
    }

    fn push(&mut self, at: Ts, equity: f64) {
        let Some(place) = self.equity.get_mut(self.len) else { return };
        *place = equity;
        if let Some(at_place) = self.at.as_mut().and_then(|places| places.get_mut(self.len)) {
            *at_place = at.0;
        }
        self.len += 1;
    }

    fn extend(&mut self, bars: &[Bar], equity: impl Fn(&Bar) -> f64) {
        let rest = &mut self.equity[self.len..];
        let bars = &bars[..bars.len().min(rest.len())];
        bars.iter().zip(rest).for_each(|(bar, place)| *place = equity(bar));
        if let Some(places) = &mut self.at {
            bars.iter().zip(&mut places[self.len..]).for_each(|(bar, place)| *place = bar.closed_at.0);
        }
        self.len += bars.len();
    }
}

/// The equity curve and its change per day.
pub(crate) struct Curve<'a> {
    rows: CurveRows<'a>,
    capital: f64,
    offset_ns: i64,
    day: i64,
    day_ends: i64,
    before: f64,
    /// Profit at the last close, exact and as a float.
    profit: Money,
    latest: f64,
}

impl<'a> Curve<'a> {
    pub(crate) fn new(request: &BacktestRequest<'_>, rows: CurveRows<'a>) -> Self {
        Self {
            rows,
            capital: request.capital.to_f64(),
            offset_ns: request.day_offset_ns,
            day: 0,
            day_ends: i64::MIN,
            before: 0.0,
            profit: Money::ZERO,
            latest: 0.0,
        }
    }

    /// Adds the profit at a close.
    #[inline]
    pub(crate) fn mark(&mut self, at: Ts, profit: Money, facts: &mut BacktestFacts) {
        if at.0 > self.day_ends {
            self.end_day(facts);
            self.day = day_of(at, self.offset_ns);
            self.day_ends = day_ends(self.day, self.offset_ns);
        }
        // While nothing is held, nothing changes.
        if profit != self.profit {
            (self.profit, self.latest) = (profit, profit.to_f64());
        }
        self.rows.push(at, self.capital + self.latest);
    }

    /// Adds the profit at the close of each of `bars`, between which `holding` does not change.
    pub(super) fn mark_all(&mut self, bars: &[Bar], holding: Holding, facts: &mut BacktestFacts) {
        // Only the last mark of a day tells on the day: the others are only rows of the curve.
        let mut rest = bars;
        while let Some(last_of_day) = self.last_of_day(rest) {
            let (earlier, marked) = (&rest[..last_of_day], &rest[last_of_day]);
            if self.rows.are_kept() {
                self.keep(earlier, holding);
            }
            self.mark(marked.closed_at, holding.profit(marked.close), facts);
            rest = &rest[last_of_day + 1..];
        }
    }

    /// The last of `bars` on the day of the first of them, as far as the day of the curve reaches; the first where it is beyond.
    fn last_of_day(&self, bars: &[Bar]) -> Option<usize> {
        let last = bars.len().checked_sub(1)?;
        if bars[last].closed_at.0 <= self.day_ends {
            return Some(last);
        }
        Some(bars.partition_point(|bar| bar.closed_at.0 <= self.day_ends).saturating_sub(1))
    }

    fn keep(&mut self, bars: &[Bar], holding: Holding) {
        let capital = self.capital;
        if holding.position == Qty::ZERO {
            let equity = capital + holding.cash.to_f64();
            self.rows.extend(bars, |_| equity);
        } else {
            self.rows.extend(bars, |bar| capital + holding.profit(bar.close).to_f64());
        }
    }

    fn end_day(&mut self, facts: &mut BacktestFacts) {
        if self.day_ends > i64::MIN {
            facts.days.push(self.day);
            facts.daily_pnl.push(self.latest - self.before);
            self.before = self.latest;
        }
    }

    /// Ends the last day; the profit of the last close is the result. Gives how many marks were kept.
    pub(crate) fn end(mut self, facts: &mut BacktestFacts) -> usize {
        self.end_day(facts);
        facts.net_pnl = self.latest;
        self.rows.len
    }
}
