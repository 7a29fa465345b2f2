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
        order.check(row, &bar, || values)?;
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
        ColumnBars {
            columns: self,
            order: Order::new(n_symbols),
            row: 0,
            units: Box::new([[0; CHUNK]; 5]),
            chunk: Vec::with_capacity(CHUNK),
        }
    }
}

/// Bars small enough a number to stay in the first cache.
const CHUNK: usize = 256;

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

/// Columns on their way to being bars.
pub struct ColumnBars<'a> {
    columns: Columns<'a>,
    order: Order,
    row: usize,
    units: Box<[[i64; CHUNK]; 5]>,
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
            let chunk = self.next_chunk()?.bars;
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

    fn next_chunk(&mut self) -> Result<Chunk<'_>, FeedError> {
        let end = (self.row + CHUNK).min(self.expected());
        let (first, rows) = (self.row, self.row..end);
        let c = &self.columns;
        for (column, units) in [c.open, c.high, c.low, c.close, c.volume].into_iter().zip(self.units.iter_mut()) {
            units_of(&column[rows.clone()], units);
        }
        let [open, high, low, close, volume] = &*self.units;
        let times = c.opened_at_ns[rows.clone()].iter().zip(&c.closed_at_ns[rows.clone()]);
        let prices = open.iter().zip(high).zip(low.iter().zip(close)).zip(volume);
        let candles = c.symbol[rows.clone()].iter().zip(times).zip(prices);
        self.chunk.clear();
        self.chunk.extend(candles.map(|((symbol, (opened, closed)), (((open, high), (low, close)), volume))| Bar {
            // A negative index becomes a large one, which no configuration holds.
            symbol: SymbolId(*symbol as u16),
            opened_at: Ts(*opened),
            closed_at: Ts(*closed),
            open: Price(*open),
            high: Price(*high),
            low: Price(*low),
            close: Price(*close),
            volume: Qty(*volume),
        }));
        let times = (&c.opened_at_ns[rows.clone()], &c.closed_at_ns[rows.clone()]);
        let are_candles = are_candles(&self.units, rows.len());
        let is_series = are_candles && self.order.takes_series(&c.symbol[rows.clone()], times);
        if !(is_series || are_candles && self.order.takes(&c.symbol[rows], times)) {
            for (n, bar) in self.chunk.iter().enumerate() {
                self.order.check(first + n, bar, || c.row(first + n))?;
            }
        }
        self.row = end;
        Ok(Chunk { bars: &self.chunk, is_series })
    }
}

/// Whether the first `n` candles have sound prices and volumes, in a form that compiles to vector instructions: a difference
/// of two units cannot overflow, and the signs of all that must not be negative are collected in one word.
fn are_candles(units: &[[i64; CHUNK]; 5], n: usize) -> bool {
    let [open, high, low, close, volume] = units.each_ref().map(|column| &column[..n]);
    let mut signs = 0_i64;
    for k in 0..n {
        let inside = open[k].wrapping_sub(low[k]) | close[k].wrapping_sub(low[k]);
        let below = high[k].wrapping_sub(open[k]) | high[k].wrapping_sub(close[k]);
        signs |= inside | below | low[k].wrapping_sub(1) | volume[k];
    }
    signs >= 0
}

/// Whether candles of the first symbol open before they close, and no earlier than the one before closed.
/// In a form that compiles to vector instructions, like [`are_candles`]; no time may be beyond 2^62, so that differences fit.
fn is_series(symbol: &[i16], (opened, closed): (&[i64], &[i64])) -> bool {
    let beyond = |time: i64| time ^ (time << 1);
    let others = symbol.iter().fold(0, |others, symbol| others | symbol);
    let candles = opened.iter().zip(closed);
    let signs = candles.fold(0, |signs, (opened, closed)| {
        signs | beyond(*opened) | beyond(*closed) | closed.wrapping_sub(*opened).wrapping_sub(1)
    });
    let steps = closed.iter().zip(opened.get(1..).unwrap_or_default());
    let signs = steps.fold(signs, |signs, (before, next)| signs | next.wrapping_sub(*before));
    others == 0 && signs >= 0
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

/// [`to_units`] of a whole column, in a form that compiles to vector instructions: adding 2^52 leaves the nearest whole number
/// in the low bits of the sum, with ties to even, which are then turned away from zero.
fn units_of(column: &[f64], units: &mut [i64; CHUNK]) {
    const MAGIC: f64 = 4_503_599_627_370_496.0;
    const LIMIT: f64 = MAGIC / 2.0;
    let (mut negative, mut below_limit) = (0_i64, -1_i64);
    for (value, unit) in column.iter().zip(units.iter_mut()) {
        let scaled = value * model::fixed::SCALE as f64;
        let sum = scaled + MAGIC;
        let below = i64::from(scaled - (sum - MAGIC) == 0.5);
        *unit = (sum.to_bits() as i64).wrapping_sub(MAGIC.to_bits() as i64).wrapping_add(below);
        // The bits of floats that are not negative are ordered like the floats.
        let bits = scaled.to_bits() as i64;
        negative |= bits;
        below_limit &= bits.wrapping_sub(LIMIT.to_bits() as i64);
    }
    if negative < 0 || below_limit >= 0 {
        column.iter().zip(units).for_each(|(value, unit)| *unit = to_units(*value));
    }
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

    /// Takes a whole chunk of sound candles if they are a series of the first symbol; otherwise remembers nothing.
    fn takes_series(&mut self, symbol: &[i16], times: (&[i64], &[i64])) -> bool {
        let (Some(first), Some(newest)) = (times.1.first(), times.1.last()) else { return true };
        let fits = self.n_symbols > 0 && *first > self.last.0 && is_series(symbol, times);
        if fits {
            self.last = (*newest, 0);
        }
        fits
    }

    /// Takes a whole chunk of sound candles if all are of known symbols, open before they close and come after one another;
    /// otherwise remembers nothing.
    fn takes(&mut self, symbol: &[i16], (opened, closed): (&[i64], &[i64])) -> bool {
        let (mut last, mut fits) = (self.last, true);
        for ((symbol, opened), closed) in symbol.iter().zip(opened).zip(closed) {
            let place = (*closed, *symbol as u16);
            fits &= place > last && opened < closed && usize::from(place.1) < self.n_symbols;
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
