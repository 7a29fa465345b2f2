//! Markets that did not happen: whole days of one that did, in another order, for all symbols at once.
//!
//! A path is a list of days. Day by day, each symbol's prices are scaled so that they go on from where the path stood, on
//! the grid of its ticks; volumes and the times within a day stay. All symbols take the same days, so what moved together
//! still does. What models said on a day moves with it.

use crate::backtest::{BacktestRequest, day_of};
use crate::batch::{SweepError, sweep_over};
use crate::feed::{BarSource, Chunk, FeedError};
use model::message::Prediction;
use model::{Bar, Price, SymbolSpec, Ts};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

/// Bars small enough a number to stay in the first cache.
const CHUNK: usize = 256;

/// Why a set of paths was refused.
#[derive(Debug, thiserror::Error)]
pub enum ResampleError {
    /// The bars, or a candidate.
    #[error(transparent)]
    Sweep(#[from] SweepError),
    /// A path without a day that is traded.
    #[error("path {path} has {days} days, of which {lead} warm up; at least one must be left")]
    Short {
        /// Its number, from 0.
        path: usize,
        /// How many days it has.
        days: usize,
        /// How many of them warm up.
        lead: usize,
    },
    /// A day that the bars do not hold whole, or that nothing comes before.
    #[error("path {path} asks for day {day}; there are days 1 to {last}, and day 0 only gives the prices before them")]
    Day {
        /// Number of the path, from 0.
        path: usize,
        /// The day asked for.
        day: usize,
        /// The last day there is.
        last: usize,
    },
    /// A symbol without a bar on the first day, so that no price is known before the others.
    #[error("symbol '{symbol}' has no bar on the first day")]
    NoPrice {
        /// The symbol.
        symbol: String,
    },
}

/// Days of a market, and the price of every symbol before each of them.
struct Days<'a> {
    bars: &'a [Bar],
    rows: Vec<Range<usize>>,
    /// By day and symbol: its last close before that day.
    before: Vec<Vec<Price>>,
    offset_ns: i64,
}

impl<'a> Days<'a> {
    fn split(bars: &'a [Bar], symbols: &[SymbolSpec], offset_ns: i64) -> Result<Self, ResampleError> {
        let mut days = Self { bars, rows: Vec::new(), before: Vec::new(), offset_ns };
        let mut last = vec![Price::ZERO; symbols.len()];
        let mut start = 0;
        for day in bars.chunk_by(|a, b| day_of(a.closed_at, offset_ns) == day_of(b.closed_at, offset_ns)) {
            days.rows.push(start..start + day.len());
            days.before.push(last.clone());
            start += day.len();
            day.iter().for_each(|bar| last[bar.symbol.index()] = bar.close);
        }
        match days.before.get(1).and_then(|known| known.iter().position(|price| *price == Price::ZERO)) {
            Some(n) => Err(ResampleError::NoPrice { symbol: symbols[n].name.clone() }),
            None => Ok(days),
        }
    }

    fn check(&self, path: usize, drawn: &[usize], lead: usize) -> Result<(), ResampleError> {
        if drawn.len() <= lead {
            return Err(ResampleError::Short { path, days: drawn.len(), lead });
        }
        let last = self.rows.len().saturating_sub(1);
        match drawn.iter().find(|day| !(1..=last).contains(*day)) {
            Some(&day) => Err(ResampleError::Day { path, day, last }),
            None => Ok(()),
        }
    }

    /// What was said on the days of a path, at the times to which they move. `said` is oldest first.
    fn said(&self, said: &[Prediction], drawn: &[usize]) -> Vec<Prediction> {
        let mut moved = Vec::new();
        for (place, &day) in drawn.iter().enumerate() {
            let number = day_of(self.bars[self.rows[day].start].closed_at, self.offset_ns);
            let shift_ns = self.starts_at() + place as i64 * Ts::DAY - (number * Ts::DAY - self.offset_ns);
            let first = said.partition_point(|p| day_of(Ts(p.at_ns), self.offset_ns) < number);
            let of_day = said[first..].iter().take_while(|p| day_of(Ts(p.at_ns), self.offset_ns) == number);
            moved.extend(of_day.map(|p| Prediction {
                at_ns: p.at_ns + shift_ns,
                expires_at_ns: p.expires_at_ns.saturating_add(shift_ns),
                ..p.clone()
            }));
        }
        moved
    }

    /// The nanosecond after which day 0 begins.
    fn starts_at(&self) -> i64 {
        self.bars.first().map_or(0, |bar| day_of(bar.closed_at, self.offset_ns) * Ts::DAY - self.offset_ns)
    }
}

