//! Parameters of `predictive`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Trades a model's predictions: which it takes, how large, how they are worked and where it leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-decides-on" = "predictions"))]
pub struct PredictiveParams {
    /// Least calibrated probability that the predicted sign is right.
    #[schemars(range(min = 0.5, max = 0.99), extend("x-step" = 0.01, "x-unit" = "probability", "x-risk" = "none"))]
    pub min_confidence: f64,
    /// Least size of the expected move; below it a prediction is neutral.
    #[schemars(range(min = 0.0, max = 200.0), extend("x-step" = 1.0, "x-unit" = "bps", "x-risk" = "none"))]
    pub min_move: f64,
    /// Shortest horizon that is traded.
    #[schemars(range(min = 1.0, max = 3600.0), extend("x-step" = 1.0, "x-unit" = "s", "x-risk" = "none"))]
    pub min_horizon: f64,
    /// Longest horizon that is traded.
    #[schemars(range(min = 60.0, max = 86400.0), extend("x-step" = 60.0, "x-unit" = "s", "x-risk" = "none"))]
    pub max_horizon: f64,
    /// Share of the Kelly fraction 2p - 1 that is staked.
    #[schemars(range(min = 0.05, max = 1.0), extend("x-step" = 0.05, "x-unit" = "of Kelly", "x-risk" = "cap"))]
    pub kelly_fraction: f64,
    /// Largest notional of one entry, as a share of the instance's capital.
    #[schemars(range(min = 1.0, max = 50.0), extend("x-step" = 1.0, "x-unit" = "% of capital", "x-risk" = "cap"))]
    pub size: f64,
    /// Expected volatility over the horizon above which an entry shrinks in proportion.
    #[schemars(range(min = 5.0, max = 500.0), extend("x-step" = 5.0, "x-unit" = "bps", "x-risk" = "cap"))]
    pub target_volatility: f64,
    /// Distance of the stop from the price of the decision, in expected standard deviations over the horizon.
    #[schemars(range(min = 0.5, max = 8.0), extend("x-step" = 0.1, "x-unit" = "sigma", "x-risk" = "none"))]
    pub stop_loss: f64,
    /// Children of an entry in slices, unless the prediction says otherwise.
    #[schemars(range(min = 1.0, max = 50.0), extend("x-step" = 1.0, "x-unit" = "slices", "x-risk" = "none"))]
    pub slices: f64,
    /// Share of the market's volume of an entry worked by volume, unless the prediction says otherwise.
    #[schemars(range(min = 1.0, max = 50.0), extend("x-step" = 1.0, "x-unit" = "% of volume", "x-risk" = "none"))]
    pub participation: f64,
}

impl Default for PredictiveParams {
    fn default() -> Self {
        Self {
            min_confidence: 0.55,
            min_move: 10.0,
            min_horizon: 10.0,
            max_horizon: 14_400.0,
            kelly_fraction: 0.25,
            size: 10.0,
            target_volatility: 50.0,
            stop_loss: 2.0,
            slices: 5.0,
            participation: 10.0,
        }
    }
}
