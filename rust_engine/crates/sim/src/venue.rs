//! Order matching on bars.
//!
//! An order is active from the first bar after the one in which it was decided. In one bar market orders fill first, then
//! stops, then limits: where a bar could prove both a stop and a target, the loss is the one that counts.
//!
//! | order | fills when | at | as |
//! |---|---|---|---|
//! | market | always | open | taker |
//! | stop sell at S | open <= S | open | taker |
//! | | low <= S | S | taker |
//! | limit buy at L | open <= L | open | taker |
//! | | low < L: a touch proves nothing, the queue may have been longer | L | maker |
//!
//! The other sides are mirrored. A taker also pays `slippage_bps` of the notional as a cost of its own, so the price stays a
//! proven one.

use model::{
    Bar, CancelReason, Costs, Fill, InstanceId, Liquidity, Money, OrderId, OrderKind, OrderRequest, OrderUpdate, Price,
    Qty, Side, SymbolId,
};
use risk::RiskApproved;
use serde::{Deserialize, Serialize};

/// Why costs were refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("costs.{field} = {value}: must be a number from {minimum} to 1000 bps")]
pub struct CostError {
    field: &'static str,
    value: f64,
    minimum: f64,
}

/// [`Costs`] as integer rates in 1e-8 of notional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CostRates {
    maker_e8: i64,
    taker_e8: i64,
    slippage_e8: i64,
}

impl TryFrom<&Costs> for CostRates {
    type Error = CostError;

    fn try_from(costs: &Costs) -> Result<Self, CostError> {
        let rate = |field, value: f64, minimum: f64| {
            if value >= minimum && value <= 1000.0 {
                Ok((value * 1e4).round() as i64)
            } else {
                Err(CostError { field, value, minimum })
            }
        };
        Ok(Self {
            maker_e8: rate("maker_fee_bps", costs.maker_fee_bps, -10.0)?,
            taker_e8: rate("taker_fee_bps", costs.taker_fee_bps, 0.0)?,
            slippage_e8: rate("slippage_bps", costs.slippage_bps, 0.0)?,
        })
    }
}

impl CostRates {
    /// Fee and slippage of a fill of this notional.
    #[must_use]
    #[inline]
    pub fn costs(&self, notional: Money, liquidity: Liquidity) -> (Money, Money) {
        let (fee_rate, slippage_rate) = match liquidity {
            Liquidity::Maker => (self.maker_e8, 0),
            Liquidity::Taker => (self.taker_e8, self.slippage_e8),
        };
        let cost = |rate| if rate == 0 { Money::ZERO } else { notional.times_rate(rate) };
        (cost(fee_rate), cost(slippage_rate))
    }
}

/// An order that was approved when it was sent.
#[derive(Debug, Serialize, Deserialize)]
struct Resting<T> {
    order: OrderRequest,
    arrival: Option<Price>,
    tag: T,
}

/// An order whose price the bar proved. It becomes a fill once the live position is known.
#[derive(Debug)]
pub struct Matched<T> {
    order: OrderRequest,
    price: Price,
    arrival: Price,
    liquidity: Liquidity,
    phase: u8,
    tag: T,
}

impl<T> Matched<T> {
    /// Whose order it is.
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        self.order.instance
    }

    /// The fill, or the end of a reduce-only order that has nothing left to reduce. `position` is the live one.
    ///
    /// # Errors
    /// [`CancelReason::NothingToReduce`].
    pub fn into_fill(self, bar: &Bar, position: Qty, rates: &CostRates) -> Result<(Fill, T), OrderUpdate> {
        let order = self.order;
        let mut qty = order.qty;
        if order.reduce_only {
            let reducible = Qty((-order.side.sign() * position.0).max(0));
            qty = qty.min(reducible);
            if qty == Qty::ZERO {
                return Err(OrderUpdate { order, reason: CancelReason::NothingToReduce });
            }
        }
        let (fee, slippage) = rates.costs(self.price * qty, self.liquidity);
        let at = if self.price == bar.open { bar.opened_at.max(order.decided_at) } else { bar.closed_at };
        let free = Fill::free(order, at, self.price, qty, self.liquidity);
        Ok((Fill { fee, slippage, arrival_price: self.arrival, ..free }, self.tag))
    }
}

/// Orders at rest by symbol. `T` is what the caller wants back with a fill.
#[derive(Debug, Serialize, Deserialize)]
pub struct Venue<T> {
    books: Vec<Vec<Resting<T>>>,
}

impl<T> Venue<T> {
    /// An empty venue for `n_symbols` symbols.
    #[must_use]
    pub fn new(n_symbols: usize) -> Self {
        Self { books: (0..n_symbols).map(|_| Vec::new()).collect() }
    }

