//! What the market says: symbols and bars.

use crate::{Price, Qty, Ts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A symbol's index in the configuration of this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct SymbolId(pub u16);

impl SymbolId {
    /// The index as a `usize`.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A traded symbol and its grid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SymbolSpec {
    /// Exchange name, ASCII upper case, for example `BTCUSDT`.
    pub name: String,
    /// Smallest price step.
    pub tick: Price,
    /// Smallest quantity step.
    pub lot: Qty,
}

/// One closed candle. It is known at `closed_at` and not before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bar {
    /// Whose candle.
    pub symbol: SymbolId,
    /// When the candle opened.
    pub opened_at: Ts,
    /// When it closed, which is when a strategy first sees it.
    pub closed_at: Ts,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Base volume.
    pub volume: Qty,
}

impl Bar {
    /// Whether the four prices can be one candle's: all above zero, `low <= open, close <= high`.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.low.0 > 0
            && self.low <= self.open.min(self.close)
            && self.open.max(self.close) <= self.high
            && self.volume.0 >= 0
            && self.opened_at < self.closed_at
    }
}
