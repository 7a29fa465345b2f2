//! Stretches of bars in which nothing can fill: a backtest's way through the market between two orders.
//!
//! While nothing rests, a bar only moves prices and is shown to its strategy. A stretch shows several bars in one call and does
//! the bookkeeping once; what it leaves behind is what [`Core::on_bar`] would have left after each of them.

use crate::core::Core;
use crate::error::CoreError;
use crate::feed::Chunk;
use crate::recorder::Recorder;
use model::Bar;

/// Bars shown in one call where they have to be checked first: those behind the first order are checked again in the next.
const LONGEST_UNCHECKED: usize = 32;

impl<R: Recorder> Core<R> {
    /// Plays the first bar of a chunk, and those behind it as long as nothing rests and nothing is asked for; gives how many were
    /// played. All are of one symbol, and no position changes within them but in the first.
    ///
    /// # Errors
    /// As [`Core::on_bar`], for the first bar.
    pub fn on_bars(&mut self, chunk: Chunk<'_>) -> Result<usize, CoreError> {
        let Some(first) = chunk.bars.first() else { return Ok(0) };
        let stretch = &chunk.bars[..self.longest_stretch(first, chunk)];
        if stretch.is_empty() {
            self.on_bar(first)?;
            return Ok(1);
        }
        let mut actions = std::mem::take(&mut self.actions);
        let n = self.instances[0].strategy.on_bars(stretch, &mut actions);
        let last = &stretch[n - 1];
        self.pass(&stretch[..n], last);
        if !actions.is_empty() {
            self.act_on(0, actions.as_slice(), last.closed_at);
            actions.clear();
        }
        self.actions = actions;
        if !(self.notices.is_empty() && self.instructions.is_empty()) {
            self.settle_all(last.closed_at)?;
        }
        Ok(n)
    }

    /// How many bars can be played as one; 0 where even the first needs the whole loop.
    fn longest_stretch(&self, first: &Bar, Chunk { bars, is_series }: Chunk<'_>) -> usize {
        let symbol = first.symbol.index();
        let rests = !self.exchange.is_quiet_on_bars(first.symbol);
        let is_shown = self.watchers.get(symbol).is_some_and(|watchers| *watchers == [0]);
        if rests || !is_shown || self.works_orders || self.limits_losses || !self.desk.held.is_empty() {
            return 0;
        }
        let (mut known, mut now) = (self.market.last_closed[symbol], self.market.now);
        let mut follows = |bar: &&Bar| {
            let fits = bar.symbol == first.symbol && bar.is_sound() && bar.opened_at >= known && bar.closed_at >= now;
            (known, now) = (bar.closed_at, bar.closed_at);
            fits
        };
        if is_series && follows(&first) {
            return bars.len();
        }
        bars.iter().take(LONGEST_UNCHECKED).take_while(|bar| follows(bar)).count()
    }

    fn pass(&mut self, bars: &[Bar], last: &Bar) {
        let symbol = last.symbol.index();
        bars.iter().for_each(|bar| self.recorder.observed(bar));
        self.market.tell_deal(last.symbol, last.close);
        let started_at = bars.first().map_or(last.closed_at, |first: &Bar| first.closed_at);
        self.desk.started_at(started_at);
        (self.market.last_closed[symbol], self.market.now) = (last.closed_at, last.closed_at);
        self.market.bars += bars.len() as u64;
    }
}
