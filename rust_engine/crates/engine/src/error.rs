//! Why the core refused something.

use model::{ParamError, Ts};
use risk::LimitError;
use sim::CostError;

/// Why a configuration, a bar or a rate was refused. Nothing has changed when one of these comes back, except after
/// [`CoreError::Runaway`], which means a defect in a strategy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CoreError {
    /// A list that must not be empty, or holds a name twice.
    #[error("{what}: {problem}")]
    Setup {
        /// Which part of the configuration.
        what: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// Parameters of an instance.
    #[error("instance '{instance}': {source}")]
    Params {
        /// The instance.
        instance: String,
        /// The broken rule.
        source: ParamError,
    },
    /// Limits.
    #[error(transparent)]
    Limits(#[from] LimitError),
    /// Costs.
    #[error(transparent)]
    Costs(#[from] CostError),
    /// A bar of a symbol that is not configured.
    #[error("bar closed at {} ns: symbol index {symbol} is not one of the {known} configured symbols", at.0)]
    UnknownSymbol {
        /// Its index.
        symbol: u16,
        /// When it closed.
        at: Ts,
        /// How many symbols there are.
        known: usize,
    },
    /// A bar that no market can have printed.
    #[error("{symbol}: the bar closed at {} ns is not sound: needs 0 < low <= open, close <= high, volume >= 0, opened before closed", at.0)]
    Unsound {
        /// Symbol.
        symbol: String,
        /// When it closed.
        at: Ts,
    },
    /// A bar that comes after a later one.
    #[error("{symbol}: the bar {} to {} ns goes back in time, {} ns is already known; sort the feed by close and symbol", opened_at.0, closed_at.0, known.0)]
    BackInTime {
        /// Symbol.
        symbol: String,
        /// When it opened.
        opened_at: Ts,
        /// When it closed.
        closed_at: Ts,
        /// What is already known.
        known: Ts,
    },
    /// An event arrived while an order waits for advice.
    #[error("{n} orders wait for advice: answer, expire or veto them before the next bar")]
    AdvicePending {
        /// How many.
        n: usize,
    },
    /// A rate that is not a rate.
    #[error("rate_update.krw_per_quote = {0}: must be a number above zero")]
    Rate(f64),
    /// A strategy answers every answer with a new request.
    #[error("instance '{instance}' asked for more than {limit} actions in answer to one event; its strategy loops")]
    Runaway {
        /// The instance.
        instance: String,
        /// How many are allowed.
        limit: usize,
    },
}
