//! What a run has heard of its markets.

use super::Runtime;
use super::queue::MarketCounts;
use model::{SymbolId, Ts};

impl Runtime {
    /// Each symbol with the close of its last candle, the smallest time before the first, and whether its data are stale.
    pub fn feeds(&self) -> impl Iterator<Item = (&str, Ts, bool)> {
        let market = &self.core.market;
        let names = self.core.symbols.iter().map(|spec| spec.name.as_str());
        names.zip(&market.last_closed).zip(&market.stale).map(|((name, closed_at), stale)| (name, *closed_at, *stale))
    }

    /// By symbol, the close of the newest candle that the run has, played or not; the smallest time where it has none.
    #[must_use]
    pub fn known_closes(&self) -> Vec<Ts> {
        let waiting = |i: usize| self.live.as_ref()?.newest_close(SymbolId(i as u16));
        let played = self.core.market.last_closed.iter().enumerate();
        played.map(|(i, closed_at)| waiting(i).map_or(*closed_at, |at| at.max(*closed_at))).collect()
    }

    /// What became of the events of live markets; zeros where there are none.
    #[must_use]
    pub fn market_counts(&self) -> MarketCounts {
        self.live.as_ref().map_or_else(MarketCounts::default, |queue| queue.counts)
    }
}
