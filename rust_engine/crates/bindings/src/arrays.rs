//! NumPy arrays on both sides of the border.

use engine::backtest::{BacktestFacts, FillRow, TradeRow};
use engine::feed::Columns;
use model::{Bar, Liquidity, Purpose};
use numpy::{Element, IntoPyArray, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Borrowed columns of bars.
pub(crate) struct ReadBars<'py> {
    symbol: PyReadonlyArray1<'py, i16>,
    times: [PyReadonlyArray1<'py, i64>; 2],
    values: [PyReadonlyArray1<'py, f64>; 5],
}

pub(crate) fn column<'py, T: Element>(columns: &Bound<'py, PyDict>, name: &str) -> PyResult<PyReadonlyArray1<'py, T>> {
    let array = columns.get_item(name)?.ok_or_else(|| PyValueError::new_err(format!("no column '{name}'")))?;
    array.extract().map_err(|_| {
        PyValueError::new_err(format!("column '{name}' must be a one-dimensional array of its documented dtype"))
    })
}

pub(crate) fn slice<'a, T: Element>(name: &str, array: &'a PyReadonlyArray1<'_, T>) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| PyValueError::new_err(format!("column '{name}' must be contiguous")))
}

impl<'py> ReadBars<'py> {
    pub(crate) fn extract(bars: &Bound<'py, PyDict>) -> PyResult<Self> {
        Ok(Self {
            symbol: column(bars, "symbol")?,
            times: [column(bars, "opened_at_ns")?, column(bars, "closed_at_ns")?],
            values: [
                column(bars, "open")?,
                column(bars, "high")?,
                column(bars, "low")?,
                column(bars, "close")?,
                column(bars, "volume")?,
            ],
        })
    }

    pub(crate) fn columns(&self) -> PyResult<Columns<'_>> {
        let [opened, closed] = &self.times;
        let [open, high, low, close, volume] = &self.values;
        Ok(Columns {
            symbol: slice("symbol", &self.symbol)?,
            opened_at_ns: slice("opened_at_ns", opened)?,
            closed_at_ns: slice("closed_at_ns", closed)?,
            open: slice("open", open)?,
            high: slice("high", high)?,
            low: slice("low", low)?,
            close: slice("close", close)?,
            volume: slice("volume", volume)?,
        })
    }
}

/// Bars as columns.
pub(crate) fn rows_dict<'py>(py: Python<'py>, bars: &[Bar]) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let times = |pick: fn(&Bar) -> i64| bars.iter().map(pick).collect::<Vec<_>>().into_pyarray(py);
    let values = |pick: fn(&Bar) -> f64| bars.iter().map(pick).collect::<Vec<_>>().into_pyarray(py);
    dict.set_item("symbol", bars.iter().map(|b| b.symbol.0 as i16).collect::<Vec<_>>().into_pyarray(py))?;
    dict.set_item("opened_at_ns", times(|b| b.opened_at.0))?;
    dict.set_item("closed_at_ns", times(|b| b.closed_at.0))?;
    dict.set_item("open", values(|b| b.open.to_f64()))?;
    dict.set_item("high", values(|b| b.high.to_f64()))?;
    dict.set_item("low", values(|b| b.low.to_f64()))?;
    dict.set_item("close", values(|b| b.close.to_f64()))?;
    dict.set_item("volume", values(|b| b.volume.to_f64()))?;
    Ok(dict)
}

const fn purpose_code(purpose: Purpose) -> u8 {
    match purpose {
        Purpose::Entry => 0,
        Purpose::Quote => 1,
        Purpose::Exit => 2,
        Purpose::StopLoss => 3,
        Purpose::TakeProfit => 4,
        Purpose::Flatten => 5,
        Purpose::Arbitrage => 6,
        Purpose::Unwind => 7,
        Purpose::Liquidation => 8,
    }
}

/// Packed little-endian record, `core.native.FILL_DTYPE`.
fn pack_fill(fill: &FillRow, out: &mut Vec<u8>) {
    out.extend_from_slice(&fill.at.0.to_le_bytes());
    out.extend_from_slice(&fill.symbol.0.to_le_bytes());
    out.push(fill.side.sign() as i8 as u8);
    out.push(purpose_code(fill.purpose));
    out.push(u8::from(fill.liquidity == Liquidity::Maker));
    for value in [fill.qty.to_f64(), fill.price.to_f64(), fill.fee.to_f64(), fill.slippage.to_f64()] {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Packed little-endian record, `core.native.TRADE_DTYPE`.
fn pack_trade(row: &TradeRow, out: &mut Vec<u8>) {
    out.extend_from_slice(&row.at.0.0.to_le_bytes());
    out.extend_from_slice(&row.at.1.0.to_le_bytes());
    out.extend_from_slice(&row.symbol.to_le_bytes());
    out.push(row.side.sign() as i8 as u8);
    out.push(purpose_code(row.exit_reason));
    for value in [row.qty, row.price.0, row.price.1, row.gross_pnl, row.net_pnl] {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Rows as packed records of `width` bytes.
pub(crate) fn packed<T>(rows: &[T], width: usize, pack: impl Fn(&T, &mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(rows.len() * width);
    rows.iter().for_each(|row| pack(row, &mut out));
    out
}

/// Facts as a dictionary of arrays and totals.
pub(crate) fn facts_dict<'py>(py: Python<'py>, facts: BacktestFacts) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("fills", packed(&facts.fills, 45, pack_fill).into_pyarray(py))?;
    dict.set_item("trades", packed(&facts.trades, 60, pack_trade).into_pyarray(py))?;
    dict.set_item("days", facts.days.into_pyarray(py))?;
    dict.set_item("daily_pnl", facts.daily_pnl.into_pyarray(py))?;
    dict.set_item("n_bars", facts.n_bars)?;
    dict.set_item("n_fills", facts.n_fills)?;
    dict.set_item("n_trades", facts.n_trades)?;
    dict.set_item("n_wins", facts.n_wins)?;
    dict.set_item("fees", facts.fees)?;
    dict.set_item("slippage", facts.slippage)?;
    dict.set_item("net_pnl", facts.net_pnl)?;
    dict.set_item("params_sha256", facts.params_sha256)?;
    dict.set_item("path", facts.path.as_str())?;
    Ok(dict)
}
