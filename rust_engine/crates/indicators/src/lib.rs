//! Streaming indicators: one update per bar in constant time, no value before the window is full.
//!
//! - [`average`]: `Sma`, `Ema`
//! - [`momentum`]: `Rsi` (Wilder), `Macd`
//! - [`spread`]: `RollingStd`, `Bollinger`, `LogReturnStd`
//! - [`range`]: `Atr` (Wilder), `VolumeRatio`
//! - [`snapshot`]: all of them for one symbol, as messages carry them
//!
//! **Invariant:** the same inputs give the same value whatever was seen long before; rolling sums are recomputed once per
//! window, so that rounding does not add up over months.

pub mod average;
pub mod momentum;
pub mod range;
pub mod snapshot;
pub mod spread;
mod window;

pub use average::{Ema, Sma};
pub use momentum::{Macd, MacdValue, Rsi};
pub use range::{Atr, VolumeRatio};
pub use snapshot::SymbolIndicators;
pub use spread::{Bollinger, LogReturnStd, RollingStd};

#[cfg(test)]
mod golden_tests;
