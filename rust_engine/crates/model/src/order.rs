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

/// How long an order may rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeInForce {
    /// Until it is filled or cancelled.
    #[default]
    Gtc,
    /// Fills at once as far as it can; the rest ends.
    Ioc,
    /// Ends unfilled if it would cross the spread.
    PostOnly,
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
    /// One leg of a trade on two or three prices at once.
    Arbitrage,
    /// Takes back the leg whose other leg did not fill.
    Unwind,
    /// Repays a loan that anybody may liquidate, and sells what it frees.
    Liquidation,
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
    /// How long it may rest.
    pub tif: TimeInForce,
    /// The [`ParentOrder`] it is a child of; set by the engine, zero without one.
    pub parent: OrderId,
}

impl OrderRequest {
    /// A market order that opens: the base that callers override field by field.
    #[must_use]
    pub fn market(symbol: SymbolId, side: Side, qty: Qty, decision_price: Price) -> Self {
        Self {
            id: OrderId(0),
            instance: InstanceId(0),
            symbol,
            side,
            kind: OrderKind::Market,
            qty,
            reduce_only: false,
            purpose: Purpose::Entry,
            strength: 0.0,
            decision_price,
            decided_at: Ts(0),
            tif: TimeInForce::Gtc,
            parent: OrderId(0),
        }
    }

    /// The price the order names, if it names one.
    #[must_use]
    pub const fn named_price(&self) -> Option<Price> {
        match self.kind {
            OrderKind::Market => None,
            OrderKind::Limit { price } => Some(price),
            OrderKind::Stop { trigger } => Some(trigger),
        }
    }
}

/// How a parent order is worked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "type")]
#[schemars(inline)]
pub enum Algorithm {
    /// One market order now.
    #[default]
    Immediate,
    /// Equal parts over the horizon.
    Twap {
        /// How many children.
        slices: u16,
    },
    /// Parts in proportion to the usual volume curve.
    Vwap {
        /// How many children.
        slices: u16,
    },
    /// A share of what the market trades.
    Pov {
        /// Share of the market's volume, ours included, in 1e-4: 1000 is a tenth.
        rate_e4: u16,
    },
    /// A limit order that shows only a part of itself.
    Iceberg {
        /// Largest quantity shown.
        display: Qty,
        /// Where it rests.
        price: Price,
    },
    /// The schedule of Almgren and Chriss (2000).
    AlmgrenChriss {
        /// How many children.
        slices: u16,
        /// Risk aversion lambda, per unit of quote currency.
        risk_aversion: f64,
        /// Temporary impact eta, in price per (quantity per second).
        temporary_impact: f64,
        /// Permanent impact gamma, in price per quantity.
        permanent_impact: f64,
        /// Standard deviation of the price over one second, in price.
        volatility: f64,
    },
}

/// An order that is worked in children. The engine holds it; each child passes the risk gate by itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParentOrder {
    /// What is wanted in all; its `kind` and `tif` are ignored.
    pub order: OrderRequest,
    /// How.
    pub algorithm: Algorithm,
    /// Until when, counted from the decision.
    pub horizon_ns: i64,
    /// No child trades beyond this price.
    pub limit: Option<Price>,
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
    /// What of `qty` a Spot exchange kept as its fee: it is part of the order's fill and never held. In whole lots, so that a
    /// position can be sold whole; what is left of a lot goes into the next one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub base_fee: Qty,
    /// Venue fee in quote currency, above zero when paid; one that was kept in base currency is in it to the last unit, at the
    /// fill's price.
    pub fee: Money,
    /// Modelled cost of moving from the proven price to the one a taker would have got.
    pub slippage: Money,
    /// Price at the moment the order reached the venue: the middle of the book, or what stood for it.
    pub arrival_price: Price,
    /// Half the spread at that moment; zero where no book is known.
    #[serde(default)]
    pub half_spread: Price,
    /// Maker or taker.
    pub liquidity: Liquidity,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(qty: &Qty) -> bool {
    *qty == Qty::ZERO
}

impl Fill {
    /// A fill without costs, of an order that reached the venue at this very price, where no book is known.
    #[must_use]
    #[inline]
    pub const fn free(order: OrderRequest, at: Ts, price: Price, qty: Qty, liquidity: Liquidity) -> Self {
        Self {
            order,
            at,
            price,
            qty,
            base_fee: Qty::ZERO,
            fee: Money::ZERO,
            slippage: Money::ZERO,
            arrival_price: price,
            half_spread: Price::ZERO,
            liquidity,
        }
    }

    /// What of the fill is held or given, above zero.
    #[must_use]
    #[inline]
    pub fn held(&self) -> Qty {
        self.qty - self.base_fee
    }

    /// By how much it changes the position.
    #[must_use]
    #[inline]
    pub fn change(&self) -> Qty {
        Qty(self.order.side.sign() * self.held().0)
    }
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
    /// What an immediate order could not fill at once.
    Unfilled,
    /// A post-only order would have crossed.
    WouldCross,
    /// The venue refused it.
    Rejected,
    /// Too many messages in too short a time, at the venue.
    RateLimited,
    /// Another leg of the same group was refused.
    Ungrouped,
    /// The market data it was decided on went stale.
    Stale,
}

/// The end of an order that is not a fill.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderUpdate {
    /// The order.
    pub order: OrderRequest,
    /// Why it ended.
    pub reason: CancelReason,
}
