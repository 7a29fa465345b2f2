//! A strategy as data: when to enter, when to leave, how much and how far the stop stands, as expressions over
//! indicators.
//!
//! An expression has one of four kinds: a price, a distance of prices, a plain number or a truth. [`RuleSet::validate`]
//! refuses what mixes them, so that no rule compares a price with a constant and silently means another thing for the
//! next symbol. Every tree is bounded in nodes, depth and windows: whatever is accepted costs a bounded time per bar.
//!
//! An expression is unknown until all its indicators are warm, and whenever it divides by zero or leaves the finite
//! numbers; whatever contains an unknown is unknown, and a rule that is unknown does not act.

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

mod check;

pub use check::{Kind, Reason, RuleError};

/// Most nodes in all expressions of a rule set together.
pub const MAX_NODES: usize = 128;
/// Most nodes from the root of an expression to a leaf, both included.
pub const MAX_DEPTH: usize = 12;
/// Longest window of an indicator, in bars.
pub const MAX_WINDOW: u16 = 500;
/// Largest magnitude of a constant.
pub const MAX_NUMBER: f64 = 1e6;
/// Longest text of a rule set in a message; the one JSON text of a valid one is below half of it.
pub const MAX_TEXT_BYTES: usize = 16_384;

/// One node of an expression. Windows count closed bars, the newest included unless said otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Expr {
    /// A constant: a plain number. Zero may also be compared with a distance.
    Number(#[schemars(range(min = -1e6, max = 1e6))] f64),
    /// First price of the bar: a price.
    Open,
    /// Highest price of the bar: a price.
    High,
    /// Lowest price of the bar: a price.
    Low,
    /// Last price of the bar: a price.
    Close,
    /// Mean of the last closes: a price.
    Sma {
        /// Bars.
        #[schemars(range(min = 1, max = 500))]
        window: u16,
    },
    /// Exponential mean of closes with weight `2 / (window + 1)`: a price.
    Ema {
        /// Bars.
        #[schemars(range(min = 1, max = 500))]
        window: u16,
    },
    /// Wilder's relative strength index, 0 to 100: a number.
    Rsi {
        /// Changes of the close.
        #[schemars(range(min = 2, max = 500))]
        window: u16,
    },
    /// `ema(fast) - ema(slow)`: a distance.
    MacdLine {
        /// Bars, below `slow`.
        #[schemars(range(min = 1, max = 500))]
        fast: u16,
        /// Bars.
        #[schemars(range(min = 2, max = 500))]
        slow: u16,
    },
    /// Exponential mean of the MACD line: a distance.
    MacdSignal {
        /// Bars, below `slow`.
        #[schemars(range(min = 1, max = 500))]
        fast: u16,
        /// Bars.
        #[schemars(range(min = 2, max = 500))]
        slow: u16,
        /// Values of the line.
        #[schemars(range(min = 1, max = 500))]
        signal: u16,
    },
    /// Mean of closes plus `width` population standard deviations: a price.
    BollingerUpper {
        /// Bars.
        #[schemars(range(min = 2, max = 500))]
        window: u16,
        /// Standard deviations.
        #[schemars(range(min = 0.1, max = 10.0))]
        width: f64,
    },
    /// Mean of closes minus `width` population standard deviations: a price.
    BollingerLower {
        /// Bars.
        #[schemars(range(min = 2, max = 500))]
        window: u16,
        /// Standard deviations.
        #[schemars(range(min = 0.1, max = 10.0))]
        width: f64,
    },
    /// Wilder's average true range: a distance.
    Atr {
        /// True ranges.
        #[schemars(range(min = 1, max = 500))]
        window: u16,
    },
    /// Highest high of the bars **before** the newest, so that the newest can break it: a price.
    Highest {
        /// Bars.
        #[schemars(range(min = 1, max = 500))]
        window: u16,
    },
    /// Lowest low of the bars **before** the newest: a price.
    Lowest {
        /// Bars.
        #[schemars(range(min = 1, max = 500))]
        window: u16,
    },
    /// `close / close of so many bars ago - 1`: a number.
    Return {
        /// Bars.
        #[schemars(range(min = 1, max = 500))]
        bars: u16,
    },
    /// Volume of the bar over the mean volume of the window: a number; unknown while that mean is zero.
    VolumeRatio {
        /// Bars.
        #[schemars(range(min = 2, max = 500))]
        window: u16,
    },
    /// Hour of the bar's close, UTC, 0 to 23: a number.
    HourOfDay,
    /// Day of the bar's close, UTC, 1 (Monday) to 7 (Sunday): a number.
    Weekday,
    /// Sum.
    Add(Box<Self>, Box<Self>),
    /// Difference; of two prices it is a distance.
    Subtract(Box<Self>, Box<Self>),
    /// Product; one side at least is a plain number.
    Multiply(Box<Self>, Box<Self>),
    /// Quotient; unknown when the divisor is zero.
    Divide(Box<Self>, Box<Self>),
    /// First > second.
    Above(Box<Self>, Box<Self>),
    /// First >= second.
    AtLeast(Box<Self>, Box<Self>),
    /// First < second.
    Below(Box<Self>, Box<Self>),
    /// First <= second.
    AtMost(Box<Self>, Box<Self>),
    /// First > second now, and was not at the bar before.
    CrossesAbove(Box<Self>, Box<Self>),
    /// First < second now, and was not at the bar before.
    CrossesBelow(Box<Self>, Box<Self>),
    /// Both.
    And(Box<Self>, Box<Self>),
    /// One at least.
    Or(Box<Self>, Box<Self>),
    /// Not.
    Not(Box<Self>),
}

