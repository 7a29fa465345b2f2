//! Columns bar by bar, and over a history by the same kernels.

use super::bars::{Candle, Place, Runs, closed_at_ms, known};
use super::engine::{BLOCK, Block, Engine, One};
use super::input::{N_CANDLE_INPUTS, N_EXTRA_INPUTS};
use super::registry::{Columns, UnknownColumn};
use super::state::{Reader, Writer};
use sha2::{Digest, Sha256};
use std::ops::Range;

/// First bytes of a kept state, with the version of its form.
const MAGIC: &[u8; 8] = b"xcrkfs01";
const HASH: usize = 32;

/// Why a kept state was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateRefused {
    /// It is no state of this form.
    NoState,
    /// It belongs to other columns, another interval, other formulas, or a build that works them out in another order.
    Foreign,
    /// It is not what was written.
    Damaged,
}

impl std::fmt::Display for StateRefused {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::NoState => "these bytes are no state of a feature stream of this version",
            Self::Foreign => "the state belongs to other columns, another interval, other formulas or another build",
            Self::Damaged => "the state is damaged",
        })
    }
}

impl std::error::Error for StateRefused {}

/// Columns of one symbol, bar by bar.
#[derive(Clone, Debug)]
pub struct FeatureStream {
    runs: Runs,
    engine: Engine,
    row: Vec<f64>,
    /// Hash of the chosen columns' names and formulas, of the interval, and of the layout of what is carried.
    identity: [u8; HASH],
}

impl FeatureStream {
    /// A stream of the columns named, in that order, over candles of `interval_ms`.
    ///
    /// # Errors
    /// A name that is no column's.
    pub fn new(columns: &Columns, names: &[&str], interval_ms: i64) -> Result<Self, UnknownColumn> {
        let (engine, formulas) = columns.engine(names)?;
        let mut identity = Sha256::new();
        identity.update(interval_ms.to_le_bytes());
        for (name, formula) in names.iter().zip(formulas) {
            identity.update(format!("{name}={formula}\n"));
        }
        identity.update(engine.layout);
        let row = vec![f64::NAN; engine.n_series];
        Ok(Self { runs: Runs::new(interval_ms), engine, row, identity: identity.finalize().into() })
    }

    /// How many columns there are.
    #[must_use]
    pub fn n_columns(&self) -> usize {
        self.engine.columns.len()
    }

    /// Number of the run that the newest bar is in; -1 before the first.
    #[must_use]
    pub fn segment(&self) -> i64 {
        self.runs.segment
    }

    /// Adds a closed bar and puts its columns into `out`, which has a place for each. `extras` are the inputs after the
    /// candle's; without them they count as unknown.
    #[inline]
    pub fn update(&mut self, candle: &Candle, extras: Option<&[f64]>, out: &mut [f64]) -> Place {
        let place = self.runs.place(candle);
        match place {
            Place::Unsound => {
                self.engine.reset();
                self.row.fill(f64::NAN);
            }
            Place::Again => {}
            Place::First | Place::Next => {
                if place == Place::First {
                    self.engine.reset();
                }
                let closed_at = closed_at_ms(candle.opened_at_ms, self.runs.interval_ms);
                let values = [closed_at, candle.open, candle.high, candle.low, candle.close, candle.volume];
                for (value, input) in self.row.iter_mut().zip(&self.engine.inputs) {
                    *value = match values.get(*input) {
                        Some(value) => *value,
                        None => extras.and_then(|e| e.get(input - N_CANDLE_INPUTS)).map_or(f64::NAN, |e| known(*e)),
                    };
                }
                self.engine.run(&mut One(&mut self.row));
            }
        }
        for (out, series) in out.iter_mut().zip(&self.engine.columns) {
            *out = self.row[usize::from(*series)];
        }
        place
    }

    /// Everything carried, as bytes.
    #[must_use]
    pub fn state(&self) -> Vec<u8> {
        let mut copy = self.clone();
        let mut body = Writer::default();
        copy.carry(&mut body);
        let mut state = [MAGIC.as_slice(), &self.identity, &Sha256::digest(&body.0)].concat();
        state.extend(body.0);
        state
    }

    /// Goes on where a stream of the same columns and interval was when it gave `state`.
    ///
    /// # Errors
    /// A state of another form, of other columns, or damaged; the stream is then what it was.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), StateRefused> {
        let rest = state.strip_prefix(MAGIC.as_slice()).ok_or(StateRefused::NoState)?;
        let (identity, rest) = rest.split_first_chunk::<HASH>().ok_or(StateRefused::NoState)?;
        let (digest, body) = rest.split_first_chunk::<HASH>().ok_or(StateRefused::NoState)?;
        if *identity != self.identity {
            return Err(StateRefused::Foreign);
        }
        let mut restored = self.clone();
        let mut reader = Reader::new(body);
        restored.carry(&mut reader);
        if digest.as_slice() != Sha256::digest(body).as_slice() || !reader.is_exhausted() {
            return Err(StateRefused::Damaged);
        }
        *self = restored;
        Ok(())
    }

    fn carry(&mut self, to: &mut impl super::state::Carry) {
        self.runs.carry(to);
        self.engine.carry(to);
        to.numbers(&mut self.row);
    }
}

