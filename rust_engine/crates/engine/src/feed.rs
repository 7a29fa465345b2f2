//! Bars from arrays and from a NumPy file: untrusted numbers become sound, sorted [`Bar`]s, or a message that names the row.

use model::{Bar, Price, Qty, SymbolId, SymbolSpec, Ts};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

/// Why bars were refused.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The file cannot be read.
    #[error("feed {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system or the format said.
        source: io::Error,
    },
    /// One row is not a bar, or not in order.
    #[error("bars, row {row}: {problem}")]
    Row {
        /// Its number, from 0.
        row: usize,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// Columns of different lengths.
    #[error("bars: column '{column}' holds {found} rows, 'symbol' holds {expected}; give all columns the same length")]
    Length {
        /// The column.
        column: &'static str,
        /// Its length.
        found: usize,
        /// What it should be.
        expected: usize,
    },
}

/// One row as it is stored: record dtype `symbol <u2, opened_at_ns <i8, closed_at_ns <i8, open .. volume <f8`.
#[derive(Clone, Copy, Debug, PartialEq, npyz::Deserialize, npyz::Serialize, npyz::AutoSerialize)]
pub struct Row {
    /// Index into the configured symbols.
    pub symbol: u16,
    /// When the candle opened.
    pub opened_at_ns: i64,
    /// When it closed.
    pub closed_at_ns: i64,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Base volume.
    pub volume: f64,
}

/// Reads and checks the bars of a `.npy` file.
///
/// # Errors
/// The file, its dtype, or the first row that is not sound, not sorted by close and symbol, or of an unknown symbol.
pub fn load(path: &Path, symbols: &[SymbolSpec]) -> Result<Vec<Bar>, FeedError> {
    let failed = |source| FeedError::File { path: path.to_owned(), source };
    let file = npyz::NpyFile::new(BufReader::new(File::open(path).map_err(failed)?)).map_err(failed)?;
    if file.shape().len() != 1 {
        let problem = format!("is an array of shape {:?}; a feed has one dimension", file.shape());
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, problem)));
    }
    let mut bars = Vec::with_capacity(usize::try_from(file.len()).unwrap_or(0));
    let rows = file.data::<Row>().map_err(|e| failed(io::Error::new(io::ErrorKind::InvalidData, e.to_string())))?;
    let mut order = Order::new(symbols.len());
    for (row, values) in rows.enumerate() {
        let values = values.map_err(failed)?;
        let bar = bar_of(&values);
        order.check(row, &values, &bar)?;
        bars.push(bar);
    }
    Ok(bars)
}

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

    /// The bars in small chunks, checked on the way, without a copy of the whole.
    #[must_use]
    pub fn bars(self, n_symbols: usize) -> ColumnBars<'a> {
        ColumnBars { columns: self, order: Order::new(n_symbols), row: 0, chunk: Vec::with_capacity(CHUNK) }
    }
}

/// Bars small enough a number to stay in the first cache.
const CHUNK: usize = 256;

/// Where a backtest gets its bars.
pub trait BarSource {
    /// How many bars there are in all, as a hint for memory.
    fn expected(&self) -> usize;

    /// The next bars; empty at the end.
    ///
    /// # Errors
    /// The first row that is no bar or not in order.
    fn next_chunk(&mut self) -> Result<&[Bar], FeedError>;
}

/// Bars that were checked when they were loaded.
impl BarSource for &[Bar] {
    fn expected(&self) -> usize {
        self.len()
    }

    fn next_chunk(&mut self) -> Result<&[Bar], FeedError> {
        Ok(std::mem::take(self))
    }
}

/// Columns on their way to being bars.
pub struct ColumnBars<'a> {
    columns: Columns<'a>,
    order: Order,
    row: usize,
    chunk: Vec<Bar>,
}

