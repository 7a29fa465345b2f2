//! The Python module `trading_engine`: arrays in, arrays out, and the interpreter's lock given back while Rust works.
//!
//! Requests are JSON text with decimals as strings, so no amount is rounded on the way in. Whatever is refused becomes a
//! `ValueError` that names the field or the row.
//!
//! **Invariant:** the only crate that knows Python.

mod arrays;
mod book;
mod features;
mod predictions;
mod request;
mod trees;

use arrays::{ReadBars, facts_dict, rows_dict};
use engine::backtest::CurveRows;
use engine::feed::BarSource;
use engine::{backtest, batch, resample};
use model::{RuleSet, StrategyParams};
use numpy::{PyArray3, PyReadonlyArray2, PyReadwriteArray1};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use request::{MarketRequest, Request, parse};
use std::collections::BTreeMap;
use std::fmt::Display;

fn refused(problem: impl Display) -> PyErr {
    PyValueError::new_err(problem.to_string())
}

/// Plays one strategy over the bars and keeps every row. The equity curve goes to `equity` and its times to `equity_at_ns`,
/// which have a place for every bar: NumPy asks for large pages, so that its new arrays are cheap to fill. Bars of one symbol
/// need no places for times: those are the closes of the last bars, as many as there are marks.
#[pyfunction(name = "backtest")]
#[pyo3(signature = (request, bars, equity_at_ns, equity, predictions=None))]
fn run_backtest<'py>(
    py: Python<'py>,
    request: &str,
    bars: &Bound<'py, PyDict>,
    mut equity_at_ns: Option<PyReadwriteArray1<'py, i64>>,
    mut equity: PyReadwriteArray1<'py, f64>,
    predictions: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyDict>> {
    let request: Request = parse(request).map_err(refused)?;
    let said = predictions::read(predictions, &request.symbols)?;
    let arrays = ReadBars::extract(bars)?;
    let columns = arrays.columns()?.checked().map_err(refused)?;
    let at = equity_at_ns.as_mut().map(|places| places.as_slice_mut()).transpose()?;
    let equity = equity.as_slice_mut()?;
    let is_known = at.is_none() && request.symbols.len() == 1;
    let n_times = at.as_ref().map_or(0, |places| places.len());
    if equity.len() != columns.symbol.len() || (!is_known && n_times != columns.symbol.len()) {
        return Err(refused("equity: a place is needed for every bar"));
    }
    let (facts, n_marks) = py
        .detach(|| {
            let plan = request.plan(&request.params, said.as_deref(), true);
            backtest::run_into(&plan, columns.bars(request.symbols.len()), CurveRows::new(at, equity))
        })
        .map_err(refused)?;
    let dict = facts_dict(py, facts)?;
    dict.set_item("n_marks", n_marks)?;
    Ok(dict)
}

/// Plays one strategy with many parameter sets over the same bars, on all cores; only totals and days come back, in order.
#[pyfunction]
#[pyo3(signature = (request, candidates, bars, predictions=None))]
fn sweep<'py>(
    py: Python<'py>,
    request: &str,
    candidates: &str,
    bars: &Bound<'py, PyDict>,
    predictions: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyList>> {
    let request: Request = parse(request).map_err(refused)?;
    let candidates: Vec<BTreeMap<String, f64>> = parse(candidates).map_err(refused)?;
    let said = predictions::read(predictions, &request.symbols)?;
    let arrays = ReadBars::extract(bars)?;
    let columns = arrays.columns()?.checked().map_err(refused)?;
    let plan = request.plan(&request.params, said.as_deref(), false);
    let facts = py.detach(|| batch::sweep(&plan, &candidates, columns)).map_err(refused)?;
    let rows: Vec<_> = facts.into_iter().map(|f| facts_dict(py, f)).collect::<PyResult<_>>()?;
    PyList::new(py, rows)
}

