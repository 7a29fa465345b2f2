//! Predictions as columns, for backtests of what decides on them.

use crate::arrays::{column, slice};
use crate::refused;
use model::SymbolSpec;
use model::message::{Prediction, Recommendation};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::BTreeMap;

/// Reads the columns of `core.native_predictions.Predictions`. Columns without a row say that nothing is known.
pub(crate) fn read(
    predictions: Option<&Bound<'_, PyDict>>,
    symbols: &[SymbolSpec],
) -> PyResult<Option<Vec<Prediction>>> {
    let Some(dict) = predictions else { return Ok(None) };
    let symbol = column::<i16>(dict, "symbol")?;
    let [at, expires, horizon] = ["at_ns", "expires_at_ns", "horizon_ms"].map(|name| column::<i64>(dict, name));
    let [direction, confidence, expected_move, volatility] =
        ["direction", "confidence", "expected_move_bps", "expected_volatility_bps"]
            .map(|name| column::<f64>(dict, name));
    let (at, expires, horizon) = (at?, expires?, horizon?);
    let (direction, confidence, expected_move, volatility) = (direction?, confidence?, expected_move?, volatility?);
    let symbol = slice("symbol", &symbol)?;
    let times = [slice("at_ns", &at)?, slice("expires_at_ns", &expires)?, slice("horizon_ms", &horizon)?];
    let values = [
        slice("direction", &direction)?,
        slice("confidence", &confidence)?,
        slice("expected_move_bps", &expected_move)?,
        slice("expected_volatility_bps", &volatility)?,
    ];
    let n = symbol.len();
    if times.iter().any(|c| c.len() != n) || values.iter().any(|c| c.len() != n) {
        return Err(refused("predictions: columns of different lengths"));
    }
    let one = |row: usize| {
        let name = usize::try_from(symbol[row]).ok().and_then(|k| symbols.get(k)).map(|s| s.name.clone());
        Ok(Prediction {
            prediction_id: row.to_string(),
            at_ns: times[0][row],
            symbol: name.ok_or_else(|| refused(format!("prediction {row}: no symbol has number {}", symbol[row])))?,
            direction: values[0][row],
            confidence: values[1][row],
            expected_move_bps: values[2][row],
            horizon_ms: u64::try_from(times[2][row])
                .map_err(|_| refused(format!("prediction {row}: a horizon of {} ms", times[2][row])))?,
            expected_volatility_bps: Some(values[3][row]).filter(|v| !v.is_nan()),
            regime: None,
            recommended_strategy: Recommendation::Immediate,
            strategy_params: BTreeMap::new(),
            expires_at_ns: times[1][row],
            model: String::new(),
            model_sha256: String::new(),
            feature_schema: String::new(),
            reasons: Vec::new(),
        })
    };
    let read = (0..n).map(one).collect::<PyResult<Vec<_>>>()?;
    Ok(Some(read).filter(|read| !read.is_empty()))
}
