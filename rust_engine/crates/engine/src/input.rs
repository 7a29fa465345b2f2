//! Everything that can change what the engine does, apart from recorded bars.

use crate::external::VenueReport;
use crate::market_log::Position;
use model::config::EngineConfig;
use model::message::{AdvanceTo, AdviceAnswer, Command, Message, MevOpportunity, ParamsUpdate, Prediction, RateUpdate};
use serde::{Deserialize, Serialize};

/// What a run was started with. A later start must agree, or its replay would be another history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// `sha256` of the feed's bytes.
    pub feed_sha256: String,
    /// The configuration.
    pub config: EngineConfig,
}

/// Why held orders are refused without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Veto {
    /// The deadline passed.
    AdvisorTimeout,
    /// Nobody is connected who could answer.
    AdvisorAbsent,
}

impl Veto {
    /// The outcome that the stopped signal gets.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AdvisorTimeout => "advisor_timeout",
            Self::AdvisorAbsent => "advisor_absent",
        }
    }
}

/// What came of comparing the engine's orders and positions with the venue's; see [`risk::reconcile`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reconciliation {
    /// Why they do not agree, or were not yet compared; absent when they do.
    pub mismatch: Option<String>,
}

/// A message of the worker that is not obeyed, and why; recorded so that its number counts as received.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ignored {
    /// Its kind.
    pub kind: String,
    /// Why.
    pub reason: String,
}

/// The worker is known to have our messages up to here.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acked {
    /// Last of them.
    pub seq: u64,
}

/// Live events that went into the market log: the seal behind the last of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarketBatch {
    /// Event rows up to there.
    pub rows: u64,
    /// Hash of the segment up to there, as hex.
    pub sha256: String,
}

impl From<Position> for MarketBatch {
    fn from(seal: Position) -> Self {
        Self { rows: seal.rows, sha256: hex::encode(seal.sha256) }
    }
}

impl MarketBatch {
    /// The seal; `None` if the text is no hash.
    #[must_use]
    pub fn seal(&self) -> Option<Position> {
        let mut sha256 = [0; 32];
        hex::decode_to_slice(&self.sha256, &mut sha256).ok()?;
        Some(Position { rows: self.rows, sha256 })
    }
}

macro_rules! inputs {
    ($($(#[$doc:meta])* $variant:ident($ty:ty) = $name:literal),+ $(,)?) => {
        /// One input, as the journal keeps it.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Input {
            /// Nothing but the record's `step`: the market was processed up to there.
            Progress,
            $($(#[$doc])* $variant($ty),)+
        }

        impl Input {
            /// The kind, as in the journal.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self { Self::Progress => "progress", $(Self::$variant(_) => $name,)+ }
            }

            /// The input as JSON text.
            ///
            /// # Errors
            /// A value cannot be JSON.
            pub fn body(&self) -> Result<String, serde_json::Error> {
                match self { Self::Progress => Ok("null".to_owned()), $(Self::$variant(v) => serde_json::to_string(v),)+ }
            }

            /// Reads what [`Input::kind`] and [`Input::body`] wrote.
            ///
            /// # Errors
            /// Unknown kind, or a body of another form.
            pub fn parse(kind: &str, body: &str) -> Result<Self, serde_json::Error> {
                match kind {
                    "progress" => Ok(Self::Progress),
                    $($name => serde_json::from_str(body).map(Self::$variant),)+
                    other => Err(serde::de::Error::custom(format!("unknown input '{other}'"))),
                }
            }
        }
    };
}

inputs! {
    /// First record of every journal.
    Start(Box<Start>) = "start",
    /// Time was granted, by the worker or by the wall clock.
    Advance(AdvanceTo) = "advance_to",
    /// New parameters.
    Params(ParamsUpdate) = "params_update",
    /// An operator's order.
    Command(Command) = "command",
    /// The advisor's word.
    Advice(AdviceAnswer) = "advice_answer",
    /// The KRW rate.
    Rate(RateUpdate) = "rate_update",
    /// Nobody answered.
    Veto(Veto) = "veto",
    /// A model's view.
    Prediction(Prediction) = "prediction",
    /// A chance on a chain.
    Opportunity(MevOpportunity) = "mev_opportunity",
    /// What an exchange said about one of our orders.
    Report(VenueReport) = "venue_report",
    /// Live events of the market.
    Market(MarketBatch) = "market",
    /// The venue agrees with the engine, or does not.
    Reconciliation(Reconciliation) = "reconciliation",
    /// Not obeyed.
    Ignored(Ignored) = "ignored",
    /// Messages that recovery need not keep.
    Acked(Acked) = "acked",
}

impl From<Message> for Input {
    /// A message of the worker as an input. What only an engine may say is ignored by name.
    fn from(message: Message) -> Self {
        match message {
            Message::AdvanceTo(m) => Self::Advance(m),
            Message::ParamsUpdate(m) => Self::Params(m),
            Message::Command(m) => Self::Command(m),
            Message::AdviceAnswer(m) => Self::Advice(m),
            Message::RateUpdate(m) => Self::Rate(m),
            Message::Prediction(m) => Self::Prediction(m),
            Message::MevOpportunity(m) => Self::Opportunity(m),
            other => {
                Self::Ignored(Ignored { kind: other.kind().to_owned(), reason: "only an engine says this".to_owned() })
            }
        }
    }
}
