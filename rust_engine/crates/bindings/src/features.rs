//! Feature columns: over a history in one call, and bar by bar into an array that stays the same.

use crate::refused;
use indicators::features::{self, Candle, Columns, History, N_EXTRA_INPUTS, StateRefused};
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray1, PyReadwriteArray2};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::Serialize;

#[derive(Serialize)]
struct Schema {
    #[serde(flatten)]
    registry: features::Registry,
    indicators: Vec<features::FeatureSpec>,
}

/// The registry of the features and the raw indicators beside them, as JSON.
#[pyfunction]
pub(crate) fn features_schema() -> PyResult<String> {
    let columns = Columns::new();
    serde_json::to_string(&Schema { registry: columns.registry(), indicators: columns.indicators() }).map_err(refused)
}

/// Columns of a history as they come from Python.
#[derive(FromPyObject)]
pub(crate) struct Arrays<'py> {
    #[pyo3(item)]
    opened_at_ms: PyReadonlyArray1<'py, i64>,
    #[pyo3(item)]
    open: PyReadonlyArray1<'py, f64>,
    #[pyo3(item)]
    high: PyReadonlyArray1<'py, f64>,
    #[pyo3(item)]
    low: PyReadonlyArray1<'py, f64>,
    #[pyo3(item)]
    close: PyReadonlyArray1<'py, f64>,
    #[pyo3(item)]
    volume: PyReadonlyArray1<'py, f64>,
}

fn add_all(
    py: Python<'_>,
    stream: &mut features::FeatureStream,
    bars: &Arrays<'_>,
    extras: Option<&PyReadonlyArray2<'_, f64>>,
    out: &mut PyReadwriteArray2<'_, f64>,
    segments: &mut PyReadwriteArray1<'_, i64>,
) -> PyResult<()> {
    let history = History {
        opened_at_ms: bars.opened_at_ms.as_slice()?,
        open: bars.open.as_slice()?,
        high: bars.high.as_slice()?,
        low: bars.low.as_slice()?,
        close: bars.close.as_slice()?,
        volume: bars.volume.as_slice()?,
        extras: extras.map(|e| e.as_slice()).transpose()?,
    };
    let (out, segments) = (out.as_slice_mut()?, segments.as_slice_mut()?);
    let n = history.opened_at_ms.len();
    if !history.is_even() || segments.len() != n || out.len() != n * stream.n_columns() {
        return Err(refused("features: all columns, extras and results must have a row for every bar"));
    }
    py.detach(|| stream.update_all(&history, out, segments));
    Ok(())
}

fn new_stream(names: &[String], interval_ms: i64) -> PyResult<features::FeatureStream> {
    if interval_ms <= 0 {
        return Err(refused(format!("features: an interval of {interval_ms} ms is no length")));
    }
    if names.is_empty() {
        return Err(refused("features: no column is named"));
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    features::FeatureStream::new(&Columns::new(), &names, interval_ms).map_err(|e| refused(format!("features: {e}")))
}

/// Works out the named columns over a history, from nothing, into `out` (a row a bar) and the numbers of the runs.
#[pyfunction]
pub(crate) fn features_batch(
    py: Python<'_>,
    names: Vec<String>,
    interval_ms: i64,
    bars: Arrays<'_>,
    extras: Option<PyReadonlyArray2<'_, f64>>,
    mut out: PyReadwriteArray2<'_, f64>,
    mut segments: PyReadwriteArray1<'_, i64>,
) -> PyResult<()> {
    let mut stream = new_stream(&names, interval_ms)?;
    add_all(py, &mut stream, &bars, extras.as_ref(), &mut out, &mut segments)
}

/// The named columns of one symbol, bar by bar.
#[pyclass(module = "trading_engine")]
pub(crate) struct FeatureStream {
    stream: features::FeatureStream,
    values: Py<PyArray1<f64>>,
}

#[pymethods]
impl FeatureStream {
    #[new]
    fn new(py: Python<'_>, names: Vec<String>, interval_ms: i64) -> PyResult<Self> {
        let stream = new_stream(&names, interval_ms)?;
        let values = PyArray1::from_vec(py, vec![f64::NAN; stream.n_columns()]).unbind();
        Ok(Self { stream, values })
    }

    /// Adds a closed bar and gives its columns: always the same array, with new numbers.
    #[pyo3(signature = (opened_at_ms, open, high, low, close, volume, extras=None))]
    #[allow(clippy::too_many_arguments, reason = "a candle from Python comes as its six numbers")]
    fn update(
        &mut self,
        py: Python<'_>,
        opened_at_ms: i64,
        open: f64,
        high: f64,
        low: f64,
        close: f64,
        volume: f64,
        extras: Option<PyReadonlyArray1<'_, f64>>,
    ) -> PyResult<Py<PyArray1<f64>>> {
        let candle = Candle { opened_at_ms, open, high, low, close, volume };
        let mut values = self.values.bind(py).try_readwrite().map_err(refused)?;
        let out = values.as_slice_mut()?;
        match extras {
            None => {
                self.stream.update(&candle, None, out);
            }
            Some(extras) => {
                let extras = extras.as_slice()?;
                if extras.len() != N_EXTRA_INPUTS {
                    return Err(refused(format!(
                        "features: {N_EXTRA_INPUTS} inputs are asked for beside the candle, {} were given",
                        extras.len()
                    )));
                }
                self.stream.update(&candle, Some(extras), out);
            }
        }
        Ok(self.values.clone_ref(py))
    }

    /// Adds all bars of a history; see `features_batch`.
    fn update_all(
        &mut self,
        py: Python<'_>,
        bars: Arrays<'_>,
        extras: Option<PyReadonlyArray2<'_, f64>>,
        mut out: PyReadwriteArray2<'_, f64>,
        mut segments: PyReadwriteArray1<'_, i64>,
    ) -> PyResult<()> {
        add_all(py, &mut self.stream, &bars, extras.as_ref(), &mut out, &mut segments)
    }

    /// Number of the run that the newest bar is in; -1 before the first.
    #[getter]
    fn segment(&self) -> i64 {
        self.stream.segment()
    }

    /// Everything carried, as bytes.
    fn state<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.stream.state())
    }

    /// Goes on where a stream of the same columns was; refuses any other state.
    fn restore(&mut self, state: &[u8]) -> PyResult<()> {
        self.stream.restore(state).map_err(|e: StateRefused| refused(format!("features: {e}")))
    }
}
