//! The engine: one synchronous, deterministic loop for live runs, replays and backtests.
//!
//! - [`core`]: the state of the engine
//! - [`flow`], `past`, `outcomes`: the market in, live or missed, and what simulated exchanges answer
//! - [`orders`], `working`: requests out, orders worked in children
//! - `safety`, `flatten`: what losses stop, and positions closed until nothing is left of them
//! - `share`: the share of its capital that an instance trades, none when idle
//! - [`models`]: predictions and chances in, feedback out
//! - `taken`: signals that have acted, so that none acts twice
//! - [`external`], `outside`, `spot`: orders at an exchange, its reports, what we believe it holds, and what may be sold of it
//! - `stretch`: the bars between two orders of a backtest, in one call
//! - [`control`]: advice, rates, parameters and commands between two bars
//! - `advice`: which orders wait for the advisor
//! - [`ledger`]: positions, lots and cash, exact
//! - [`recorder`], [`live`]: who listens: messages for live runs, next to nothing for backtests
//! - [`backtest`], [`batch`]: one instance over an array of bars, and many parameter sets over the same bars
//! - [`resample`]: days of a market in another order, for what might have happened
//! - [`book_backtest`]: one decider over recorded prints and books
//! - [`feed`]: bars from a NumPy file
//! - [`input`], [`runtime`]: everything that can change a run, and the run as a function of it, step by step
//! - [`journal`], [`market_log`], [`spool`], [`snapshot`], [`run`]: the inputs, what was not yet heard and the state on disk;
//!   opening a run recovers it
//! - [`whole_file`]: files that are whole or not there
//!
//! **Invariant:** the same inputs in the same order give the same actions, fills and messages.

#[cfg(test)]
#[path = "../tests/feed_file/mod.rs"]
mod feed_file;
#[cfg(test)]
mod test_world;

mod account;
mod advice;
pub mod backtest;
pub mod batch;
pub mod book_backtest;
pub mod control;
pub mod core;
mod core_state;
pub mod error;
mod exchange;
pub mod external;
pub mod feed;
mod flatten;
pub mod flow;
mod heard;
pub mod input;
mod instance;
pub mod journal;
mod kept;
pub mod ledger;
pub mod live;
pub mod market_log;
pub mod models;
mod numbered;
pub mod orders;
mod outcomes;
mod outside;
mod past;
pub mod recorder;
pub mod resample;
pub mod run;
pub mod runtime;
mod safety;
mod share;
pub mod snapshot;
pub mod spool;
mod spot;
mod stretch;
mod taken;
mod texts;
pub mod whole_file;
mod working;

pub use core::{Core, Setup};
pub use error::CoreError;
pub use input::{Input, Veto};
pub use ledger::Closed;
pub use live::LiveRecorder;
pub use recorder::Recorder;
pub use run::{Flush, Recovered, Run, RunError};
pub use runtime::{Runtime, Standing};
