//! Parameters of `momentum_scalping`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Enters when the price has moved by several ATRs, leaves at an ATR stop, which may
/// follow the price, at an ATR target or on an opposite burst.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-decides-on" = "bars"))]
pub struct MomentumScalpingParams {
    /// Move over the last `lookback` bars that counts as a burst.
    #[schemars(range(min = 0.2, max = 6.0), extend("x-step" = 0.1, "x-unit" = "ATR", "x-risk" = "none"))]
    pub entry_threshold: f64,
    /// Distance of the stop from the entry price.
    #[schemars(range(min = 0.5, max = 8.0), extend("x-step" = 0.1, "x-unit" = "ATR", "x-risk" = "none"))]
    pub stop_loss: f64,
    /// Distance of the target from the entry price.
    #[schemars(range(min = 0.5, max = 12.0), extend("x-step" = 0.1, "x-unit" = "ATR", "x-risk" = "none"))]
    pub take_profit: f64,
    /// Window of the average true range.
    #[schemars(range(min = 5.0, max = 100.0), extend("x-step" = 1.0, "x-unit" = "bars", "x-risk" = "none"))]
    pub atr_window: f64,
    /// Bars over which the move is measured.
    #[schemars(range(min = 1.0, max = 48.0), extend("x-step" = 1.0, "x-unit" = "bars", "x-risk" = "none"))]
    pub lookback: f64,
    /// Notional of one entry, as a share of the instance's capital.
    #[schemars(range(min = 1.0, max = 50.0), extend("x-step" = 1.0, "x-unit" = "% of capital", "x-risk" = "cap"))]
    pub size: f64,
    /// Distance of the chandelier stop from the highest high (lowest low) of `atr_window` bars; 0 leaves the stop where it is.
    #[schemars(range(min = 0.0, max = 8.0), extend("x-step" = 0.1, "x-unit" = "ATR", "x-risk" = "none"))]
    pub trail: f64,
}

impl Default for MomentumScalpingParams {
    fn default() -> Self {
        Self {
            entry_threshold: 1.5,
            stop_loss: 2.0,
            take_profit: 3.0,
            atr_window: 14.0,
            lookback: 3.0,
            size: 10.0,
            trail: 0.0,
        }
    }
}