/// One path on its way to being bars.
#[derive(Clone)]
struct PathBars<'a> {
    days: &'a Days<'a>,
    symbols: &'a [SymbolSpec],
    drawn: &'a [usize],
    /// Places in `drawn` and in the bars of that day.
    day: usize,
    row: usize,
    /// By symbol: where the path stands, and by what its prices are scaled today.
    last: Vec<Price>,
    ratio: Vec<f64>,
    shift_ns: i64,
    chunk: Vec<Bar>,
}

impl<'a> PathBars<'a> {
    fn new(days: &'a Days<'a>, symbols: &'a [SymbolSpec], drawn: &'a [usize]) -> Self {
        let (last, ratio) = (days.before[drawn[0]].clone(), vec![1.0; symbols.len()]);
        let mut path =
            Self { days, symbols, drawn, day: 0, row: 0, last, ratio, shift_ns: 0, chunk: Vec::with_capacity(CHUNK) };
        path.start_day();
        path
    }

    fn start_day(&mut self) {
        let Some(&day) = self.drawn.get(self.day) else { return };
        self.row = self.days.rows[day].start;
        let first = self.days.bars[self.row].closed_at;
        let source_starts_at = day_of(first, self.days.offset_ns) * Ts::DAY - self.days.offset_ns;
        self.shift_ns = self.days.starts_at() + self.day as i64 * Ts::DAY - source_starts_at;
        for ((ratio, last), before) in self.ratio.iter_mut().zip(&self.last).zip(&self.days.before[day]) {
            *ratio = last.0 as f64 / before.0 as f64;
        }
    }

    fn scaled(&self, bar: &Bar) -> Bar {
        let n = bar.symbol.index();
        let (ratio, tick) = (self.ratio[n], self.symbols[n].tick.0);
        // Rounding keeps the order of the four prices, so that a sound bar stays one.
        let price = |price: Price| Price(((price.0 as f64 * ratio / tick as f64).round() as i64).max(1) * tick);
        Bar {
            opened_at: Ts(bar.opened_at.0 + self.shift_ns),
            closed_at: Ts(bar.closed_at.0 + self.shift_ns),
            open: price(bar.open),
            high: price(bar.high),
            low: price(bar.low),
            close: price(bar.close),
            ..*bar
        }
    }
}

impl BarSource for PathBars<'_> {
    fn expected(&self) -> usize {
        self.drawn.iter().map(|day| self.days.rows[*day].len()).sum()
    }

    fn next_chunk(&mut self) -> Result<Chunk<'_>, FeedError> {
        self.chunk.clear();
        while self.chunk.len() < CHUNK && self.day < self.drawn.len() {
            let end = self.days.rows[self.drawn[self.day]].end;
            let rows = self.row..end.min(self.row + CHUNK - self.chunk.len());
            for bar in &self.days.bars[rows.clone()] {
                let bar = self.scaled(bar);
                self.last[bar.symbol.index()] = bar.close;
                self.chunk.push(bar);
            }
            self.row = rows.end;
            if self.row == end {
                self.day += 1;
                self.start_day();
            }
        }
        Ok(Chunk { bars: &self.chunk, is_series: false })
    }
}

/// Plays each of `candidates` over every path, on all cores. A path lists days of `bars`, counted from 0; day 0 is never asked
/// for, because nothing comes before it. The first `lead` days of a path warm up. Gives the daily results by path, candidate and
/// traded day; a day without a bar is 0. `request.trade_from` and `request.params` are not looked at.
///
/// # Errors
/// A path, or what [`crate::batch::sweep`] refuses.
pub fn sweep_paths(
    request: &BacktestRequest<'_>,
    candidates: &[BTreeMap<String, f64>],
    bars: &[Bar],
    paths: &[Vec<usize>],
    lead: usize,
) -> Result<Vec<Vec<Vec<f64>>>, ResampleError> {
    let days = Days::split(bars, request.symbols, request.day_offset_ns)?;
    for (n, drawn) in paths.iter().enumerate() {
        days.check(n, drawn, lead)?;
    }
    let trade_from = Ts(days.starts_at() + lead as i64 * Ts::DAY);
    let request = &BacktestRequest { trade_from, ..request.clone() };
    let first_day = day_of(Ts(trade_from.0 + 1), request.day_offset_ns);
    let one = |drawn: &Vec<usize>| {
        let path = PathBars::new(&days, request.symbols, drawn);
        let said = request.predictions.map(|said| days.said(said, drawn));
        let request = &BacktestRequest { predictions: said.as_deref(), ..request.clone() };
        let facts = sweep_over(request, candidates, || path.clone())?;
        let by_day = facts.into_iter().map(|facts| {
            let mut made = vec![0.0; drawn.len() - lead];
            for (day, pnl) in facts.days.iter().zip(facts.daily_pnl) {
                made[(day - first_day) as usize] = pnl;
            }
            made
        });
        Ok(by_day.collect())
    };
    paths.par_iter().map(one).collect()
}

#[cfg(test)]
#[path = "resample_tests.rs"]
mod tests;
