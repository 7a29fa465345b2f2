//! Parameters of `market_making`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Quotes layers on both sides, leans against its inventory and never holds more than its cap. How wide it quotes and how far it
/// leans is fixed in mode 0 and follows volatility, inventory and order arrivals in modes 1 (Avellaneda-Stoikov) and 2 (GLFT).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-decides-on" = "bars"))]
pub struct MarketMakingParams {
    /// Distance between the innermost bid and ask; in modes 1 and 2 the least one.
    #[schemars(range(min = 2.0, max = 400.0), extend("x-step" = 1.0, "x-unit" = "bps", "x-risk" = "none"))]
    pub spread_threshold: f64,
    /// Quotes on each side; each further layer stands one spread further out.
    #[schemars(range(min = 1.0, max = 5.0), extend("x-step" = 1.0, "x-unit" = "layers", "x-risk" = "cap"))]
    pub order_layers: f64,
    /// Mode 0: shift of the quote centre at full inventory, in half spreads, against the inventory.
    #[schemars(range(min = 0.0, max = 2.0), extend("x-step" = 0.1, "x-unit" = "half-spreads", "x-risk" = "none"))]
    pub inventory_skew: f64,
    /// Largest absolute inventory in one symbol, as a share of the instance's capital.
    #[schemars(range(min = 1.0, max = 50.0), extend("x-step" = 1.0, "x-unit" = "% of capital", "x-risk" = "cap"))]
    pub inventory_cap: f64,
    /// Size of one quote, as a share of the instance's capital.
    #[schemars(range(min = 0.5, max = 10.0), extend("x-step" = 0.5, "x-unit" = "% of capital", "x-risk" = "cap"))]
    pub order_size: f64,
    /// How quotes are set: 0 fixed spread and skew, 1 Avellaneda-Stoikov, 2 Gueant-Lehalle-Fernandez-Tapia.
    #[schemars(range(min = 0.0, max = 2.0), extend("x-step" = 1.0, "x-unit" = "mode", "x-risk" = "none"))]
    pub mode: f64,
    /// Modes 1 and 2: risk aversion gamma, for an inventory of one quote and prices in bps.
    #[schemars(range(min = 0.001, max = 1.0), extend("x-step" = 0.001, "x-unit" = "1/bps", "x-risk" = "none"))]
    pub risk_aversion: f64,
    /// Mode 1: the time T - t that inventory is held for; it rolls, since markets do not close.
    #[schemars(range(min = 1.0, max = 3600.0), extend("x-step" = 1.0, "x-unit" = "s", "x-risk" = "none"))]
    pub horizon: f64,
    /// Mode 2: order arrivals at the middle, until enough prints were seen to measure them.
    #[schemars(range(min = 0.01, max = 100.0), extend("x-step" = 0.01, "x-unit" = "orders/s", "x-risk" = "none"))]
    pub arrival_rate: f64,
    /// Modes 1 and 2: decay of order arrivals with their distance from the middle, until it can be measured.
    #[schemars(range(min = 0.01, max = 10.0), extend("x-step" = 0.01, "x-unit" = "1/bps", "x-risk" = "none"))]
    pub arrival_decay: f64,
}

impl Default for MarketMakingParams {
    fn default() -> Self {
        Self {
            spread_threshold: 60.0,
            order_layers: 2.0,
            inventory_skew: 0.5,
            inventory_cap: 20.0,
            order_size: 5.0,
            mode: 0.0,
            risk_aversion: 0.01,
            horizon: 60.0,
            arrival_rate: 1.0,
            arrival_decay: 0.3,
        }
    }
}
