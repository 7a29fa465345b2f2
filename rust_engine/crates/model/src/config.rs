//! The engine's own configuration: what trades, at which cost, inside which limits. Limits are out of the proposers' reach.

use crate::{Money, Qty, RuleSet, SymbolSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod bridge;
mod markets;
mod state;

pub use bridge::{BridgeCompression, BridgeEncoding, BridgeTls};
pub use markets::{CandleInterval, MarketFeedConfig, MarketStreams, MarketVenue};
pub use state::{Retain, StateConfig};

/// What an instance's orders are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Mode {
    /// Trades for the account.
    Live,
    /// A second instance beside a live one, on a share of its capital.
    Canary,
    /// A candidate on the same events, filled by a simulated venue whatever the venue of live instances is.
    Shadow,
    /// Old parameters kept running as the counterfactual, filled as a shadow's.
    Twin,
}

impl Mode {
    /// Whether it trades the account's capital.
    #[must_use]
    pub const fn is_funded(self) -> bool {
        matches!(self, Self::Live | Self::Canary)
    }
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
    /// The share of `capital` that its sizes refer to at the start; 0 is idle: it sees the market and opens nothing.
    #[serde(default = "whole")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub capital_share: f64,
    /// Live, canary, shadow or twin.
    pub mode: Mode,
    /// Version of the parameters below.
    pub version: u64,
    /// Parameters by name.
    pub params: BTreeMap<String, f64>,
    /// Which events it decides on; candles feed its indicators in any case.
    #[serde(default)]
    pub driver: Driver,
    /// The program of strategy `rules`; no other strategy has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<RuleSet>,
}

const fn whole() -> f64 {
    1.0
}

/// Which events of the market a strategy decides on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Driver {
    /// Closed candles.
    #[default]
    Bars,
    /// Public prints.
    Trades,
    /// Changes of the best prices.
    Quotes,
    /// Changes of the book.
    Book,
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

/// How the simulated venue fills orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum VenueModel {
    /// On the prices that the next candle proves.
    #[default]
    Bars,
    /// On prints, quotes and books, with latency and a place in the queue.
    Book,
    /// Not simulated: orders go to an exchange and its reports come back.
    External,
}

impl VenueModel {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    const fn is_bars(&self) -> bool {
        matches!(self, Self::Bars)
    }
}

/// How a resting order moves up when others leave the queue before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "type")]
#[schemars(inline)]
pub enum QueueModel {
    /// Only prints move it: every cancellation is behind it.
    #[default]
    RiskAverse,
    /// A cancellation is before it with a probability of `f(back) / (f(back) + f(front))`, `f(x) = x^power`.
    ProbPower {
        /// The exponent.
        power: f64,
    },
}

/// What a price beyond ours proves about our resting order: somebody traded or stood where ours came first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum SweptFill {
    /// It filled as far as was printed or shown there, so that our fills never exceed what the market offered.
    #[default]
    Offered,
    /// It filled whole: ours is taken as small beside the market.
    Whole,
}

/// Fees of one tier; the tier holds from this traded volume on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeeTier {
    /// Traded notional of the last 30 days from which it holds.
    pub from_notional: Money,
    /// Fee of a fill that rested, in bps.
    #[schemars(range(min = -10.0, max = 1000.0))]
    pub maker_fee_bps: f64,
    /// Fee of a fill that crossed, in bps.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub taker_fee_bps: f64,
}

