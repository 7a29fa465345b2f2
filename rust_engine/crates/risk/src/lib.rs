//! What no order may do. Every order passes [`RiskGate::approve`]; only the gate can build a [`RiskApproved`], and a venue takes
//! nothing else.
//!
//! Limits are consumed when an order is sent, not when it fills: what rests counts as if it had filled.
//!
//! **Invariant:** no clock, no I/O, no strategy knowledge.

mod gate;

pub use gate::{Exposure, LimitError, RiskApproved, RiskGate, RiskRefused, Rule, worst_position};
