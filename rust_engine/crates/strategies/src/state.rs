//! State as bytes, for snapshots: what is read back is equal to the last bit, floats included.
//!
//! MessagePack with field names, because it is the compact form in which every type of the model round-trips: enums that
//! carry their tag inside and fields that are left out when empty need a format that describes itself.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// State that cannot be written, or bytes that another build wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("state of {what}: {problem}")]
pub struct StateError {
    what: &'static str,
    problem: String,
}

impl StateError {
    /// State of `what` that cannot be what it says.
    #[must_use]
    pub fn new(what: &'static str, problem: &impl std::fmt::Display) -> Self {
        Self { what, problem: problem.to_string() }
    }
}

/// `value` as bytes.
///
/// # Errors
/// The value holds something that has no form in MessagePack.
pub fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, StateError> {
    let failed = |e: rmp_serde::encode::Error| StateError { what: std::any::type_name::<T>(), problem: e.to_string() };
    rmp_serde::to_vec_named(value).map_err(failed)
}

/// What [`to_bytes`] wrote.
///
/// # Errors
/// The bytes hold another type.
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StateError> {
    let failed = |e: rmp_serde::decode::Error| StateError { what: std::any::type_name::<T>(), problem: e.to_string() };
    rmp_serde::from_slice(bytes).map_err(failed)
}

/// `save` and `restore` of a strategy whose whole value derives `Serialize` and `Deserialize`.
macro_rules! kept_whole {
    () => {
        fn save(&self) -> Result<Vec<u8>, $crate::state::StateError> {
            $crate::state::to_bytes(self)
        }

        fn restore(&mut self, bytes: &[u8]) -> Result<(), $crate::state::StateError> {
            *self = $crate::state::from_bytes(bytes)?;
            Ok(())
        }
    };
}
pub(crate) use kept_whole;
