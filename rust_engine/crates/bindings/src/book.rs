//! Books and prints as arrays: the best prices of a replay, and a run of the grid on the book venue.

use crate::arrays::packed;
use crate::refused;
use crate::request::parse;
use book::{ArrayBook, L2Book, TreeBook};
use engine::book_backtest::{BookColumns, BookFacts, BookFill, BookGrid, BookRequest, CheckedColumns, GridSpec, run};
use model::{Costs, Liquidity, MarketEvent, Price, Qty, SymbolSpec, VenueConfig};
use numpy::{Element, IntoPyArray, PyReadonlyArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::Deserialize;

/// A run of the grid.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GridRequest {
    symbol: SymbolSpec,
    costs: Costs,
    venue: VenueConfig,
    qty_lots: i64,
    layers: u8,
    half_spread_ticks: i64,
    interval_ticks: i64,
    skew_half_ticks: i64,
    cap_quotes: i64,
    settle_ns: i64,
}

impl GridRequest {
    fn grid(&self) -> Option<BookGrid> {
        let spec = GridSpec {
            qty_lots: self.qty_lots,
            layers: self.layers,
            half_spread_ticks: self.half_spread_ticks,
            interval_ticks: self.interval_ticks,
            skew_half_ticks: self.skew_half_ticks,
            cap_quotes: self.cap_quotes,
            settle_ns: self.settle_ns,
        };
        BookGrid::new(spec, &self.symbol)
    }
}

/// Borrowed columns of events.
struct ReadEvents<'py> {
    times: [PyReadonlyArray1<'py, i64>; 2],
    kind: PyReadonlyArray1<'py, u8>,
    side: PyReadonlyArray1<'py, i8>,
    values: [PyReadonlyArray1<'py, i64>; 2],
}

fn column<'py, T: Element>(events: &Bound<'py, PyDict>, name: &str) -> PyResult<PyReadonlyArray1<'py, T>> {
    let array = events.get_item(name)?.ok_or_else(|| PyValueError::new_err(format!("events: no column '{name}'")))?;
    array.extract().map_err(|_| {
        PyValueError::new_err(format!(
            "events: column '{name}' must be a one-dimensional array of its documented dtype"
        ))
    })
}

fn slice<'a, T: Element>(name: &str, array: &'a PyReadonlyArray1<'_, T>) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| PyValueError::new_err(format!("events: column '{name}' must be contiguous")))
}

impl<'py> ReadEvents<'py> {
    fn extract(events: &Bound<'py, PyDict>) -> PyResult<Self> {
        Ok(Self {
            times: [column(events, "at_ns")?, column(events, "exch_at_ns")?],
            kind: column(events, "kind")?,
            side: column(events, "side")?,
            values: [column(events, "price_e8")?, column(events, "qty_e8")?],
        })
    }

    fn columns(&self) -> PyResult<BookColumns<'_>> {
        let ([at, exch_at], [price, qty]) = (&self.times, &self.values);
        Ok(BookColumns {
            at_ns: slice("at_ns", at)?,
            exch_at_ns: slice("exch_at_ns", exch_at)?,
            kind: slice("kind", &self.kind)?,
            side: slice("side", &self.side)?,
            price_e8: slice("price_e8", price)?,
            qty_e8: slice("qty_e8", qty)?,
        })
    }
}

/// Packed little-endian record, `core.native_book.BOOK_FILL_DTYPE`.
fn pack_fill(row: &BookFill, out: &mut Vec<u8>) {
    out.extend_from_slice(&row.exch_at.0.to_le_bytes());
    out.extend_from_slice(&row.fill.at.0.to_le_bytes());
    out.push(row.fill.order.side.sign() as i8 as u8);
    out.push(u8::from(row.fill.liquidity == Liquidity::Maker));
    out.extend_from_slice(&row.fill.price.0.to_le_bytes());
    out.extend_from_slice(&row.fill.qty.0.to_le_bytes());
}

