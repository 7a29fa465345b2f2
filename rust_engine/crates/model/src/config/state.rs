//! How a run keeps its state on disk beside the journal.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which closed segments of the market log stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Retain {
    /// All of them: the run can be replayed from its start.
    #[default]
    Keep,
    /// Those that the older of the two snapshots still needs, and those that the archive does not hold yet.
    UntilArchived,
}

/// Snapshots and the market log. None of it changes what a run does, so it may differ between two starts of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct StateConfig {
    /// Distance of two snapshots on the run's own clock; zero for none. Without it 300 in real time, and none where time is
    /// granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_every_s: Option<u64>,
    /// Size from which a segment of the market log is closed.
    #[schemars(range(min = 1, max = 4096))]
    pub segment_mib: u32,
    /// Age from which a segment of the market log is closed, by the time of its events.
    #[schemars(range(min = 1, max = 10080))]
    pub segment_minutes: u32,
    /// What becomes of closed segments.
    pub retain: Retain,
}

impl Default for StateConfig {
    fn default() -> Self {
        Self { snapshot_every_s: None, segment_mib: 64, segment_minutes: 60, retain: Retain::Keep }
    }
}
