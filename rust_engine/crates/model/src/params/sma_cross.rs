//! Parameters of `sma_cross`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Long while the fast average of closes is above the slow one, flat otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-decides-on" = "bars"))]
pub struct SmaCrossParams {
    /// Window of the fast average.
    #[schemars(range(min = 2.0, max = 200.0), extend("x-step" = 1.0, "x-unit" = "bars", "x-risk" = "none"))]
    pub fast: f64,
    /// Window of the slow average.
    #[schemars(range(min = 3.0, max = 1000.0), extend("x-step" = 1.0, "x-unit" = "bars", "x-risk" = "none"))]
    pub slow: f64,
    /// Fixed quantity of one entry.
    #[schemars(range(min = 0.001, max = 100_000.0), extend("x-step" = 0.001, "x-unit" = "base units", "x-risk" = "cap"))]
    pub size: f64,
}

impl Default for SmaCrossParams {
    fn default() -> Self {
        Self { fast: 20.0, slow: 50.0, size: 1.0 }
    }
}
