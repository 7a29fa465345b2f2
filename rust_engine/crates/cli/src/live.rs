//! Orders at an exchange. A build without feature `live` knows none: there an engine that is configured for one does not start.

#[cfg_attr(feature = "live", path = "live/on.rs")]
#[cfg_attr(not(feature = "live"), path = "live/off.rs")]
mod build;

pub use build::{Live, approve};
