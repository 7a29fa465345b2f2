//! The arithmetic of chances on a chain. It says what one would bring; nothing here can send anything anywhere.
//!
//! - [`liquidation`]: loans below water, after the rules of Aave and Compound
//! - `wide`: products of two 128-bit numbers, divided without losing a digit
//!
//! **Invariant:** exact integers, rounded against whoever would act on them. No signer, no network, no engine.

pub mod liquidation;
mod wide;

pub use liquidation::{HealthFactor, Liquidation, LoanError, best_liquidation, health_factor, liquidate};
