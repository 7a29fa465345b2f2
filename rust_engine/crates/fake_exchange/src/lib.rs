//! An exchange on this machine that plays a recorded session over the exchange's own interface, and misbehaves on demand.
//! For tests and rehearsals only.
//!
//! # Layout
//! - [`capture`]: a recording, line by line
//! - [`bybit`]: the same recording in Bybit's words
//! - [`truth`]: the book and the candles as they really were, computed here independently of the code under test
//! - [`fault`]: what goes wrong, and at which line
//! - [`http`]: requests and answers, and where further interfaces are plugged in ([`http::Api`])
//! - [`rehearsal`]: the recording as if it happened now
//! - [`exchange`]: plays, serves connections, answers requests
//! - [`private`]: an account that trades: signed requests, a user stream, and what can go wrong with both
//!
//! Connections are any byte stream: TCP in earnest, memory under tokio's paused clock. The program
//! `play_capture` serves one on a loopback port.

pub mod bybit;
pub mod capture;
pub mod exchange;
pub mod fault;
pub mod http;
pub mod private;
pub mod rehearsal;
pub mod truth;

pub use capture::{Capture, CaptureError, Line};
pub use exchange::{Dialect, Exchange};
pub use fault::{BookAnswer, Fault, Script};