/// Plays each candidate over days of the bars in other orders, on all cores; only daily results come back, by path, candidate
/// and traded day. Each row of `paths` lists days, counted from 0 at the first of the bars; its first `lead` days warm up.
#[pyfunction]
#[pyo3(signature = (request, candidates, bars, paths, lead, predictions=None))]
fn sweep_paths<'py>(
    py: Python<'py>,
    request: &str,
    candidates: &str,
    bars: &Bound<'py, PyDict>,
    paths: PyReadonlyArray2<'py, i64>,
    lead: usize,
    predictions: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyArray3<f64>>> {
    let request: Request = parse(request).map_err(refused)?;
    let candidates: Vec<BTreeMap<String, f64>> = parse(candidates).map_err(refused)?;
    let said = predictions::read(predictions, &request.symbols)?;
    let arrays = ReadBars::extract(bars)?;
    let columns = arrays.columns()?.checked().map_err(refused)?;
    let day_of = |day: &i64| usize::try_from(*day).map_err(|_| refused(format!("a path asks for day {day}")));
    let drawn = paths
        .as_array()
        .rows()
        .into_iter()
        .map(|row| row.iter().map(day_of).collect())
        .collect::<PyResult<Vec<_>>>()?;
    let made = py
        .detach(|| {
            let bars = columns.bars(request.symbols.len()).load().map_err(|e| e.to_string())?;
            let plan = request.plan(&request.params, said.as_deref(), false);
            resample::sweep_paths(&plan, &candidates, &bars, &drawn, lead).map_err(|e| e.to_string())
        })
        .map_err(refused)?;
    Ok(PyArray3::from_vec3(py, &made)?)
}

/// Generates a synthetic market.
#[pyfunction]
fn generate<'py>(py: Python<'py>, spec: &str) -> PyResult<Bound<'py, PyDict>> {
    let spec: MarketRequest = parse(spec).map_err(refused)?;
    let bars = py.detach(|| sim::market::generate(&spec.into())).map_err(refused)?;
    rows_dict(py, &bars)
}

/// The JSON Schema of every strategy's parameters, as one JSON object by strategy.
#[pyfunction]
fn schemas() -> PyResult<String> {
    let mut all = BTreeMap::new();
    for strategy in model::params::STRATEGIES {
        all.insert(*strategy, StrategyParams::schema(strategy).map_err(refused)?);
    }
    serde_json::to_string(&all).map_err(refused)
}

/// Checks parameters against their schema and gives their hash, with that of the rule set where there is one.
#[pyfunction]
#[pyo3(signature = (strategy, params, rules=None))]
fn validate_params(strategy: &str, params: &str, rules: Option<&str>) -> PyResult<String> {
    let values: BTreeMap<String, f64> = parse(params).map_err(refused)?;
    let params = StrategyParams::validate(strategy, &values).map_err(refused)?;
    if rules.is_some() && strategy != "rules" {
        return Err(refused(format!("'{strategy}' takes no rules; remove them")));
    }
    let rules = rules.map(RuleSet::parse).transpose().map_err(refused)?;
    params.sha256_with(rules.as_ref()).map_err(refused)
}

/// Checks a rule set and gives its one JSON text.
#[pyfunction]
fn canonical_rules(rules: &str) -> PyResult<String> {
    RuleSet::parse(rules).and_then(|r| r.canonical_json()).map_err(refused)
}

/// The Rust trading engine.
#[pymodule]
fn trading_engine(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(run_backtest, module)?)?;
    module.add_function(wrap_pyfunction!(sweep, module)?)?;
    module.add_function(wrap_pyfunction!(sweep_paths, module)?)?;
    module.add_function(wrap_pyfunction!(generate, module)?)?;
    module.add_function(wrap_pyfunction!(schemas, module)?)?;
    module.add_function(wrap_pyfunction!(validate_params, module)?)?;
    module.add_function(wrap_pyfunction!(canonical_rules, module)?)?;
    module.add_function(wrap_pyfunction!(book::book_backtest, module)?)?;
    module.add_function(wrap_pyfunction!(book::book_best, module)?)?;
    module.add_function(wrap_pyfunction!(features::features_schema, module)?)?;
    module.add_function(wrap_pyfunction!(features::features_batch, module)?)?;
    module.add_class::<features::FeatureStream>()?;
    module.add_class::<trees::Trees>()?;
    Ok(())
}
