//! Everything that crosses the bridge. Each struct is exported to `strategies/schemas/messages/<kind>.json`.
//!
//! A frame is one [`Envelope`] as JSON text. Sequenced kinds carry `seq >= 1` per direction, are kept until acknowledged and
//! sent again after a reconnect; `hello`, `welcome` and `heartbeat` carry `seq = 0`. `mac` is
//! `hex(HMAC-SHA256(secret, "{kind}\n{seq}\n{ack}\n{body}"))` over the body's exact text, in both directions.

use crate::config::{Mode, TradingState};
use crate::{Money, Qty};
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

mod facts;
mod signals;
mod steering;

pub use facts::{BookSnapshot, EquityMark, Execution, IndicatorSnapshot, MarketConditions, SignalEvent, TradeEvent};
pub use signals::{
    LendingProtocol, LoanPosition, LoanReserve, MevOpportunity, OpportunityKind, PerformanceFeedback, Prediction,
    Recommendation, Shortfall,
};
pub use steering::{
    AdvanceTo, AdviceAnswer, AdviceRequest, Command, CommandAck, CommandAction, ParamsAck, ParamsUpdate, RateUpdate,
    Reached, StateChanged,
};

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
    Prediction = "prediction", PerformanceFeedback = "performance_feedback", MevOpportunity = "mev_opportunity",
}
