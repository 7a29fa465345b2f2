//! Bars by symbol as columns of units, and where days end in them.

use crate::backtest::{BacktestRequest, day_ends, day_of};
use crate::feed::{BarSource, FeedError};
use model::{Bar, Ts};

/// The bars of one symbol, oldest first. Prices are in units of 1e-8.
#[derive(Debug, Default)]
pub(crate) struct Series {
    pub(crate) open: Vec<i64>,
    pub(crate) high: Vec<i64>,
    pub(crate) low: Vec<i64>,
    pub(crate) close: Vec<i64>,
    /// Index of the first bar that is traded; those before it warm up.
    pub(crate) first_traded: usize,
    /// For each day of the market, how many bars of this symbol close in it or before it.
    pub(crate) day_ends: Vec<usize>,
    /// The highest price of all.
    pub(crate) highest: i64,
    last_closed: Option<Ts>,
}

impl Series {
    fn with_capacity(n_bars: usize) -> Self {
        let column = || Vec::with_capacity(n_bars);
        Self { open: column(), high: column(), low: column(), close: column(), ..Self::default() }
    }

    fn push(&mut self, bar: &Bar) {
        self.open.push(bar.open.0);
        self.high.push(bar.high.0);
        self.low.push(bar.low.0);
        self.close.push(bar.close.0);
        self.highest = self.highest.max(bar.high.0);
        self.last_closed = Some(bar.closed_at);
    }

    /// The bar at `index`, without its times and its volume.
    pub(crate) fn prices(&self, index: usize) -> Bar {
        let price = |column: &[i64]| model::Price(column[index]);
        Bar {
            symbol: model::SymbolId(0),
            opened_at: Ts(0),
            closed_at: Ts(0),
            open: price(&self.open),
            high: price(&self.high),
            low: price(&self.low),
            close: price(&self.close),
            volume: model::Qty::ZERO,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.close.len()
    }
}

/// The bars of all symbols.
#[derive(Debug)]
pub(crate) struct Market {
    pub(crate) series: Vec<Series>,
    /// The last traded close of each day that holds one.
    pub(crate) day_closes: Vec<Ts>,
    pub(crate) n_traded: u64,
    /// Whether candles of one symbol overlap: the event form says where.
    pub(crate) overlaps: bool,
}

impl Market {
    /// Splits bars by symbol.
    ///
    /// # Errors
    /// The first row that is no bar or not in order.
    pub(crate) fn build(mut bars: impl BarSource, request: &BacktestRequest<'_>) -> Result<Self, FeedError> {
        let expected = bars.expected() / request.symbols.len().max(1);
        let mut market = Self {
            series: request.symbols.iter().map(|_| Series::with_capacity(expected)).collect(),
            day_closes: Vec::new(),
            n_traded: 0,
            overlaps: false,
        };
        let mut day_ends_at = i64::MIN;
        loop {
            let chunk = bars.next_chunk()?.bars;
            if chunk.is_empty() {
                break;
            }
            for bar in chunk {
                if bar.closed_at > request.trade_from {
                    market.n_traded += 1;
                    if bar.closed_at.0 > day_ends_at {
                        let offset_ns = request.day_offset_ns;
                        day_ends_at = day_ends(day_of(bar.closed_at, offset_ns), offset_ns);
                        market.start_day();
                    }
                    if let Some(last) = market.day_closes.last_mut() {
                        *last = bar.closed_at;
                    }
                }
                let series = &mut market.series[bar.symbol.index()];
                market.overlaps |= series.last_closed.is_some_and(|known| bar.opened_at < known);
                series.first_traded += usize::from(bar.closed_at <= request.trade_from);
                series.push(bar);
            }
        }
        market.end_days();
        Ok(market)
    }

    fn start_day(&mut self) {
        self.end_days();
        self.day_closes.push(Ts(0));
    }

    fn end_days(&mut self) {
        if self.day_closes.is_empty() {
            return;
        }
        for series in &mut self.series {
            series.day_ends.push(series.len());
        }
    }
}
