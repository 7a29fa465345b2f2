//! The strategies: synchronous, deterministic, told everything by events, with no clock and no randomness of their own.
//!
//! - [`strategy`]: the trait, and [`build`]
//! - [`sma_cross`], [`market_making`], [`momentum_scalping`], [`predictive`], [`micro_arbitrage`], [`liquidation`]: one file per
//!   strategy
//! - [`rules`]: a strategy given as data
//! - [`sizing`]: shares of capital as whole lots
//! - [`state`]: what a snapshot keeps of them
//! - [`history`]: the recent candles that let a window change without losing its past
//!
//! **Invariant:** the same events give the same actions, in a backtest, in a replay and live.

mod driver;
pub mod history;
pub mod liquidation;
pub mod market_making;
pub mod micro_arbitrage;
pub mod momentum_scalping;
pub mod predictive;
mod protection;
pub mod rules;
pub mod sizing;
pub mod sma_cross;
pub mod state;
pub mod strategy;

#[cfg(test)]
mod test_market;

pub use strategy::{Market, Strategy, build};
