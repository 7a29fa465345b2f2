//! The newest closed bars of each symbol, so that a rule set that comes while the engine runs knows its indicators at once.
//!
//! They follow from the market alone, so a replay keeps the same ones. Only a running engine that has a follower of rules keeps
//! any: nothing changes its program in a backtest.

use crate::core::Core;
use crate::recorder::Recorder;
use model::{Bar, Price, Qty, SymbolId, Ts};
use std::collections::VecDeque;

/// Twice the longest window of an indicator, and as many as other strategies keep.
const MOST: usize = 1024;

/// A bar of a known symbol as a snapshot holds it: its times, prices and volume in order.
pub(crate) type Row = [i64; 7];

/// By symbol, oldest first; `None` for a symbol whose bars are not kept.
#[derive(Default)]
pub(crate) struct KeptBars(Vec<Option<VecDeque<Bar>>>);

impl KeptBars {
    pub(crate) fn push(&mut self, bar: &Bar) {
        let Some(Some(bars)) = self.0.get_mut(bar.symbol.index()) else { return };
        if bars.len() == MOST {
            bars.pop_front();
        }
        bars.push_back(*bar);
    }

    /// The bars of these symbols, one symbol after another.
    pub(crate) fn of(&self, symbols: &[SymbolId]) -> Vec<Bar> {
        let kept = symbols.iter().filter_map(|symbol| self.0.get(symbol.index())?.as_ref());
        kept.flatten().copied().collect()
    }

    /// For a snapshot.
    pub(crate) fn rows(&self) -> Vec<Vec<Row>> {
        let row = |bar: &Bar| -> Row {
            let prices = [bar.open.0, bar.high.0, bar.low.0, bar.close.0];
            [bar.opened_at.0, bar.closed_at.0, prices[0], prices[1], prices[2], prices[3], bar.volume.0]
        };
        self.0.iter().map(|kept| kept.iter().flatten().map(row).collect()).collect()
    }

    /// Goes on from what [`KeptBars::rows`] wrote for a run of the same configuration.
    pub(crate) fn restore(&mut self, rows: Vec<Vec<Row>>) {
        for (i, (kept, rows)) in self.0.iter_mut().zip(rows).enumerate() {
            let bar = |[opened_at, closed_at, open, high, low, close, volume]: Row| Bar {
                symbol: SymbolId(i as u16),
                opened_at: Ts(opened_at),
                closed_at: Ts(closed_at),
                open: Price(open),
                high: Price(high),
                low: Price(low),
                close: Price(close),
                volume: Qty(volume),
            };
            if let Some(kept) = kept {
                *kept = rows.into_iter().map(bar).collect();
            }
        }
    }
}

impl<R: Recorder> Core<R> {
    /// From now on keeps the bars that followers of rules trade on.
    pub(crate) fn keep_bars(&mut self) {
        let followers: Vec<usize> = (0..self.instances.len()).filter(|i| self.instances[*i].is_follower()).collect();
        let is_followed = |symbol: usize| followers.iter().any(|i| self.watchers[symbol].contains(i));
        self.kept = KeptBars((0..self.symbols.len()).map(|symbol| is_followed(symbol).then(VecDeque::new)).collect());
    }
}
