//! The order book of one symbol by price (L2), and the rules that keep it in step with an exchange.
//!
//! - [`L2Book`]: what a book answers, in two forms: [`ArrayBook`] (a window of ticks) and [`TreeBook`] (two ordered maps)
//! - [`Resync`]: whether the next update fits the last one, by the exchange's own rule
//!
//! **Invariant:** a book is never crossed. A level that would cross removes what it crosses of the other side: the exchange's
//! own delete of it is on its way.

mod array;
mod l2;
mod resync;
mod tree;

pub use array::ArrayBook;
pub use l2::{BookError, Grid, L2Book};
pub use resync::{Resync, SequenceRule, Step, UpdateIds};
pub use tree::TreeBook;
