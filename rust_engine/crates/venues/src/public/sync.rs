//! One symbol's streams put in order: what was said twice is dropped, what came too early waits a moment, what is missing is
//! noticed. Pure state machines, one per kind of stream; time comes in as an argument.

mod best;
mod candles;
mod depth;
mod funding;
mod prints;

pub use best::{BestStep, BestSync};
pub use candles::{CandleStep, CandleSync};
pub use depth::{BookStep, BookSync};
pub use funding::{FundingStep, FundingSync};
pub use prints::{PrintStep, PrintSync};

/// How long a message that came too early waits for the one before it.
pub const REORDER_WINDOW_NS: i64 = 500_000_000;

#[cfg(test)]
#[path = "sync_tests.rs"]
mod tests;