impl ColumnBars<'_> {
    /// All bars at once, for many runs over the same ones.
    ///
    /// # Errors
    /// The first row that is no bar or not in order.
    pub fn load(mut self) -> Result<Vec<Bar>, FeedError> {
        let mut bars = Vec::with_capacity(self.expected());
        loop {
            let chunk = self.next_chunk()?;
            if chunk.is_empty() {
                return Ok(bars);
            }
            bars.extend_from_slice(chunk);
        }
    }
}

impl BarSource for ColumnBars<'_> {
    fn expected(&self) -> usize {
        self.columns.symbol.len()
    }

    fn next_chunk(&mut self) -> Result<&[Bar], FeedError> {
        let end = (self.row + CHUNK).min(self.expected());
        let rows = self.row..end;
        let c = &self.columns;
        let times = c.opened_at_ns[rows.clone()].iter().zip(&c.closed_at_ns[rows.clone()]);
        let ends = c.open[rows.clone()].iter().zip(&c.close[rows.clone()]);
        let range = c.high[rows.clone()].iter().zip(&c.low[rows.clone()]).zip(&c.volume[rows.clone()]);
        self.chunk.clear();
        for (n, (((symbol, times), ends), range)) in c.symbol[rows].iter().zip(times).zip(ends).zip(range).enumerate() {
            let row = Row {
                // A negative index becomes a large one, which no configuration holds.
                symbol: *symbol as u16,
                opened_at_ns: *times.0,
                closed_at_ns: *times.1,
                open: *ends.0,
                high: *range.0.0,
                low: *range.0.1,
                close: *ends.1,
                volume: *range.1,
            };
            let bar = bar_of(&row);
            self.order.check(self.row + n, &row, &bar)?;
            self.chunk.push(bar);
        }
        self.row = end;
        Ok(&self.chunk)
    }
}

struct Order {
    n_symbols: usize,
    last: (i64, u16),
}

/// `value` in units of 1e-8, rounded to nearest; -1, which no sound bar holds, for what is negative, not a number or too large.
#[inline]
fn to_units(value: f64) -> i64 {
    let scaled = value * model::fixed::SCALE as f64;
    if !(0.0..9.2e18).contains(&scaled) {
        return -1;
    }
    let whole = scaled as i64;
    whole + i64::from(scaled - whole as f64 >= 0.5)
}

#[inline]
fn bar_of(values: &Row) -> Bar {
    Bar {
        symbol: SymbolId(values.symbol),
        opened_at: Ts(values.opened_at_ns),
        closed_at: Ts(values.closed_at_ns),
        open: Price(to_units(values.open)),
        high: Price(to_units(values.high)),
        low: Price(to_units(values.low)),
        close: Price(to_units(values.close)),
        volume: Qty(to_units(values.volume)),
    }
}

impl Order {
    fn new(n_symbols: usize) -> Self {
        Self { n_symbols, last: (i64::MIN, 0) }
    }

    /// Refuses a row that is no bar, or not after the one before it.
    #[inline]
    fn check(&mut self, row: usize, values: &Row, bar: &Bar) -> Result<(), FeedError> {
        let place = (values.closed_at_ns, values.symbol);
        let in_order = place > self.last || (row == 0 && place == self.last);
        if bar.is_sound() && in_order && usize::from(values.symbol) < self.n_symbols {
            self.last = place;
            return Ok(());
        }
        Err(FeedError::Row { row, problem: self.problem(values, in_order) })
    }

    #[cold]
    fn problem(&self, values: &Row, in_order: bool) -> String {
        let Row { symbol, opened_at_ns, closed_at_ns, open, high, low, close, volume } = values;
        if usize::from(*symbol) >= self.n_symbols {
            return format!("symbol index {symbol} is not one of the {} configured symbols", self.n_symbols);
        }
        if !in_order {
            return format!("closed at {closed_at_ns} ns comes after {} ns; sort by close, then symbol", self.last.0);
        }
        format!(
            "open {open}, high {high}, low {low}, close {close}, volume {volume}, {opened_at_ns} to {closed_at_ns} ns \
             is not a candle: needs 0 < low <= open, close <= high < 92e9, volume >= 0, opened before closed"
        )
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