/// The simulated venue beyond its base costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VenueConfig {
    /// How orders fill.
    pub model: VenueModel,
    /// From a decision to the exchange.
    pub order_latency_us: u64,
    /// From the exchange back to the engine: answers and, where the data hold no stamp of their own, the market.
    pub feed_latency_us: u64,
    /// The queue.
    pub queue: QueueModel,
    /// What a price beyond ours fills.
    pub swept: SweptFill,
    /// Fee tiers, ascending; empty leaves the base costs.
    pub fee_tiers: Vec<FeeTier>,
    /// Messages a second that the venue takes; zero is no bound.
    pub max_messages_per_s: u32,
    /// For `external`: whether the account may hold less than nothing of a symbol. True on futures; on Spot false, where a sale
    /// is at most what the engine bought there and still holds.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub short_sales: bool,
    /// For `external`: how the orders of shadows and twins fill, which never leave; not `external`.
    #[serde(skip_serializing_if = "VenueModel::is_bars")]
    pub simulated: VenueModel,
    /// Share of orders, never of cancels, that the simulated book venue refuses for reasons of its own; zero refuses none.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub reject_rate: f64,
    /// Which orders those are: another seed, others.
    #[serde(skip_serializing_if = "is_default")]
    pub reject_seed: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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
    /// Largest quantity of one order by symbol, in base units.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub max_order_qty: BTreeMap<String, Qty>,
    /// Orders and cancels of the account within one second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_messages_per_s: Option<u32>,
    /// Openings by one instance on one side of one symbol within `repeat_window_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_repeats: Option<u32>,
    /// Window of `max_repeats`.
    #[serde(default = "default_repeat_window_ms")]
    pub repeat_window_ms: u64,
    /// An opening that equals one of the same instance this short ago is a duplicate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_window_ms: Option<u64>,
    /// Loss of the account since 00:00 UTC at which it halts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_daily_loss: Option<Money>,
    /// Fall of the account's equity from its peak at which it halts, in per cent of the peak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_drawdown_pct: Option<f64>,
    /// The share of the two limits above at which only reductions are allowed, in per cent.
    #[serde(default = "default_reduce_at_pct")]
    pub reduce_at_pct: f64,
    /// Whether a halt by a limit, the dead-man or a kill file also closes every position.
    #[serde(default)]
    pub flatten_on_halt: bool,
}

const fn default_repeat_window_ms() -> u64 {
    10_000
}

const fn default_reduce_at_pct() -> f64 {
    80.0
}

impl RiskLimits {
    /// Whether losses of the account can stop it.
    #[must_use]
    pub fn limits_losses(&self) -> bool {
        self.max_daily_loss.is_some() || self.max_drawdown_pct.is_some()
    }

    /// The four limits that every account has; everything else off.
    #[must_use]
    pub fn basic(order: Money, position: Money, gross: Money, price_collar_bps: f64) -> Self {
        Self {
            max_order_notional: order,
            max_position_notional: position,
            max_gross_notional: gross,
            price_collar_bps,
            max_order_qty: BTreeMap::new(),
            max_messages_per_s: None,
            max_repeats: None,
            repeat_window_ms: default_repeat_window_ms(),
            duplicate_window_ms: None,
            max_daily_loss: None,
            max_drawdown_pct: None,
            reduce_at_pct: default_reduce_at_pct(),
            flatten_on_halt: false,
        }
    }
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
    /// Bars to play: a NumPy `.npy` of records `symbol, opened_at_ns, closed_at_ns, open, high, low, close, volume`. With
    /// `markets` they only warm up, and none may close after `trade_from_ns`; empty where there are none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub feed: String,
    /// Symbols of the feed; a record's `symbol` is an index into this list.
    pub symbols: Vec<SymbolSpec>,
    /// Public market data to listen to; empty where all data come from `feed` or over the bridge.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub markets: Vec<MarketFeedConfig>,
    /// Snapshots and the log of live market events.
    #[serde(default)]
    pub state: StateConfig,
    /// Granted or real time.
    pub pace: Pace,
    /// Bars closed at or before this warm up indicators and are not traded.
    pub trade_from_ns: i64,
    /// What runs.
    pub instances: Vec<InstanceConfig>,
    /// Costs of the simulated venue.
    pub costs: Costs,
    /// How the simulated venue fills, beyond its costs.
    #[serde(default)]
    pub venue: VenueConfig,
    /// Hard limits.
    pub limits: RiskLimits,
    /// The advisor.
    pub advice: AdvicePolicy,
    /// Distance of two equity marks.
    pub mark_interval_ms: u64,
    /// The worker: `ws://127.0.0.1:PORT/ai_bridge`, `tcp://127.0.0.1:PORT` or `redis://127.0.0.1:PORT/DB`; from another
    /// machine `wss://` or `tcps://`, with `bridge_tls`.
    pub bridge_url: String,
    /// How packets are written.
    #[serde(default)]
    pub bridge_encoding: BridgeEncoding,
    /// Whether they are compressed.
    #[serde(default)]
    pub bridge_compression: BridgeCompression,
    /// Files for `wss://` and `tcps://`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge_tls: Option<BridgeTls>,
    /// File with the shared secret, mode 0600.
    pub secret_file: String,
    /// Trading halts when neither the worker nor an operator was heard from for this long; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_man_ms: Option<u64>,
    /// Where `GET /metrics` and `GET /health` answer: `PORT` on this machine alone, or `ADDRESS:PORT`; absent: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_listen: Option<String>,
}
