//! The simulated venue and the synthetic market.
//!
//! - [`venue`]: matches orders against bars, and never at a price the bar does not prove
//! - [`market`]: the seeded generator of bars with planted, known optima
//!
//! **Invariant:** the same seed and the same input give the same bytes. No clock, no I/O.

pub mod market;
pub mod venue;

pub use venue::{CostError, CostRates, Matched, Venue};
