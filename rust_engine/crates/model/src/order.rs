//! What we ask of a venue, and what it answers.

use crate::{Money, Price, Qty, SymbolId, Ts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Direction of an order, a fill or an opened trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Side {
    /// Buys base currency.
    Buy,
    /// Sells base currency.
    Sell,
}

impl Side {
    /// The other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// `1` for a buy, `-1` for a sell.
    #[must_use]
    pub const fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }
}

/// An instance's index in the configuration of this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(pub u16);

impl InstanceId {
    /// The index as a `usize`.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A client order id: unique in a run and the same on every replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderId(pub u64);

/// How an order meets the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum OrderKind {
    /// At the next proven price.
    Market,
    /// At `price` or better.
    Limit {
        /// The worst acceptable price.
        price: Price,
    },
    /// At the market once `trigger` has traded.
    Stop {
        /// The price that wakes the order.
        trigger: Price,
    },
}

/// Why an order exists; becomes the exit reason of the trade it closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Purpose {
    /// Opens or adds to a position on a signal.
    Entry,
    /// A resting quote of a market maker, on either side of its inventory.
    Quote,
    /// Leaves because the signal is gone.
    Exit,
    /// Leaves at a loss limit.
    StopLoss,
    /// Leaves at a profit target.
    TakeProfit,
    /// Leaves because an operator asked for it.
    Flatten,
}

/// An order as a strategy wants it. It reaches a venue only inside `RiskApproved`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderRequest {
    /// Set by the engine: `instance << 48 | counter`.
    pub id: OrderId,
    /// Who asks; set by the engine.
    pub instance: InstanceId,
    /// What to trade.
    pub symbol: SymbolId,
    /// Direction.
    pub side: Side,
    /// How.
    pub kind: OrderKind,
    /// How much, above zero.
    pub qty: Qty,
    /// May only shrink the position, never open or turn it.
    pub reduce_only: bool,
    /// Why.
    pub purpose: Purpose,
    /// Strength of the signal behind it, 0 to 1.
    pub strength: f64,
    /// The price the strategy looked at when it decided.
    pub decision_price: Price,
    /// When it decided; set by the engine.
    pub decided_at: Ts,
}

/// Whether a fill gave or took liquidity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Liquidity {
    /// Rested on the book.
    Maker,
    /// Crossed the spread.
    Taker,
}

/// A part of our order that traded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fill {
    /// The order, as approved.
    pub order: OrderRequest,
    /// When.
    pub at: Ts,
    /// A price that the bar proves.
    pub price: Price,
    /// How much.
    pub qty: Qty,
    /// Venue fee, above zero when paid.
    pub fee: Money,
    /// Modelled cost of moving from the proven price to the one a taker would have got.
    pub slippage: Money,
    /// Price at the moment the order reached the venue.
    pub arrival_price: Price,
    /// Maker or taker.
    pub liquidity: Liquidity,
}

/// Why an order ended without filling whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// The strategy asked.
    Requested,
    /// Reduce-only, and nothing was left to reduce.
    NothingToReduce,
    /// The risk gate refused it; the text is the rule.
    Refused,
    /// The advisor said no, or did not answer in time.
    Vetoed,
    /// Trading is halted or reducing.
    Halted,
}

/// The end of an order that is not a fill.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderUpdate {
    /// The order.
    pub order: OrderRequest,
    /// Why it ended.
    pub reason: CancelReason,
}
