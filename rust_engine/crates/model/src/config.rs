//! The engine's own configuration: what trades, at which cost, inside which limits. Limits are out of the proposers' reach.

use crate::{Money, SymbolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an instance's orders are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Mode {
    /// Trades for the account.
    Live,
    /// A second instance beside the incumbent, with a share of its capital.
    Canary,
    /// Same events, simulated venue, no capital.
    Shadow,
    /// Old parameters kept running as the counterfactual.
    Twin,
}

/// Whether new exposure may be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum TradingState {
    /// Everything the limits allow.
    Active,
    /// Only what shrinks a position.
    Reducing,
    /// Nothing but cancels and reductions asked for by name.
    Halted,
}

/// One strategy with its parameters and its share of the capital.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstanceConfig {
    /// Name, unique in the run, for example `momentum-1`.
    pub instance_id: String,
    /// Which strategy.
    pub strategy: String,
    /// Which symbols it trades, by name.
    pub symbols: Vec<String>,
    /// Its capital in quote currency; sizes are shares of this and do not compound.
    pub capital: Money,
    /// Live, canary, shadow or twin.
    pub mode: Mode,
    /// Version of the parameters below.
    pub version: u64,
    /// Parameters by name.
    pub params: BTreeMap<String, f64>,
}

/// What trading costs. Rates are in basis points of notional.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// Fee of a fill that rested.
    #[schemars(range(min = -10.0, max = 1000.0))]
    pub maker_fee_bps: f64,
    /// Fee of a fill that crossed.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub taker_fee_bps: f64,
    /// Cost of crossing beyond the proven price.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub slippage_bps: f64,
}

impl Default for Costs {
    fn default() -> Self {
        Self { maker_fee_bps: 2.0, taker_fee_bps: 5.0, slippage_bps: 2.0 }
    }
}

/// Hard limits, checked when an order is sent. Amounts are in quote currency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RiskLimits {
    /// Largest notional of one order.
    pub max_order_notional: Money,
    /// Largest absolute position of one instance in one symbol.
    pub max_position_notional: Money,
    /// Largest sum of absolute positions over everything.
    pub max_gross_notional: Money,
    /// Largest distance of a limit price from the last price.
    #[schemars(range(min = 1.0, max = 10000.0))]
    pub price_collar_bps: f64,
}

/// When the advisor is asked, and how long the engine waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdvicePolicy {
    /// Whether opening trades are gated at all.
    pub enabled: bool,
    /// Ask when the signal is stronger than this.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_strength: f64,
    /// Ask when the order is worth more than this, in KRW.
    pub min_notional_krw: f64,
    /// KRW per quote unit, from the worker at start; refreshed by `rate_update`.
    pub krw_per_quote: f64,
    /// A rate older than this counts as unknown, and every opening trade as large.
    pub rate_max_age_ms: u64,
    /// No answer within this time on the injected clock is a no.
    pub deadline_ms: u64,
}

/// How time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Pace {
    /// The driver grants time over the bridge; nothing happens past the grant.
    Granted,
    /// A bar is due when the wall clock passes its close.
    Realtime,
}

/// Everything `xcrack-engine run` needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EngineConfig {
    /// Name of this engine in messages.
    pub engine_id: String,
    /// Directory of journal, lock and control socket.
    pub state_dir: String,
    /// Bars to play: a NumPy `.npy` of records `symbol, opened_at_ns, closed_at_ns, open, high, low, close, volume`.
    pub feed: String,
    /// Symbols of the feed; a record's `symbol` is an index into this list.
    pub symbols: Vec<SymbolSpec>,
    /// Granted or real time.
    pub pace: Pace,
    /// Bars closed at or before this warm up indicators and are not traded.
    pub trade_from_ns: i64,
    /// What runs.
    pub instances: Vec<InstanceConfig>,
    /// Costs of the simulated venue.
    pub costs: Costs,
    /// Hard limits.
    pub limits: RiskLimits,
    /// The advisor.
    pub advice: AdvicePolicy,
    /// Distance of two equity marks.
    pub mark_interval_ms: u64,
    /// `ws://127.0.0.1:PORT/ai_bridge`.
    pub bridge_url: String,
    /// File with the shared secret, mode 0600.
    pub secret_file: String,
}
