//! Parameters of `rules`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The numbers of a strategy given as data; what it does is in its rule set, which is structure and not tuned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-decides-on" = "bars"))]
pub struct RulesParams {
    /// Notional of one entry, as a share of the instance's capital, before the rule set's own sizing.
    #[schemars(range(min = 1.0, max = 100.0), extend("x-step" = 1.0, "x-unit" = "% of capital", "x-risk" = "cap"))]
    pub size: f64,
    /// Distance of the stop from the entry; unused where the rule set names no distance.
    #[schemars(range(min = 0.1, max = 10.0), extend("x-step" = 0.1, "x-unit" = "stop distances", "x-risk" = "none"))]
    pub stop: f64,
    /// Distance of the target from the entry, 0 for no target; unused where the rule set names no distance.
    #[schemars(range(min = 0.0, max = 20.0), extend("x-step" = 0.1, "x-unit" = "stop distances", "x-risk" = "none"))]
    pub target: f64,
    /// Longest time in a position, 0 for no bound.
    #[schemars(range(min = 0.0, max = 10_000.0), extend("x-step" = 1.0, "x-unit" = "bars", "x-risk" = "none"))]
    pub max_hold: f64,
}

impl Default for RulesParams {
    fn default() -> Self {
        Self { size: 10.0, stop: 2.0, target: 0.0, max_hold: 0.0 }
    }
}
