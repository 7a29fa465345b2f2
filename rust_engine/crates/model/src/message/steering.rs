//! What steers the engine, and its word on it: parameters, commands, advice, granted time, the KRW rate.

use super::facts::{IndicatorSnapshot, MarketConditions};
use crate::config::TradingState;
use crate::order::Side;
use crate::{Money, Price, Qty};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

messages! {
/// New parameters, another rule set or another share of the capital for one instance, applied between two events if the base still holds.
pub struct ParamsUpdate {
    /// Id of the deployment behind it.
    pub deployment_id: String,
    /// Instance to change.
    pub instance_id: String,
    /// Version it must have now.
    pub base_version: u64,
    /// Hash it must have now.
    pub base_sha256: String,
    /// Version it gets, above the base.
    pub version: u64,
    /// All parameters by name.
    pub params: BTreeMap<String, f64>,
    /// The rule set to follow from now on, as its one JSON text; null keeps the one that runs. Only strategy `rules` takes one.
    #[schemars(length(max = 16384))]
    pub rules: Option<String>,
    /// Hash of the new parameters, with that of the rule set where there is one.
    pub params_sha256: String,
    /// The share of the instance's capital that sizes of new orders refer to; at 0 the position is closed and nothing opened.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub capital_share: f64,
    /// Who is behind it: proposal id, or the person who rolled back.
    pub origin: String,
    /// On the injected clock.
    pub issued_at_ns: i64,
    /// Refused at or after this.
    pub expires_at_ns: i64,
}

/// What became of an update.
pub struct ParamsAck {
    /// Id of the deployment.
    pub deployment_id: String,
    /// Instance.
    pub instance_id: String,
    /// Whether it was applied.
    pub applied: bool,
    /// Version now in force.
    pub version: u64,
    /// Hash now in force.
    pub params_sha256: String,
    /// Share of the capital now in force; 0 for an unknown instance.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub capital_share: f64,
    /// Market time of the boundary at which it took effect.
    pub at_ns: i64,
    /// Empty, or why it was refused.
    pub reason: String,
}

/// An operator's order to the engine, from the worker. The control socket takes the same.
pub struct Command {
    /// Unique; a repeat has no second effect.
    pub command_id: String,
    /// `halt`, `reduce`, `resume` or `flatten`.
    pub action: CommandAction,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What became of a command.
pub struct CommandAck {
    /// Id of the command.
    pub command_id: String,
    /// State after it.
    pub state: TradingState,
    /// Market time.
    pub at_ns: i64,
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// May this opening trade go ahead?
pub struct AdviceRequest {
    /// `{engine_id}:{instance_id}-a{n}`.
    pub advice_id: String,
    /// Instance.
    pub instance_id: String,
    /// Strategy.
    pub strategy: String,
    /// Symbol.
    pub symbol: String,
    /// Direction.
    pub side: Side,
    /// Quantity.
    pub qty: Qty,
    /// Price looked at.
    pub price: Price,
    /// Notional in quote currency.
    pub notional: Money,
    /// Strength of the signal.
    pub strength: f64,
    /// When it was decided.
    pub at_ns: i64,
    /// The engine waits until this on the injected clock.
    pub deadline_ns: i64,
    /// KRW per quote unit in force, null when unknown or too old.
    pub krw_per_quote: Option<f64>,
    /// Equity of the instance.
    pub equity: Money,
    /// Signed position in the symbol.
    pub position: Qty,
    /// Indicators now.
    pub indicators: IndicatorSnapshot,
    /// Market now.
    pub conditions: MarketConditions,
}

/// The advisor's word. It can stop or shrink an order, never raise it.
pub struct AdviceAnswer {
    /// Which request.
    pub advice_id: String,
    /// Whether to go ahead.
    pub approve: bool,
    /// Share of the quantity to keep, 0 < f <= 1; ignored on a no.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub size_factor: f64,
    /// Short machine-readable reason.
    pub reason: String,
}

/// Permission to process every event up to and including this time.
pub struct AdvanceTo {
    /// The time.
    pub to_ns: i64,
}

/// All events up to this time are processed and everything they caused was sent before this frame.
pub struct Reached {
    /// The time.
    pub to_ns: i64,
    /// Bars processed since the start.
    pub bars: u64,
    /// Whether the feed holds nothing later.
    pub feed_ended: bool,
    /// Hash chain over all actions so far, for replays.
    pub actions_sha256: String,
}

/// The KRW rate in force, so that the engine can tell a large trade.
pub struct RateUpdate {
    /// KRW per quote unit.
    pub krw_per_quote: f64,
    /// When the rate was observed.
    pub observed_at_ns: i64,
}

/// Trading state changed.
pub struct StateChanged {
    /// The new state.
    pub state: TradingState,
    /// Market time.
    pub at_ns: i64,
    /// Who or which rule.
    pub by: String,
    /// Why, and what releases it.
    pub reason: String,
}
}

/// What an operator may order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum CommandAction {
    /// No new exposure, cancel what rests; latched until `resume`.
    Halt,
    /// Only reductions; latched until `resume`.
    Reduce,
    /// Back to active, by a named person.
    Resume,
    /// Halt and close every position.
    Flatten,
}
