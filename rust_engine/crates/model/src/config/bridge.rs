//! How the engine reaches the worker.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a packet is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum BridgeEncoding {
    /// Text that people can read.
    #[default]
    Json,
    /// Smaller and faster.
    Msgpack,
}

/// What is done to a packet after it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum BridgeCompression {
    /// Nothing.
    #[default]
    None,
    /// Packets that are worth it are compressed.
    Zlib,
}

/// Files of one side of a line over TLS. Both sides prove who they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BridgeTls {
    /// Certificates, in PEM, by which the peer's must be signed.
    pub ca_file: String,
    /// Own certificate with its chain, in PEM.
    pub cert_file: String,
    /// Its key, in PEM, mode 0600.
    pub key_file: String,
}
