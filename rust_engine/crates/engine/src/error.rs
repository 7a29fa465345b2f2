//! Why the core refused something.

use model::{ParamError, Ts};
use risk::LimitError;
use sim::{BookVenueError, CostError, FeeError};

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
    /// The simulated venue.
    #[error(transparent)]
    Venue(#[from] BookVenueError),
    /// Fees.
    #[error(transparent)]
    Fees(#[from] FeeError),
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
    /// A bar, print or quote that no market can have made.
    #[error("{symbol}: the {what} of {} ns is not sound: a bar needs 0 < low <= open, close <= high, volume >= 0, opened before closed; a quote 0 < bid < ask; a print a price and a quantity above zero", at.0)]
    Unsound {
        /// Symbol.
        symbol: String,
        /// `bar`, `print` or `quote`.
        what: &'static str,
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
    /// An event that was received before one that is already known.
    #[error("a {what} of {} ns came after {} ns was reached; events must come in the order of their receipt", at.0, known.0)]
    OutOfOrder {
        /// What.
        what: &'static str,
        /// Its time.
        at: Ts,
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

impl CoreError {
    /// Whether what was refused is one event of the market, so that a live run can go on with the next.
    #[must_use]
    pub const fn is_of_the_event(&self) -> bool {
        matches!(
            self,
            Self::UnknownSymbol { .. } | Self::Unsound { .. } | Self::BackInTime { .. } | Self::OutOfOrder { .. }
        )
    }
}