    /// Takes an order; the next bar of its symbol is the first that can fill it.
    pub fn send(&mut self, order: RiskApproved<OrderRequest>, tag: T) {
        let order = order.into_inner();
        self.books[order.symbol.index()].push(Resting { order, arrival: None, tag });
    }

    /// Ends every order of `instance` in `symbol` that `wanted` picks, oldest first.
    pub fn cancel_where(
        &mut self,
        instance: InstanceId,
        symbol: SymbolId,
        wanted: impl Fn(&OrderRequest) -> bool,
        mut ended: impl FnMut(OrderRequest),
    ) {
        self.books[symbol.index()].retain(|resting| {
            let order = &resting.order;
            let ends = order.instance == instance && wanted(order);
            if ends {
                ended(*order);
            }
            !ends
        });
    }

    /// Ends one order, wherever it rests.
    pub fn cancel(&mut self, instance: InstanceId, id: OrderId, mut ended: impl FnMut(OrderRequest)) {
        for symbol in 0..self.books.len() {
            self.cancel_where(instance, SymbolId(symbol as u16), |o| o.id == id, &mut ended);
        }
    }

    /// Quantities of `instance` in `symbol` that rest and could open, buys and sells.
    #[must_use]
    pub fn resting(&self, instance: InstanceId, symbol: SymbolId) -> (Qty, Qty) {
        let (mut buys, mut sells) = (Qty::ZERO, Qty::ZERO);
        for order in self.books[symbol.index()].iter().map(|r| &r.order) {
            if order.instance == instance && !order.reduce_only {
                match order.side {
                    Side::Buy => buys += order.qty,
                    Side::Sell => sells += order.qty,
                }
            }
        }
        (buys, sells)
    }

    /// What rests.
    pub fn orders(&self) -> impl Iterator<Item = &OrderRequest> {
        self.books.iter().flatten().map(|resting| &resting.order)
    }

    /// Whether nothing rests in `symbol`.
    #[must_use]
    pub fn is_quiet(&self, symbol: SymbolId) -> bool {
        self.books[symbol.index()].is_empty()
    }

    /// How many orders rest in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.books.iter().map(Vec::len).sum()
    }

    /// Whether nothing rests.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.books.iter().all(Vec::is_empty)
    }

    /// Moves every order that `bar` fills into `matched`, in the order in which they fill.
    pub fn match_bar(&mut self, bar: &Bar, matched: &mut Vec<Matched<T>>) {
        let book = &mut self.books[bar.symbol.index()];
        for resting in book.iter_mut() {
            resting.arrival.get_or_insert(bar.open);
        }
        for resting in book.extract_if(.., |r| proves(&r.order, bar).is_some()) {
            let order = resting.order;
            if let Some((price, liquidity)) = proves(&order, bar) {
                let arrival = resting.arrival.unwrap_or(bar.open);
                matched.push(Matched { order, price, arrival, liquidity, phase: phase(order.kind), tag: resting.tag });
            }
        }
        matched.sort_by_key(|m| m.phase);
    }
}

const fn phase(kind: OrderKind) -> u8 {
    match kind {
        OrderKind::Market => 0,
        OrderKind::Stop { .. } => 1,
        OrderKind::Limit { .. } => 2,
    }
}

fn proves(order: &OrderRequest, bar: &Bar) -> Option<(Price, Liquidity)> {
    proven_price(order.kind, order.side, bar)
}

/// The price at which the prices of `bar` prove a fill of an order that rested before it, if they do.
#[must_use]
#[inline]
pub fn proven_price(kind: OrderKind, side: Side, bar: &Bar) -> Option<(Price, Liquidity)> {
    let buy = side == Side::Buy;
    match kind {
        OrderKind::Market => Some((bar.open, Liquidity::Taker)),
        OrderKind::Stop { trigger } => {
            let (gapped, reached) = if buy {
                (bar.open >= trigger, bar.high >= trigger)
            } else {
                (bar.open <= trigger, bar.low <= trigger)
            };
            let price = if gapped { bar.open } else { trigger };
            (gapped || reached).then_some((price, Liquidity::Taker))
        }
        OrderKind::Limit { price } => {
            let (gapped, crossed) =
                if buy { (bar.open <= price, bar.low < price) } else { (bar.open >= price, bar.high > price) };
            match (gapped, crossed) {
                (true, _) => Some((bar.open, Liquidity::Taker)),
                (false, true) => Some((price, Liquidity::Maker)),
                (false, false) => None,
            }
        }
    }
}

#[cfg(test)]
#[path = "venue_tests.rs"]
mod tests;
