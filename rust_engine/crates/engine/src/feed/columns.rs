//! Bars from columns, without a copy of the whole: a chunk is read, checked and put together in one pass over all columns at
//! once, so that the memory is read ahead in each of them.

use super::{BarSource, Chunk, FeedError, Order, Row, bar_of};
use model::{Bar, Price, Qty, SymbolId, Ts};
use std::ops::Range;

/// Bars small enough a number to stay in the first cache.
const CHUNK: usize = 256;
/// What stands in a place that no bar has been read into.
const BLANK: Bar = Bar {
    symbol: SymbolId(0),
    opened_at: Ts(0),
    closed_at: Ts(0),
    open: Price::ZERO,
    high: Price::ZERO,
    low: Price::ZERO,
    close: Price::ZERO,
    volume: Qty::ZERO,
};

/// Bars as columns, the shape in which Python holds them.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// Index into the configured symbols.
    pub symbol: &'a [i16],
    /// When each candle opened.
    pub opened_at_ns: &'a [i64],
    /// When it closed.
    pub closed_at_ns: &'a [i64],
    /// First prices.
    pub open: &'a [f64],
    /// Highest prices.
    pub high: &'a [f64],
    /// Lowest prices.
    pub low: &'a [f64],
    /// Last prices.
    pub close: &'a [f64],
    /// Base volumes.
    pub volume: &'a [f64],
}

impl<'a> Columns<'a> {
    /// The columns if they have one length.
    ///
    /// # Errors
    /// The first column that differs from `symbol`.
    pub fn checked(self) -> Result<Self, FeedError> {
        let expected = self.symbol.len();
        let lengths = [
            ("opened_at_ns", self.opened_at_ns.len()),
            ("closed_at_ns", self.closed_at_ns.len()),
            ("open", self.open.len()),
            ("high", self.high.len()),
            ("low", self.low.len()),
            ("close", self.close.len()),
            ("volume", self.volume.len()),
        ];
        match lengths.into_iter().find(|(_, found)| *found != expected) {
            Some((column, found)) => Err(FeedError::Length { column, found, expected }),
            None => Ok(self),
        }
    }

    fn row(&self, n: usize) -> Row {
        Row {
            symbol: self.symbol[n] as u16,
            opened_at_ns: self.opened_at_ns[n],
            closed_at_ns: self.closed_at_ns[n],
            open: self.open[n],
            high: self.high[n],
            low: self.low[n],
            close: self.close[n],
            volume: self.volume[n],
        }
    }

    /// The bars in small chunks, checked on the way, without a copy of the whole.
    #[must_use]
    pub fn bars(self, n_symbols: usize) -> ColumnBars<'a> {
        ColumnBars { columns: self, order: Order::new(n_symbols), row: 0, chunk: Box::new([BLANK; CHUNK]) }
    }
}

/// Columns on their way to being bars.
pub struct ColumnBars<'a> {
    columns: Columns<'a>,
    order: Order,
    row: usize,
    chunk: Box<[Bar; CHUNK]>,
}

impl BarSource for ColumnBars<'_> {
    fn expected(&self) -> usize {
        self.columns.symbol.len()
    }

    fn next_chunk(&mut self) -> Result<Chunk<'_>, FeedError> {
        let first = self.row;
        let rows = first..(first + CHUNK).min(self.expected());
        self.row = rows.end;
        let bars = &mut self.chunk[..rows.len()];
        let mut seen = self.columns.read(rows.clone(), bars);
        if !seen.is_exact() {
            bars.iter_mut().zip(rows).for_each(|(bar, row)| *bar = bar_of(&self.columns.row(row)));
            seen.candles = if bars.iter().all(Bar::is_sound) { 0 } else { -1 };
        }
        let is_series = seen.are_candles() && seen.is_series() && self.order.takes_series(bars);
        if !(is_series || seen.are_candles() && self.order.takes(bars)) {
            for (n, bar) in bars.iter().enumerate() {
                self.order.check(first + n, bar, || self.columns.row(first + n))?;
            }
        }
        Ok(Chunk { bars, is_series })
    }
}

