//! The engine: one synchronous, deterministic loop for live runs, replays and backtests.
//!
//! - [`core`]: bars in, orders and fills inside, facts out
//! - [`control`]: advice, rates, parameters and commands between two bars
//! - [`advice`]: which orders wait for the advisor
//! - [`ledger`]: positions, lots and cash, exact
//! - [`recorder`], [`live`]: who listens: messages for live runs, next to nothing for backtests
//! - [`backtest`]: one instance over an array of bars
//! - [`feed`]: bars from a NumPy file
//! - [`input`], [`runtime`]: everything that can change a run, and the run as a function of it, step by step
//! - [`journal`], [`run`]: the inputs on disk; opening a run replays them
//!
//! **Invariant:** the same inputs in the same order give the same actions, fills and messages.

#[cfg(test)]
mod test_world;

mod account;
pub mod advice;
pub mod backtest;
pub mod control;
pub mod core;
pub mod error;
pub mod feed;
pub mod input;
mod instance;
pub mod journal;
pub mod ledger;
pub mod live;
pub mod recorder;
pub mod run;
pub mod runtime;

pub use advice::PendingAdvice;
pub use core::{Core, Setup};
pub use error::CoreError;
pub use input::{Input, Veto};
pub use ledger::Closed;
pub use live::LiveRecorder;
pub use recorder::Recorder;
pub use run::{Recovered, Run, RunError};
pub use runtime::{Runtime, Standing};
