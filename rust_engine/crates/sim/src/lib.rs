//! The simulated venue and the synthetic market.
//!
//! - [`venue`]: matches orders against bars, and never at a price the bar does not prove
//! - [`book_venue`]: matches them against prints, quotes and books, with latency and a place in the queue
//! - [`fees`]: fee tiers and funding
//! - [`market`]: the seeded generator of bars with planted, known optima
//!
//! **Invariant:** the same seed and the same input give the same bytes. No clock, no I/O.

pub mod book_venue;
pub mod fees;
mod ladder;
pub mod market;
mod matcher;
pub mod outcome;
mod queue;
mod refusals;
pub mod venue;
mod wire;

pub use book_venue::BookVenue;
pub use fees::{FeeError, FeeSchedule, funding_payment};
pub use outcome::{BookVenueError, VenueOutcome};
pub use refusals::Refusals;
pub use venue::{CostError, CostRates, Matched, Venue, proven_price};
