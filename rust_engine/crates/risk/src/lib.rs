//! What no order may do, and when nothing may be opened at all. Every order passes [`RiskGate::approve`]; only the gate can
//! build a [`RiskApproved`], and a venue takes nothing else.
//!
//! # Layout
//! - [`gate`](RiskGate): the checks, in one fixed order
//! - [`exposure`](Exposure): what an account holds, and what it could come to hold
//! - [`limits`](LimitError): the configured limits, checked once and brought into the form that the gate compares
//! - [`throttle`](Counts): what was sent lately
//! - [`latch`](Halt): `Active`, `Reducing`, `Halted`, and why
//! - [`loss`](Breach): the account's loss of the day and its fall from the peak
//! - [`reconcile`]: whether the venue sees the orders and positions that we see
//!
//! Limits are consumed when an order is sent, not when it fills: what rests counts as if it had filled. A reduce-only order is
//! held to the symbol's grid and to nothing else.
//!
//! **Invariant:** no clock, no I/O, no strategy knowledge. What the gate remembers is in [`Memory`], for snapshots.

mod exposure;
mod gate;
mod latch;
mod limits;
mod loss;
pub mod reconcile;
mod rule;
mod throttle;

pub use exposure::{Exposure, worst_position};
pub use gate::{Memory, RestoreError, RiskApproved, RiskGate};
pub use latch::{Halt, Unnamed};
pub use limits::LimitError;
pub use loss::Breach;
pub use rule::{RiskRefused, Rule};
pub use throttle::Counts;
