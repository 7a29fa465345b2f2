//! The strategies: synchronous, deterministic, told everything by events, with no clock and no randomness of their own.
//!
//! - [`strategy`]: the trait, and [`build`]
//! - [`sma_cross`], [`market_making`], [`momentum_scalping`]: one file per strategy
//! - [`sizing`]: shares of capital as whole lots
//! - [`history`]: the recent candles that let a window change without losing its past
//!
//! **Invariant:** the same events give the same actions, in a backtest, in a replay and live.

pub mod history;
pub mod market_making;
pub mod momentum_scalping;
pub mod sizing;
pub mod sma_cross;
pub mod strategy;

#[cfg(test)]
mod test_market;

pub use strategy::{Market, Strategy, build};
