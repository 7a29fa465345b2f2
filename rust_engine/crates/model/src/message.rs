//! Everything that crosses the bridge. Each struct is exported to `strategies/schemas/messages/<kind>.json`.
//!
//! A frame is one [`Envelope`] as JSON text. Sequenced kinds carry `seq >= 1` per direction, are kept until acknowledged and
//! sent again after a reconnect; `hello`, `welcome` and `heartbeat` carry `seq = 0`. `mac` is
//! `hex(HMAC-SHA256(secret, "{kind}\n{seq}\n{ack}\n{body}"))` over the body's exact text, in both directions.

use crate::config::{Mode, TradingState};
use crate::order::{Liquidity, Purpose, Side};
use crate::{Money, Price, Qty};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of this file's contract; both sides refuse another.
pub const PROTOCOL: u32 = 1;

macro_rules! messages {
    ($($(#[$doc:meta])* pub struct $name:ident { $($(#[$fdoc:meta])* pub $field:ident: $ty:ty,)* })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
            #[serde(deny_unknown_fields)]
            pub struct $name { $($(#[$fdoc])* pub $field: $ty,)* }
        )+
    };
}

messages! {
/// First frame of the engine after it dialled.
pub struct Hello {
    /// Must equal [`PROTOCOL`].
    pub protocol: u32,
    /// Name of the engine.
    pub engine_id: String,
    /// Version of the build.
    pub build: String,
    /// Random per connection; part of the handshake's freshness.
    pub nonce: String,
    /// Last sequenced frame of the worker that is in the journal.
    pub received_seq: u64,
    /// Highest sequenced frame this engine has made.
    pub sent_seq: u64,
    /// Time up to which the market has been processed.
    pub reached_ns: i64,
    /// What runs, with versions and hashes.
    pub instances: Vec<InstanceState>,
    /// Active, reducing or halted.
    pub state: TradingState,
}

/// What one instance is, right now.
pub struct InstanceState {
    /// Name.
    pub instance_id: String,
    /// Strategy.
    pub strategy: String,
    /// Symbols.
    pub symbols: Vec<String>,
    /// Mode.
    pub mode: Mode,
    /// Version of its parameters.
    pub params_version: u64,
    /// Hash of its parameters.
    pub params_sha256: String,
    /// Parameters.
    pub params: BTreeMap<String, f64>,
    /// Signed position by symbol.
    pub positions: BTreeMap<String, Qty>,
    /// Equity at the last price.
    pub equity: Money,
    /// Capital the sizes refer to.
    pub capital: Money,
}

/// Answer of the worker to `hello`.
pub struct Welcome {
    /// Must equal [`PROTOCOL`].
    pub protocol: u32,
    /// The engine's nonce, so that an old welcome is worthless.
    pub nonce: String,
    /// Last sequenced frame of the engine whose effect is committed.
    pub received_seq: u64,
    /// First sequenced frame the worker will send. An engine that has received none starts here; any other expects its next.
    pub resume_seq: u64,
}

/// Sent by both sides when nothing else was sent for a second.
pub struct Heartbeat {
    /// Sender's clock.
    pub at_ns: i64,
    /// Market time processed; zero from the worker.
    pub reached_ns: i64,
    /// State of the engine; `active` from the worker.
    pub state: TradingState,
}

/// One end of a trade: what was wanted and what was got.
pub struct Execution {
    /// Price the strategy looked at.
    pub decision_price: Price,
    /// Price when the order reached the venue.
    pub arrival_price: Price,
    /// Price it traded at.
    pub fill_price: Price,
    /// When it was decided.
    pub decided_at_ns: i64,
    /// When it filled.
    pub filled_at_ns: i64,
    /// Maker or taker.
    pub liquidity: Liquidity,
    /// Fee of this end, for the closed quantity.
    pub fee: Money,
    /// Modelled slippage of this end, for the closed quantity.
    pub slippage: Money,
}

/// Indicators of the symbol at the decision, from closed bars only; null until warmed up.
pub struct IndicatorSnapshot {
    /// RSI(14), 0 to 100.
    pub rsi: Option<f64>,
    /// MACD(12, 26) line in price units.
    pub macd: Option<f64>,
    /// Its EMA(9).
    pub macd_signal: Option<f64>,
    /// Upper Bollinger band (20, 2).
    pub bollinger_upper: Option<f64>,
    /// Lower Bollinger band (20, 2).
    pub bollinger_lower: Option<f64>,
    /// EMA(12).
    pub ema_fast: Option<f64>,
    /// EMA(26).
    pub ema_slow: Option<f64>,
    /// ATR(14) in price units.
    pub atr: Option<f64>,
}

/// State of the symbol's market at the decision; null until warmed up.
pub struct MarketConditions {
    /// Standard deviation of the last 48 log returns, in bps per bar.
    pub volatility_bps: Option<f64>,
    /// Volume over its mean of the last 48 bars.
    pub volume_ratio: Option<f64>,
    /// EMA(12) over EMA(26) minus one, in bps.
    pub trend_bps: Option<f64>,
}

/// The book at the decision. Bars prove none, so it is null there.
pub struct BookSnapshot {
    /// Bids, best first: price and quantity.
    pub bids: Vec<(Price, Qty)>,
    /// Asks, best first.
    pub asks: Vec<(Price, Qty)>,
}

/// A closed round trip: one closing fill against the oldest open quantity.
pub struct TradeEvent {
    /// `{instance_id}-{n}`, n counting the instance's round trips.
    pub trade_id: String,
    /// Instance that traded.
    pub instance_id: String,
    /// Its strategy.
    pub strategy: String,
    /// Its mode.
    pub mode: Mode,
    /// Version of the parameters that decided the entry.
    pub params_version: u64,
    /// Their hash.
    pub params_sha256: String,
    /// Symbol.
    pub symbol: String,
    /// Side of the entry.
    pub side: Side,
    /// Closed quantity.
    pub qty: Qty,
    /// Strength of the entry signal.
    pub signal_strength: f64,
    /// How it was opened.
    pub entry: Execution,
    /// How it was closed.
    pub exit: Execution,
    /// Why it was closed.
    pub exit_reason: Purpose,
    /// Profit before fees and slippage.
    pub gross_pnl: Money,
    /// Profit after both.
    pub net_pnl: Money,
    /// Indicators at the entry decision.
    pub indicators: IndicatorSnapshot,
    /// Market at the entry decision.
    pub conditions: MarketConditions,
    /// Book at the entry decision, null when the market data hold none.
    pub book: Option<BookSnapshot>,
    /// The advice that let it pass, null when none was asked.
    pub advice_id: Option<String>,
}

/// A wish to open, taken or not.
pub struct SignalEvent {
    /// `{instance_id}-s{n}`.
    pub signal_id: String,
    /// Instance.
    pub instance_id: String,
    /// Strategy.
    pub strategy: String,
    /// Symbol.
    pub symbol: String,
    /// Direction.
    pub side: Side,
    /// Strength.
    pub strength: f64,
    /// When.
    pub at_ns: i64,
    /// Price looked at.
    pub price: Price,
    /// Quantity wanted.
    pub qty: Qty,
    /// Version of the parameters.
    pub params_version: u64,
    /// `taken`, or the rule that stopped it: a risk limit, `advisor_veto`, `advisor_timeout`, `halted`, or the strategy's own.
    pub outcome: String,
    /// Indicators at that moment.
    pub indicators: IndicatorSnapshot,
    /// Market at that moment.
    pub conditions: MarketConditions,
}

/// Equity of one instance at a round time.
pub struct EquityMark {
    /// Instance.
    pub instance_id: String,
    /// Strategy.
    pub strategy: String,
    /// Mode.
    pub mode: Mode,
    /// When.
    pub at_ns: i64,
    /// Capital the sizes refer to.
    pub capital: Money,
    /// Capital plus realised and unrealised profit, after costs.
    pub equity: Money,
    /// Sum of absolute positions at the last price.
    pub gross_notional: Money,
    /// Fees and slippage so far.
    pub costs: Money,
    /// Version of the parameters.
    pub params_version: u64,
    /// Signed position by symbol.
    pub positions: BTreeMap<String, Qty>,
    /// Last price by symbol.
    pub prices: BTreeMap<String, Price>,
}

/// New parameters for one instance, applied between two events if the base still holds.
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
    /// Hash of the new parameters.
    pub params_sha256: String,
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
    /// `{instance_id}-a{n}`.
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

/// One frame. `body` is the JSON of the kind's struct.
pub struct Envelope {
    /// Kind of the body, for example `trade_event`.
    pub kind: String,
    /// Sequence number of the sender, zero for unsequenced kinds.
    pub seq: u64,
    /// Last sequenced frame of the peer whose effect is durable.
    pub ack: u64,
    /// Body as JSON text, exactly as signed.
    pub body: String,
    /// See the module's text.
    pub mac: String,
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

macro_rules! kinds {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// A sequenced message of any kind.
        // Trades and marks, the large ones, are also the most frequent: a box each would cost more than it saves.
        #[allow(clippy::large_enum_variant)]
        #[derive(Clone, Debug, PartialEq)]
        pub enum Message { $(
            #[doc = concat!("`", $name, "`")]
            $variant($variant),
        )+ }

        impl Message {
            /// The kind, as in the envelope.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)+ }
            }

            /// The body as JSON text.
            ///
            /// # Errors
            /// Only if a value cannot be JSON, which the types exclude (no NaN leaves a strategy).
            pub fn body(&self) -> Result<String, serde_json::Error> {
                match self { $(Self::$variant(m) => serde_json::to_string(m),)+ }
            }

            /// Reads a body of the given kind; `None` for a kind that does not exist.
            ///
            /// # Errors
            /// The JSON or a field is wrong, or a field is unknown.
            pub fn parse(kind: &str, body: &str) -> Option<Result<Self, serde_json::Error>> {
                match kind {
                    $($name => Some(serde_json::from_str(body).map(Self::$variant)),)+
                    _ => None,
                }
            }
        }

        /// The schema of every message by kind, and of the envelope.
        #[must_use]
        pub fn message_schemas() -> BTreeMap<&'static str, schemars::Schema> {
            BTreeMap::from([
                $(($name, schemars::schema_for!($variant)),)+
                ("hello", schemars::schema_for!(Hello)),
                ("welcome", schemars::schema_for!(Welcome)),
                ("heartbeat", schemars::schema_for!(Heartbeat)),
                ("envelope", schemars::schema_for!(Envelope)),
            ])
        }
    };
}

kinds! {
    TradeEvent = "trade_event", SignalEvent = "signal_event", EquityMark = "equity_mark",
    ParamsUpdate = "params_update", ParamsAck = "params_ack", Command = "command", CommandAck = "command_ack",
    AdviceRequest = "advice_request", AdviceAnswer = "advice_answer", AdvanceTo = "advance_to", Reached = "reached",
    RateUpdate = "rate_update", StateChanged = "state_changed",
}
