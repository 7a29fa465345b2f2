//! Everything that can change what the engine does, apart from the market itself.

use model::config::EngineConfig;
use model::message::{AdvanceTo, AdviceAnswer, Command, Message, ParamsUpdate, RateUpdate};
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
            other => {
                Self::Ignored(Ignored { kind: other.kind().to_owned(), reason: "only an engine says this".to_owned() })
            }
        }
    }
}
