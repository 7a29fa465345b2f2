//! How a large order is cut into small ones. Pure state machines: time and prices come with the calls.
//!
//! - [`desk`]: the parent orders that are being worked, and what they ask for
//! - [`schedule`]: how much of a parent should be done by when, for each [`model::Algorithm`]
//! - [`almgren_chriss`]: the optimal trajectory under risk aversion, with its cost and variance
//! - [`curve`]: the usual volume by hour of the day
//! - [`shortfall`](mod@shortfall): Perold's implementation shortfall in four parts
//!
//! **Invariant:** a parent never has more than its quantity filled or on its way, and what it fills is whole lots.

pub mod almgren_chriss;
pub mod curve;
pub mod desk;
mod parent;
pub mod schedule;
pub mod shortfall;

pub use curve::VolumeCurve;
pub use desk::{Child, Desk, Instruction};
pub use schedule::StartError;
pub use shortfall::{ShortfallMeter, shortfall};
