//! Features: one definition, run bar by bar or over a history, to the same bit.
//!
//! - [`registry`]: every column with its name, meaning and formula; [`columns`]: their definitions, one file a group
//! - [`input`]: what a bar brings
//! - [`stream`]: columns bar by bar or over a history; state to bytes and back
//! - [`bars`]: which bars continue a run
//! - [`graph`], [`op`]: columns as a graph of operations
//! - [`engine`], [`kernel`], [`plain`]: the operations of the chosen columns, over one row or many
//! - [`window`], [`weighted`], [`moments`], [`ring`], [`recursive`]: what carries the past
//!
//! **Invariants:** a bar costs the same however many came before it; a column's value rests on the bars of its run alone, and
//! on none after its own; no feature is a price level: scaling all prices, or all volumes, changes none.

mod bars;
mod columns;
mod engine;
mod graph;
mod input;
mod kernel;
mod moments;
mod op;
mod plain;
mod recursive;
mod registry;
mod ring;
mod state;
mod stream;
mod weighted;
mod window;

pub use bars::{Candle, Extras, Place};
pub use input::{INPUTS, Input, N_CANDLE_INPUTS, N_EXTRA_INPUTS, Source};
pub use op::Kind;
pub use registry::{Columns, FeatureSpec, InputSpec, Normaliser, Registry, UnknownColumn};
pub use stream::{FeatureStream, History, StateRefused};

#[cfg(test)]
mod tests;