/// A history as columns of equal length; `extras` holds `N_EXTRA_INPUTS` numbers a row, one row after the other.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// When each candle opened, UTC milliseconds since 1970.
    pub opened_at_ms: &'a [i64],
    /// First prices.
    pub open: &'a [f64],
    /// Highest prices.
    pub high: &'a [f64],
    /// Lowest prices.
    pub low: &'a [f64],
    /// Last prices.
    pub close: &'a [f64],
    /// Volumes in base units.
    pub volume: &'a [f64],
    /// The other inputs, where there are any.
    pub extras: Option<&'a [f64]>,
}

impl History<'_> {
    /// Whether all columns have the same length.
    #[must_use]
    pub fn is_even(&self) -> bool {
        let n = self.opened_at_ms.len();
        let columns = [self.open, self.high, self.low, self.close, self.volume];
        columns.iter().all(|column| column.len() == n) && self.extras.is_none_or(|e| e.len() == n * N_EXTRA_INPUTS)
    }

    /// Candles of some rows.
    fn candles(&self, rows: Range<usize>) -> impl Iterator<Item = Candle> {
        let prices = self.open[rows.clone()].iter().zip(&self.high[rows.clone()]).zip(&self.low[rows.clone()]);
        let ends = self.close[rows.clone()].iter().zip(&self.volume[rows.clone()]);
        self.opened_at_ms[rows].iter().zip(prices).zip(ends).map(|((at, ((open, high), low)), (close, volume))| {
            Candle { opened_at_ms: *at, open: *open, high: *high, low: *low, close: *close, volume: *volume }
        })
    }

    /// One input over some rows.
    fn fill(&self, input: usize, interval_ms: i64, rows: Range<usize>, values: &mut [f64]) {
        let column = match input {
            0 => {
                let opened = &self.opened_at_ms[rows];
                values.iter_mut().zip(opened).for_each(|(value, at)| *value = closed_at_ms(*at, interval_ms));
                return;
            }
            1 => self.open,
            2 => self.high,
            3 => self.low,
            4 => self.close,
            5 => self.volume,
            _ => {
                let extra = |at: usize| self.extras.and_then(|e| e.get(at * N_EXTRA_INPUTS + input - N_CANDLE_INPUTS));
                let found = rows.map(|at| extra(at).map_or(f64::NAN, |e| known(*e)));
                values.iter_mut().zip(found).for_each(|(value, extra)| *value = extra);
                return;
            }
        };
        values.copy_from_slice(&column[rows]);
    }
}

impl FeatureStream {
    /// Adds all bars of a history: columns go to `out`, `n_columns` numbers a bar, and the numbers of the runs to `segments`.
    /// Every number is, to the bit, what `update` gives bar by bar. The three must be even in length.
    pub fn update_all(&mut self, history: &History<'_>, out: &mut [f64], segments: &mut [i64]) {
        let width = self.n_columns();
        let mut series = vec![[f64::NAN; BLOCK]; self.engine.n_series];
        let n = history.opened_at_ms.len();
        let mut start = 0;
        while start < n {
            // A block ends where the next bar is not the next of its run, or where it is full.
            let (mut end, mut stop) = (start, None);
            for candle in history.candles(start..n.min(start + BLOCK)) {
                let place = self.runs.place(&candle);
                match place {
                    Place::Next => {}
                    Place::First if end == start => self.engine.reset(),
                    _ => {
                        stop = Some(place);
                        break;
                    }
                }
                segments[end] = self.runs.segment;
                end += 1;
            }
            self.work(history, start..end, &mut series, &mut out[start * width..end * width]);
            start = end;
            let Some(place) = stop else { continue };
            segments[end] = self.runs.segment;
            match place {
                Place::Next => {}
                Place::Unsound => {
                    self.engine.reset();
                    self.row.fill(f64::NAN);
                    self.put_row(&mut out[end * width..(end + 1) * width]);
                }
                Place::Again => self.put_row(&mut out[end * width..(end + 1) * width]),
                Place::First => {
                    self.engine.reset();
                    self.work(history, end..end + 1, &mut series, &mut out[end * width..(end + 1) * width]);
                }
            }
            start += 1;
        }
    }

    fn put_row(&self, out: &mut [f64]) {
        for (out, series) in out.iter_mut().zip(&self.engine.columns) {
            *out = self.row[usize::from(*series)];
        }
    }

    fn work(&mut self, history: &History<'_>, rows: Range<usize>, series: &mut [[f64; BLOCK]], out: &mut [f64]) {
        let n_rows = rows.len();
        if n_rows == 0 {
            return;
        }
        for (column, input) in series.iter_mut().zip(&self.engine.inputs) {
            history.fill(*input, self.runs.interval_ms, rows.clone(), &mut column[..n_rows]);
        }
        self.engine.run(&mut Block { series, n_rows });
        for (at, row) in out.chunks_exact_mut(self.engine.columns.len()).enumerate() {
            for (value, place) in row.iter_mut().zip(&self.engine.columns) {
                *value = series[usize::from(*place)][at];
            }
        }
        for (kept, column) in self.row.iter_mut().zip(series.iter()) {
            *kept = column[n_rows - 1];
        }
    }
}
