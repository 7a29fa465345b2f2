//! Streaming indicators: one update per bar in constant time, no value before the window is full.
//!
//! - [`average`]: `Sma`, `Ema`
//! - [`momentum`]: `Rsi` (Wilder), `Macd`
//! - [`spread`]: `RollingStd`, `Bollinger`, `LogReturnStd`
//! - [`range`]: `Atr` (Wilder), `VolumeRatio`
//! - [`chandelier`]: stops that hang from the highest high
//! - [`variance_rate`], [`intensity`]: volatility and order arrivals of prices at irregular times
//! - [`snapshot`]: all of them for one symbol, as messages carry them
//! - [`features`]: the columns that models see, bar by bar and over a history
//!
//! **Invariant:** the same inputs give the same value whatever was seen long before; rolling sums are recomputed once per
//! window, so that rounding does not add up over months.

pub mod average;
pub mod chandelier;
pub mod features;
pub mod intensity;
pub mod momentum;
pub mod range;
pub mod snapshot;
pub mod spread;
pub mod variance_rate;
mod window;

pub use average::{Ema, Sma};
pub use chandelier::{Chandelier, ChandelierStops};
pub use intensity::{ArrivalIntensity, Intensity};
pub use momentum::{Macd, MacdValue, Rsi};
pub use range::{Atr, VolumeRatio};
pub use snapshot::SymbolIndicators;
pub use spread::{Bollinger, LogReturnStd, RollingStd};
pub use variance_rate::VarianceRate;

#[cfg(test)]
mod golden_tests;
