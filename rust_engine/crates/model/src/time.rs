//! Time stamps. They come with events; no crate but `cli` and `bridge` may read a clock.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Ts(pub i64);

impl Ts {
    /// Nanoseconds in one millisecond.
    pub const MS: i64 = 1_000_000;
    /// Nanoseconds in one day.
    pub const DAY: i64 = 86_400 * 1_000_000_000;

    /// Milliseconds since 1970, rounded down.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0.div_euclid(Self::MS)
    }

    /// The stamp `ns` later.
    #[must_use]
    pub const fn plus_ns(self, ns: i64) -> Self {
        Self(self.0 + ns)
    }

    /// The number of the UTC day that holds this stamp (0 = 1970-01-01).
    #[must_use]
    pub const fn utc_day(self) -> i64 {
        self.0.div_euclid(Self::DAY)
    }
}
