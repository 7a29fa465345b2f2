//! Candles that closed before anybody listened: the warm-up, and what was missed. Indicators see them; nothing is decided on
//! them and nothing fills on them.

use crate::core::Core;
use crate::error::CoreError;
use crate::recorder::Recorder;
use model::{Bar, CancelReason, InstanceId, OrderUpdate, SymbolId};

impl<R: Recorder> Core<R> {
    /// Shows a closed bar to indicators and strategies; no order comes of it.
    ///
    /// # Errors
    /// As [`Core::on_bar`].
    pub fn warm_up(&mut self, bar: &Bar) -> Result<(), CoreError> {
        self.check_sorted(bar)?;
        self.accept(bar, bar.closed_at);
        self.observe(bar);
        Ok(())
    }

    /// Shows a bar that was missed. Orders that reduce wait for the next live event, so a stop that was crossed meanwhile acts
    /// there; simulated ones that would open end, because the prices they were decided on are gone.
    pub(crate) fn catch_up(&mut self, bar: &Bar) -> Result<(), CoreError> {
        self.check_bar(bar)?;
        let at = bar.closed_at.max(self.market.now);
        self.accept(bar, at);
        self.observe(bar);
        self.end_openings(bar.symbol);
        self.settle_all(at)
    }

    fn observe(&mut self, bar: &Bar) {
        for &i in &self.watchers[bar.symbol.index()] {
            self.instances[i].strategy.observe(bar);
        }
    }

    /// Only where candles fill: elsewhere an order meets the market's own events, missed or not.
    fn end_openings(&mut self, symbol: SymbolId) {
        let notices = &mut self.notices;
        for venue in self.exchange.bars_mut() {
            for &i in &self.watchers[symbol.index()] {
                let ended = |order| notices.push_back(OrderUpdate { order, reason: CancelReason::Stale });
                venue.cancel_where(InstanceId(i as u16), symbol, |order| !order.reduce_only, ended);
            }
        }
    }
}

#[cfg(test)]
#[path = "past_tests.rs"]
mod tests;
