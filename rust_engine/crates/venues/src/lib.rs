//! Exchanges at the edge of the engine: public market data in, over WebSocket and REST.
//!
//! # Layout
//! - [`net`]: addresses, and the one place that opens a connection; tests put memory in its stead
//! - [`http`]: one HTTP/1.1 request over such a connection
//! - [`backoff`]: how long to wait before the next attempt
//! - [`public`]: market data: parse, order, detect gaps and silence, reconnect, backfill
//! - `private`, with feature `live`: orders, fills and positions of an account
//!
//! **Invariant:** nothing that an exchange sends can end the program: what is not understood is counted and dropped.

pub mod backoff;
pub mod http;
pub mod net;
#[cfg(feature = "live")]
pub mod private;
pub mod public;
