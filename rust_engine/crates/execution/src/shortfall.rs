//! Implementation shortfall after Perold (1988): what the decision was worth on paper minus what trading made of it.
//!
//! With `s` the sign of the side, `d` the decision price, `a` the price at arrival, `h` half the spread, `p` the fill price,
//! `Q` the quantity wanted and `e` the price at the end, per fill of quantity `q`:
//! delay `= q s (a - d)`, spread `= q h` for a taker and zero for a maker, impact `= q s (p - a) -` spread, and once for the
//! order opportunity `= (Q - sum q) s (e - d)`. Their sum is `sum q s (p - d) + (Q - sum q) s (e - d)`, to the last unit.
//! Fees are not in it; they stand beside it in every trade.

use model::message::Shortfall;
use model::{Fill, Liquidity, Money, OrderRequest, Price, Qty, Side};
use serde::{Deserialize, Serialize};

/// Adds up the shortfall of one order, or of one parent over its children, fill by fill.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShortfallMeter {
    side: Side,
    decision: Price,
    filled: Qty,
    notional: Money,
    delay: Money,
    spread: Money,
    impact: Money,
}

impl ShortfallMeter {
    /// Nothing filled yet of what was decided at `decision`.
    #[must_use]
    pub fn new(side: Side, decision: Price) -> Self {
        let zero = Money::ZERO;
        Self { side, decision, filled: Qty::ZERO, notional: zero, delay: zero, spread: zero, impact: zero }
    }

    /// Adds `qty` of a fill, which may be a part of it where only that part belongs to a trade.
    pub fn add(&mut self, fill: &Fill, qty: Qty) {
        let against_us = |from: Price, to: Price| Money(((to - from) * qty).0 * i128::from(self.side.sign()));
        let spread = match fill.liquidity {
            Liquidity::Taker => fill.half_spread * qty,
            Liquidity::Maker => Money::ZERO,
        };
        self.delay += against_us(self.decision, fill.arrival_price);
        self.impact += against_us(fill.arrival_price, fill.price) - spread;
        self.spread += spread;
        self.filled += qty;
        self.notional += fill.price * qty;
    }

    /// The quantity added so far.
    #[must_use]
    pub fn filled(&self) -> Qty {
        self.filled
    }

    /// Sum of price times quantity of what was added so far.
    #[must_use]
    pub fn notional(&self) -> Money {
        self.notional
    }

    /// The split, when `wanted` was the whole quantity and the price was `end` when the order ended.
    #[must_use]
    pub fn split(&self, wanted: Qty, end: Price) -> Shortfall {
        let missed = (end - self.decision) * (wanted - self.filled);
        Shortfall {
            delay: self.delay,
            spread: self.spread,
            impact: self.impact,
            opportunity: Money(missed.0 * i128::from(self.side.sign())),
        }
    }
}

/// The shortfall of one order from its fills. `end` is the price when it ended.
#[must_use]
pub fn shortfall(order: &OrderRequest, fills: &[Fill], end: Price) -> Shortfall {
    let mut meter = ShortfallMeter::new(order.side, order.decision_price);
    for fill in fills {
        meter.add(fill, fill.qty);
    }
    meter.split(order.qty, end)
}

#[cfg(test)]
#[path = "shortfall_tests.rs"]
mod tests;
