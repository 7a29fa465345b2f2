//! Parameters of `liquidation`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Liquidates loans below water, on paper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-decides-on" = "loans"))]
pub struct LiquidationParams {
    /// Least that must be left of the bonus after selling, flash fee and gas.
    #[schemars(range(min = 0.0, max = 10_000.0), extend("x-step" = 1.0, "x-unit" = "quote currency", "x-risk" = "none"))]
    pub min_profit: f64,
    /// Largest debt repaid at once, as a share of the instance's capital; borrowed in a flash, so it may exceed it.
    #[schemars(range(min = 1.0, max = 1_000.0), extend("x-step" = 1.0, "x-unit" = "% of capital", "x-risk" = "cap"))]
    pub size: f64,
    /// Largest age of what was seen of the chain.
    #[schemars(range(min = 1.0, max = 120.0), extend("x-step" = 1.0, "x-unit" = "s", "x-risk" = "none"))]
    pub max_age: f64,
    /// Time during which a loan that was liquidated is left alone: on paper it stays on the chain.
    #[schemars(range(min = 0.0, max = 86_400.0), extend("x-step" = 60.0, "x-unit" = "s", "x-risk" = "none"))]
    pub cooldown: f64,
}

impl Default for LiquidationParams {
    fn default() -> Self {
        Self { min_profit: 10.0, size: 100.0, max_age: 12.0, cooldown: 3_600.0 }
    }
}
