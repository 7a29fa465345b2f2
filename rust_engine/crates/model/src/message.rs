//! Everything that crosses the bridge. Each struct is exported to `strategies/schemas/messages/<kind>.json`.
//!
//! `challenge`, `hello` and `welcome` open a link. After them a frame is a packet: what is due of heartbeat, acknowledgements,
//! messages and signals. Predictions and opportunities travel as signals, every other kind as a message; `gap_fill` stands
//! where signals will never be sent.

use crate::config::{BridgeCompression, BridgeEncoding, Mode, TradingState};
use crate::{Money, Qty};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of this file's contract; both sides refuse another.
pub const PROTOCOL: u32 = 4;

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
    Recommendation, SIGNAL_AHEAD_NS, SIGNAL_LONGEST_NS, Shortfall,
};
pub use steering::{
    AdvanceTo, AdviceAnswer, AdviceRequest, Command, CommandAck, CommandAction, ParamsAck, ParamsUpdate, RateUpdate,
    Reached, StateChanged,
};

messages! {
/// First frame of a link, from the worker: who dials must prove that it knows the secret now, not once.
pub struct Challenge {
    /// Must equal [`PROTOCOL`].
    pub protocol: u32,
    /// Random per link, 32 hex digits.
    pub nonce: String,
    /// Encodings that the worker reads; `json` is always among them.
    pub encodings: Vec<BridgeEncoding>,
    /// Compressions that the worker reads; `none` is always among them.
    pub compressions: Vec<BridgeCompression>,
}

/// The engine's answer to `challenge`.
pub struct Hello {
    /// Must equal [`PROTOCOL`].
    pub protocol: u32,
    /// Name of the engine.
    pub engine_id: String,
    /// Version of the build.
    pub build: String,
    /// Random per link, 32 hex digits.
    pub nonce: String,
    /// The nonce of the challenge, so that an old hello is worthless.
    pub worker_nonce: String,
    /// How packets are written from now on, by both sides.
    pub encoding: BridgeEncoding,
    /// How packets may be compressed from now on, by both sides.
    pub compression: BridgeCompression,
    /// Last message of the worker that is durable here.
    pub received_seq: u64,
    /// Last message that this engine has made.
    pub sent_seq: u64,
    /// The epoch of the worker's signals as the engine last knew it; empty for none.
    pub epoch: String,
    /// Last signal of that epoch that arrived.
    pub signals_received: u64,
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
    /// `capital` plus profit so far, at the last price.
    pub equity: Money,
    /// Capital the sizes refer to: its own times `capital_share`.
    pub capital: Money,
    /// Share of its own capital; 0 is idle.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub capital_share: f64,
}

/// The worker's answer to `hello`; packets follow.
pub struct Welcome {
    /// Must equal [`PROTOCOL`].
    pub protocol: u32,
    /// The engine's nonce, so that an old welcome is worthless.
    pub nonce: String,
    /// Last message of the engine whose effect is committed.
    pub received_seq: u64,
    /// First message the worker will send. An engine that has received none starts here; any other expects its next.
    pub resume_seq: u64,
    /// Random name of this worker process, 32 hex digits; signals are numbered anew in each.
    pub epoch: String,
    /// First signal the worker will send. An engine that does not know the epoch starts here.
    pub signals_resume_seq: u64,
}

/// A sign of life, and a measurement of the line.
pub struct Heartbeat {
    /// Sender's clock.
    pub at_ns: i64,
    /// `at_ns` of the last heartbeat that the sender received on this link, zero for none.
    pub echo_ns: i64,
    /// How long ago it received that.
    pub held_ns: i64,
    /// Market time processed; zero from the worker.
    pub reached_ns: i64,
    /// State of the engine; `active` from the worker.
    pub state: TradingState,
}

/// Stands for signals that will never be sent, from the item's `seq` on.
pub struct GapFill {
    /// Last of them.
    pub through: u64,
    /// How many of them expired.
    pub expired: u64,
    /// How many of them a newer one replaced.
    pub conflated: u64,
}
}

macro_rules! kinds {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// A message or signal of any kind.
        // Trades and marks, the large ones, are also the most frequent: a box each would cost more than it saves.
        #[allow(clippy::large_enum_variant)]
        #[derive(Clone, Debug, PartialEq)]
        pub enum Message { $(
            #[doc = concat!("`", $name, "`")]
            $variant($variant),
        )+ }

        impl Message {
            /// The kind, as in a packet's item.
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

            /// The body in the notation of `serializer`.
            ///
            /// # Errors
            /// As the serializer says.
            pub fn serialize_body<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self { $(Self::$variant(m) => m.serialize(serializer),)+ }
            }

            /// Reads a body of the given kind; `None` for a kind that does not exist.
            ///
            /// # Errors
            /// The notation or a field is wrong, or a field is unknown.
            pub fn deserialize_body<'de, D: serde::Deserializer<'de>>(kind: &str, body: D) -> Option<Result<Self, D::Error>> {
                match kind {
                    $($name => Some($variant::deserialize(body).map(Self::$variant)),)+
                    _ => None,
                }
            }

            /// Reads a body of the given kind from JSON text; `None` for a kind that does not exist.
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

        /// The schema of every message by kind, and of what the session itself says.
        #[must_use]
        pub fn message_schemas() -> BTreeMap<&'static str, schemars::Schema> {
            BTreeMap::from([
                $(($name, schemars::schema_for!($variant)),)+
                ("challenge", schemars::schema_for!(Challenge)),
                ("hello", schemars::schema_for!(Hello)),
                ("welcome", schemars::schema_for!(Welcome)),
                ("heartbeat", schemars::schema_for!(Heartbeat)),
                ("gap_fill", schemars::schema_for!(GapFill)),
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
