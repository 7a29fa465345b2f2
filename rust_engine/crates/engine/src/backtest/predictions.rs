//! What models said while the bars of a backtest were made.

use super::{BacktestError, BacktestRequest};
use crate::core::Core;
use crate::error::CoreError;
use crate::recorder::Recorder;
use model::message::Prediction;
use model::{StrategyParams, Ts};

/// Predictions that no bar has reached yet.
pub(super) struct Waiting<'a>(&'a [Prediction]);

impl<'a> Waiting<'a> {
    /// Those that come after the bars that only warm up.
    pub(super) fn new(request: &BacktestRequest<'a>) -> Self {
        let all = request.predictions.unwrap_or_default();
        Self(&all[all.partition_point(|p| p.at_ns <= request.trade_from.0)..])
    }

    /// When the next one was made.
    pub(super) fn next_at(&self) -> Option<i64> {
        self.0.first().map(|p| p.at_ns)
    }

    /// Hands over what was known at the close `at`. One that was made while a bar was open is known with that bar's close:
    /// the bar proves no earlier price at which an order could have filled.
    pub(super) fn hand_over<R: Recorder>(&mut self, core: &mut Core<R>, at: Ts) -> Result<(), BacktestError> {
        while let Some((first, rest)) = self.0.split_first().filter(|(first, _)| first.at_ns <= at.0) {
            core.on_prediction(first, at)?;
            self.0 = rest;
        }
        Ok(())
    }
}

/// Whether the predictions are oldest first, and each of a symbol that is traded.
pub(super) fn check(request: &BacktestRequest<'_>) -> Result<(), BacktestError> {
    let predictions = request.predictions.unwrap_or_default();
    let refused = |n: usize, problem: String| Err(BacktestError::Prediction { n, problem });
    for (n, prediction) in predictions.iter().enumerate() {
        if !request.symbols.iter().any(|s| s.name == prediction.symbol) {
            return refused(n, format!("no bar is of its symbol '{}'", prediction.symbol));
        }
        if n > 0 && predictions[n - 1].at_ns > prediction.at_ns {
            return refused(n, "it is older than the one before it".to_owned());
        }
    }
    Ok(())
}

/// Whether what is played tells the strategy anything. Without what it needs it would never trade, and look safe.
pub(super) fn check_strategy(request: &BacktestRequest<'_>) -> Result<(), BacktestError> {
    let refused = |source| CoreError::Params { instance: "backtest".to_owned(), source };
    let decides_on = StrategyParams::decides_on(request.strategy).map_err(refused)?;
    if decides_on == "bars" || (decides_on == "predictions" && request.predictions.is_some()) {
        return Ok(());
    }
    Err(BacktestError::NotOnBars { strategy: request.strategy.to_owned(), decides_on })
}