/// What a pass over a chunk has seen, without a branch: each word is negative when one of the bars made it so.
struct Seen {
    /// A value was negative.
    negative: i64,
    /// Below zero while all values are so small that [`units_of`] is exact.
    small: i64,
    /// A candle was not sound.
    candles: i64,
    /// A candle was of another symbol than the first, opened before the one before it closed, or was at a time so far away
    /// that differences of times wrap.
    series: i64,
}

impl Seen {
    const fn is_exact(&self) -> bool {
        self.negative >= 0 && self.small < 0
    }

    const fn are_candles(&self) -> bool {
        self.candles >= 0
    }

    const fn is_series(&self) -> bool {
        self.series >= 0
    }

    /// [`super::to_units`] of a value that is not negative and small enough. Adding 2^52 leaves the nearest whole number in the
    /// low bits of the sum, with ties to even, which are then turned away from zero.
    #[inline(always)]
    fn units_of(&mut self, value: f64) -> i64 {
        const MAGIC: f64 = 4_503_599_627_370_496.0;
        const LIMIT: f64 = MAGIC / 2.0;
        let scaled = value * model::fixed::SCALE as f64;
        let sum = scaled + MAGIC;
        let tie_below = i64::from(scaled - (sum - MAGIC) == 0.5);
        // The bits of floats that are not negative are ordered like the floats.
        let bits = scaled.to_bits() as i64;
        self.negative |= bits;
        self.small &= bits.wrapping_sub(LIMIT.to_bits() as i64);
        (sum.to_bits() as i64).wrapping_sub(MAGIC.to_bits() as i64).wrapping_add(tie_below)
    }

    /// Looks at a bar whose prices are units. A difference of two units cannot wrap.
    #[inline(always)]
    fn look_at(&mut self, bar: &Bar, closed_before: i64) {
        let (open, high, low, close) = (bar.open.0, bar.high.0, bar.low.0, bar.close.0);
        let (opened, closed) = (bar.opened_at.0, bar.closed_at.0);
        let inside =
            open.wrapping_sub(low) | close.wrapping_sub(low) | high.wrapping_sub(open) | high.wrapping_sub(close);
        // Times beyond 2^62 are told by their two highest bits; below it, differences do not wrap.
        let beyond = (opened ^ (opened << 1)) | (closed ^ (closed << 1));
        self.candles |= inside | low.wrapping_sub(1) | bar.volume.0 | -i64::from(opened >= closed);
        self.series |= beyond | opened.wrapping_sub(closed_before) | -i64::from(bar.symbol.0);
    }
}

impl Columns<'_> {
    /// Reads `rows` into as many `bars`.
    fn read(&self, rows: Range<usize>, bars: &mut [Bar]) -> Seen {
        let mut seen = Seen { negative: 0, small: -1, candles: 0, series: 0 };
        let values = [self.open, self.high, self.low, self.close, self.volume].map(|column| &column[rows.clone()]);
        let [open, high, low, close, volume] = values;
        let (opened, closed) = (&self.opened_at_ns[rows.clone()], &self.closed_at_ns[rows.clone()]);
        let prices = open.iter().zip(high).zip(low.iter().zip(close)).zip(volume);
        let candles = self.symbol[rows].iter().zip(opened.iter().zip(closed)).zip(prices);
        let mut closed_before = opened.first().copied().unwrap_or(0);
        // A loop, not a closure: what it has seen then stays in registers.
        for (place, ((symbol, (opened, closed)), (((open, high), (low, close)), volume))) in
            bars.iter_mut().zip(candles)
        {
            let bar = Bar {
                // A negative index becomes a large one, which no configuration holds.
                symbol: SymbolId(*symbol as u16),
                opened_at: Ts(*opened),
                closed_at: Ts(*closed),
                open: Price(seen.units_of(*open)),
                high: Price(seen.units_of(*high)),
                low: Price(seen.units_of(*low)),
                close: Price(seen.units_of(*close)),
                volume: Qty(seen.units_of(*volume)),
            };
            seen.look_at(&bar, closed_before);
            closed_before = *closed;
            *place = bar;
        }
        seen
    }
}

#[cfg(test)]
#[path = "columns_tests.rs"]
mod tests;