impl Expr {
    /// The node's operands, in order.
    pub fn operands(&self) -> impl Iterator<Item = &Self> {
        let (first, second) = match self {
            Self::Add(a, b)
            | Self::Subtract(a, b)
            | Self::Multiply(a, b)
            | Self::Divide(a, b)
            | Self::Above(a, b)
            | Self::AtLeast(a, b)
            | Self::Below(a, b)
            | Self::AtMost(a, b)
            | Self::CrossesAbove(a, b)
            | Self::CrossesBelow(a, b)
            | Self::And(a, b)
            | Self::Or(a, b) => (Some(&**a), Some(&**b)),
            Self::Not(a) => (Some(&**a), None),
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }
}

/// A strategy as data. Its numbers to tune (size, stop, target, longest hold) are the parameters of strategy `rules`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-max-nodes" = 128, "x-max-depth" = 12))]
pub struct RuleSet {
    /// What people call it: 1 to 64 of `a-z 0-9 _ -`.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[a-z0-9_-]+$"))]
    pub name: String,
    /// A truth: buy when it holds and nothing is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_long: Option<Expr>,
    /// A truth: sell short when it holds and nothing is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_short: Option<Expr>,
    /// A truth: leave a long position. While it holds, no long position is entered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_long: Option<Expr>,
    /// A truth: leave a short position. While it holds, no short position is entered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_short: Option<Expr>,
    /// A number, 0 to 1: share of the parameter `size` to enter with. Absent: all of it. Outside 0 to 1, or unknown: no
    /// entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizing: Option<Expr>,
    /// A distance above zero at the decision to enter: the unit of the parameters `stop` and `target`. Absent: neither
    /// is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Expr>,
}

impl RuleSet {
    /// Reads JSON that nobody vouches for.
    ///
    /// # Errors
    /// Text that is no rule set, or the first rule of [`RuleSet::validate`] it breaks.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let rules: Self = serde_json::from_str(text)
            .map_err(|e| RuleError { path: "$".to_owned(), reason: Reason::Json(e.to_string()) })?;
        rules.validate()?;
        Ok(rules)
    }

    /// The expressions that are present, by field name.
    pub fn expressions(&self) -> impl Iterator<Item = (&'static str, &Expr)> {
        let all = [
            ("entry_long", &self.entry_long),
            ("entry_short", &self.entry_short),
            ("exit_long", &self.exit_long),
            ("exit_short", &self.exit_short),
            ("sizing", &self.sizing),
            ("stop", &self.stop),
        ];
        all.into_iter().filter_map(|(name, expr)| Some((name, expr.as_ref()?)))
    }

    /// The one JSON text of this rule set: fields in declared order, no spaces, absent expressions left out.
    ///
    /// # Errors
    /// A constant that is not finite has no JSON form; [`RuleSet::validate`] refuses it before.
    pub fn canonical_json(&self) -> Result<String, RuleError> {
        serde_json::to_string(self).map_err(|e| RuleError { path: "$".to_owned(), reason: Reason::Json(e.to_string()) })
    }

    /// SHA-256 of [`RuleSet::canonical_json`], in hex.
    ///
    /// # Errors
    /// As [`RuleSet::canonical_json`].
    pub fn sha256(&self) -> Result<String, RuleError> {
        Ok(hex::encode(Sha256::digest(self.canonical_json()?.as_bytes())))
    }

    /// The JSON Schema that proposers are given. Kinds and bounds over whole trees are beyond a schema: `validate`
    /// checks them.
    #[must_use]
    pub fn schema() -> Schema {
        schema_for!(Self)
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
