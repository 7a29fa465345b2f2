//! Parameters of `micro_arbitrage`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Buys and sells the same thing at once on two venues, or round a triangle of three symbols: all legs or none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-decides-on" = "quotes"))]
pub struct MicroArbitrageParams {
    /// Least difference of prices that must be left after the taker fees of all legs and the latency buffer.
    #[schemars(range(min = 0.0, max = 200.0), extend("x-step" = 0.5, "x-unit" = "bps", "x-risk" = "none"))]
    pub min_edge: f64,
    /// What prices may move against us until the legs arrive.
    #[schemars(range(min = 0.0, max = 50.0), extend("x-step" = 0.5, "x-unit" = "bps", "x-risk" = "none"))]
    pub latency_buffer: f64,
    /// Largest age of a quote that is acted on.
    #[schemars(range(min = 10.0, max = 10_000.0), extend("x-step" = 10.0, "x-unit" = "ms", "x-risk" = "none"))]
    pub max_quote_age: f64,
    /// Notional of one round, as a share of the instance's capital.
    #[schemars(range(min = 0.5, max = 50.0), extend("x-step" = 0.5, "x-unit" = "% of capital", "x-risk" = "cap"))]
    pub size: f64,
    /// Largest absolute position in one symbol, as a share of the instance's capital.
    #[schemars(range(min = 1.0, max = 100.0), extend("x-step" = 1.0, "x-unit" = "% of capital", "x-risk" = "cap"))]
    pub inventory_cap: f64,
    /// Pause after a round whose legs did not fill alike.
    #[schemars(range(min = 1.0, max = 3_600.0), extend("x-step" = 1.0, "x-unit" = "s", "x-risk" = "none"))]
    pub cooldown: f64,
}

impl Default for MicroArbitrageParams {
    fn default() -> Self {
        Self {
            min_edge: 2.0,
            latency_buffer: 1.0,
            max_quote_age: 500.0,
            size: 5.0,
            inventory_cap: 20.0,
            cooldown: 30.0,
        }
    }
}
