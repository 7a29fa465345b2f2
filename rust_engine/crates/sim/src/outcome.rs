//! What the book venue answers, and why one is refused.

use book::BookError;
use model::{CancelReason, Liquidity, OrderRequest, Price, Qty, Ts};

/// Why a venue was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BookVenueError {
    /// A latency is a day or more.
    #[error("venue: a latency must be below one day")]
    Latency,
    /// The power of the queue model is no number above zero.
    #[error("venue.queue.power = {0}: must be a number above zero")]
    Power(f64),
    /// The share of orders to refuse is no share.
    #[error("venue.reject_rate = {0}: must be a number from 0 to 1")]
    RejectRate(f64),
    /// Orders are to be refused where no book venue is.
    #[error(
        "venue.reject_rate = {0}: only the book venue refuses orders; set venue.model (for external: venue.simulated) to \
         book, or leave the rate out"
    )]
    RejectRateWithoutBook(f64),
    /// The lot is not above zero.
    #[error("symbol {name}: lot {lot} is not above zero")]
    Lot {
        /// Whose.
        name: String,
        /// The lot.
        lot: Qty,
    },
    /// The tick is not above zero.
    #[error("symbol {name}: {problem}")]
    Tick {
        /// Whose.
        name: String,
        /// What is wrong with it.
        problem: BookError,
    },
}

/// What the exchange answered.
#[derive(Clone, Debug, PartialEq)]
pub enum VenueOutcome<T> {
    /// A part of an order traded, or all that was left of it. A reduce-only order is filled as far as it goes: the caller, who
    /// knows the position, takes of it what reduces.
    Fill {
        /// The order as it was sent.
        order: OrderRequest,
        /// How much traded.
        qty: Qty,
        /// At which price.
        price: Price,
        /// Maker or taker.
        liquidity: Liquidity,
        /// The middle of the book when the order reached the exchange.
        arrival: Price,
        /// Half the spread at that moment; zero where a side was empty.
        half_spread: Price,
        /// When, on the exchange's clock.
        exch_at: Ts,
        /// When it was known here.
        at: Ts,
        /// What is left of the order after it.
        remaining: Qty,
        /// What the caller wants back.
        tag: T,
    },
    /// What was left of an order ended.
    Ended {
        /// The order as it was sent.
        order: OrderRequest,
        /// Why.
        reason: CancelReason,
        /// When it was known here.
        at: Ts,
    },
}
