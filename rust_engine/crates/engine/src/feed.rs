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
        bars.push(order.check(row, &values.map_err(failed)?)?);
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

    /// The bars one by one, checked on the way, without a copy of the whole.
    pub fn bars(self, n_symbols: usize) -> impl Iterator<Item = Result<Bar, FeedError>> + 'a {
        let mut order = Order::new(n_symbols);
        let rest = self.opened_at_ns.iter().zip(self.closed_at_ns);
        let prices = self.open.iter().zip(self.high).zip(self.low).zip(self.close).zip(self.volume);
        self.symbol.iter().zip(rest).zip(prices).enumerate().map(move |(row, ((symbol, times), prices))| {
            let ((((open, high), low), close), volume) = prices;
            // A negative index becomes a large one, which no configuration holds.
            let symbol = *symbol as u16;
            let (opened_at_ns, closed_at_ns) = (*times.0, *times.1);
            let (open, high, low, close, volume) = (*open, *high, *low, *close, *volume);
            order.check(row, &Row { symbol, opened_at_ns, closed_at_ns, open, high, low, close, volume })
        })
    }
}

struct Order {
    n_symbols: usize,
    last: (i64, u16),
}

/// `value` in units of 1e-8, rounded to nearest; `None` for what is negative, not a number or too large.
#[inline]
fn to_units(value: f64) -> Option<i64> {
    let scaled = value * model::fixed::SCALE as f64;
    if !(0.0..9.2e18).contains(&scaled) {
        return None;
    }
    let whole = scaled as i64;
    Some(whole + i64::from(scaled - whole as f64 >= 0.5))
}

impl Order {
    fn new(n_symbols: usize) -> Self {
        Self { n_symbols, last: (i64::MIN, 0) }
    }

    #[inline]
    fn check(&mut self, row: usize, values: &Row) -> Result<Bar, FeedError> {
        let place = (values.closed_at_ns, values.symbol);
        let in_order = place > self.last || (row == 0 && place == self.last);
        let bar = bar_of(values).filter(|bar| bar.is_sound());
        match bar {
            Some(bar) if in_order && usize::from(values.symbol) < self.n_symbols => {
                self.last = place;
                Ok(bar)
            }
            _ => Err(FeedError::Row { row, problem: self.problem(values, in_order) }),
        }
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

#[inline]
fn bar_of(values: &Row) -> Option<Bar> {
    Some(Bar {
        symbol: SymbolId(values.symbol),
        opened_at: Ts(values.opened_at_ns),
        closed_at: Ts(values.closed_at_ns),
        open: Price(to_units(values.open)?),
        high: Price(to_units(values.high)?),
        low: Price(to_units(values.low)?),
        close: Price(to_units(values.close)?),
        volume: Qty(to_units(values.volume)?),
    })
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