fn facts_dict<'py>(py: Python<'py>, facts: &BookFacts) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("fills", packed(&facts.fills, 34, pack_fill).into_pyarray(py))?;
    dict.set_item("n_events", facts.n_events)?;
    dict.set_item("n_orders", facts.n_orders)?;
    dict.set_item("n_cancels", facts.n_cancels)?;
    dict.set_item("n_ended", facts.n_ended)?;
    dict.set_item("n_refused", facts.n_refused)?;
    dict.set_item("n_refused_levels", facts.n_refused_levels)?;
    dict.set_item("position", facts.position.to_string())?;
    dict.set_item("cash", facts.cash.to_string())?;
    dict.set_item("fees", facts.fees.to_string())?;
    Ok(dict)
}

/// Plays the grid over the events on the book venue.
#[pyfunction]
pub(crate) fn book_backtest<'py>(
    py: Python<'py>,
    request: &str,
    events: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyDict>> {
    let request: GridRequest = parse(request).map_err(refused)?;
    let arrays = ReadEvents::extract(events)?;
    let columns = arrays.columns()?;
    let facts = py.detach(|| -> Result<BookFacts, String> {
        let events = columns.checked().map_err(|e| e.to_string())?;
        let mut grid = request.grid().ok_or("request: the grid's numbers cannot be quoted")?;
        let plan = BookRequest { symbol: &request.symbol, costs: request.costs, venue: &request.venue };
        run(&plan, &events, &mut grid).map_err(|e| e.to_string())
    });
    facts_dict(py, &facts.map_err(refused)?)
}

/// The best prices after every message of a book, in 1e-8; zero where a side is empty.
#[derive(Default)]
struct Best {
    at_ns: Vec<i64>,
    bid: Vec<i64>,
    bid_qty: Vec<i64>,
    ask: Vec<i64>,
    ask_qty: Vec<i64>,
    uncrossed: u64,
}

fn replay(events: &CheckedColumns<'_>, mut book: impl L2Book) -> Result<Best, String> {
    let mut best = Best::default();
    let mut messages = events.messages();
    while let Some(event) = messages.next_message() {
        let MarketEvent::Depth(depth) = event else { continue };
        book.apply(depth).map_err(|e| format!("events: at {}: {e}", depth.at.0))?;
        let (bid, ask) = (book.best_bid(), book.best_ask());
        let ((bid, bid_qty), (ask, ask_qty)) =
            (bid.unwrap_or((Price::ZERO, Qty::ZERO)), ask.unwrap_or((Price::ZERO, Qty::ZERO)));
        best.at_ns.push(depth.at.0);
        best.bid.push(bid.0);
        best.bid_qty.push(bid_qty.0);
        best.ask.push(ask.0);
        best.ask_qty.push(ask_qty.0);
    }
    best.uncrossed = book.uncrossed();
    Ok(best)
}

/// Replays the levels of the events in one form of the book and gives the best prices after every message.
#[pyfunction]
pub(crate) fn book_best<'py>(
    py: Python<'py>,
    tick: &str,
    form: &str,
    events: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyDict>> {
    let tick: Price = tick.parse().map_err(refused)?;
    let arrays = ReadEvents::extract(events)?;
    let columns = arrays.columns()?;
    let best = py.detach(|| {
        let events = columns.checked().map_err(|e| e.to_string())?;
        match form {
            "array" => replay(&events, ArrayBook::new(tick).map_err(|e| e.to_string())?),
            "tree" => replay(&events, TreeBook::new(tick).map_err(|e| e.to_string())?),
            other => Err(format!("form '{other}' is neither 'array' nor 'tree'")),
        }
    });
    let best = best.map_err(refused)?;
    let dict = PyDict::new(py);
    dict.set_item("at_ns", best.at_ns.into_pyarray(py))?;
    dict.set_item("bid_e8", best.bid.into_pyarray(py))?;
    dict.set_item("bid_qty_e8", best.bid_qty.into_pyarray(py))?;
    dict.set_item("ask_e8", best.ask.into_pyarray(py))?;
    dict.set_item("ask_qty_e8", best.ask_qty.into_pyarray(py))?;
    dict.set_item("uncrossed", best.uncrossed)?;
    Ok(dict)
}
