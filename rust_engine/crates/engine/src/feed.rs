//! Bars from arrays and from a NumPy file: untrusted numbers become sound, sorted [`Bar`]s, or a message that names the row.

mod columns;

pub use columns::{ColumnBars, Columns};

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
        order.check(row, &bar, || values)?;
        bars.push(bar);
    }
    Ok(bars)
}

/// The next bars of a source.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// The bars; empty at the end.
    pub bars: &'a [Bar],
    /// Whether they are known to be sound, of one symbol, and each to open no earlier than the one before it closed. Where
    /// they are not known to be, whoever plays them has to look.
    pub is_series: bool,
}

/// Where a backtest gets its bars.
pub trait BarSource {
    /// How many bars there are in all.
    fn expected(&self) -> usize;

    /// The next bars.
    ///
    /// # Errors
    /// The first row that is no bar or not in order.
    fn next_chunk(&mut self) -> Result<Chunk<'_>, FeedError>;

    /// All bars at once, for many runs over the same ones.
    ///
    /// # Errors
    /// The first row that is no bar or not in order.
    fn load(mut self) -> Result<Vec<Bar>, FeedError>
    where
        Self: Sized,
    {
        let mut bars = Vec::with_capacity(self.expected());
        loop {
            let chunk = self.next_chunk()?.bars;
            if chunk.is_empty() {
                return Ok(bars);
            }
            bars.extend_from_slice(chunk);
        }
    }
}

/// Bars that were checked when they were loaded.
impl BarSource for &[Bar] {
    fn expected(&self) -> usize {
        self.len()
    }

    fn next_chunk(&mut self) -> Result<Chunk<'_>, FeedError> {
        Ok(Chunk { bars: std::mem::take(self), is_series: false })
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

    /// Takes a chunk of sound bars that are known to be a series of the first symbol, if it comes after what was taken before;
    /// otherwise remembers nothing.
    fn takes_series(&mut self, bars: &[Bar]) -> bool {
        let (Some(first), Some(newest)) = (bars.first(), bars.last()) else { return true };
        let fits = self.n_symbols > 0 && first.closed_at.0 > self.last.0;
        if fits {
            self.last = (newest.closed_at.0, 0);
        }
        fits
    }

    /// Takes a chunk of sound bars if all are of known symbols and come after one another; otherwise remembers nothing.
    fn takes(&mut self, bars: &[Bar]) -> bool {
        let (mut last, mut fits) = (self.last, true);
        for bar in bars {
            let place = (bar.closed_at.0, bar.symbol.0);
            fits &= place > last && bar.symbol.index() < self.n_symbols;
            last = place;
        }
        if fits {
            self.last = last;
        }
        fits
    }

    /// Refuses a row that is no bar, or not after the one before it.
    #[inline]
    fn check(&mut self, row: usize, bar: &Bar, values: impl Fn() -> Row) -> Result<(), FeedError> {
        let place = (bar.closed_at.0, bar.symbol.0);
        let in_order = place > self.last || (row == 0 && place == self.last);
        if bar.is_sound() && in_order && bar.symbol.index() < self.n_symbols {
            self.last = place;
            return Ok(());
        }
        Err(FeedError::Row { row, problem: self.problem(&values(), in_order) })
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
