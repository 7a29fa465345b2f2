//! What an account holds, and what it could come to hold.

use model::{InstanceId, Money, OrderRequest, Price, Qty, Side, SymbolId};

/// What the gate must know about the account at the moment of sending.
pub trait Exposure {
    /// Last price of the symbol; zero if it has not traded.
    fn last_price(&self, symbol: SymbolId) -> Price;
    /// Signed position of the instance.
    fn position(&self, instance: InstanceId, symbol: SymbolId) -> Qty;
    /// Quantities that rest and could open, buys and sells.
    fn resting(&self, instance: InstanceId, symbol: SymbolId) -> (Qty, Qty);
    /// What may still be sold, on an account that cannot hold less than nothing: the position less open sales; `None` where short
    /// positions are possible.
    fn sellable(&self, _instance: InstanceId, _symbol: SymbolId) -> Option<Qty> {
        None
    }
    /// Worst-case notional of every other pair of instance and symbol in the same account.
    fn gross_elsewhere(&self, instance: InstanceId, symbol: SymbolId) -> Money;
}

/// The largest absolute position that can come of `position`, whichever resting orders fill and however far reductions, which
/// nothing stops, have shrunk it before.
#[must_use]
pub fn worst_position(position: Qty, buys: Qty, sells: Qty) -> Qty {
    let worst = worst(position, (buys, sells), 0, 0);
    Qty(i64::try_from(worst).unwrap_or(i64::MAX))
}

/// [`worst_position`] in 1e-8, once `buys` and `sells` are added to what rests.
pub(crate) fn worst(position: Qty, resting: (Qty, Qty), buys: i128, sells: i128) -> i128 {
    let position = i128::from(position.0);
    let long = position.max(0) + i128::from(resting.0.0) + buys;
    let short = (-position).max(0) + i128::from(resting.1.0) + sells;
    long.max(short)
}

/// Sums that leave the range count as the largest amount, which no limit admits.
pub(crate) fn notional(price: Price, qty_e8: i128) -> Money {
    Money(i128::from(price.0).saturating_mul(qty_e8))
}

fn with_order((buys, sells): (Qty, Qty), order: &OrderRequest) -> (Qty, Qty) {
    let add = |resting: Qty| Qty(resting.0.saturating_add(order.qty.0));
    match order.side {
        _ if order.reduce_only => (buys, sells),
        Side::Buy => (add(buys), sells),
        Side::Sell => (buys, add(sells)),
    }
}

/// The account as it will be once the earlier orders of a group are sent.
pub(crate) struct WithEarlier<'a, E> {
    pub(crate) base: &'a E,
    pub(crate) earlier: &'a [OrderRequest],
    pub(crate) accounts: &'a [usize],
}

impl<E: Exposure> WithEarlier<'_, E> {
    fn of(&self, instance: InstanceId, symbol: SymbolId) -> impl Iterator<Item = &OrderRequest> {
        self.earlier.iter().filter(move |o| o.instance == instance && o.symbol == symbol)
    }

    fn account(&self, instance: InstanceId) -> Option<&usize> {
        self.accounts.get(instance.index())
    }

    /// What the earlier orders add to the worst case of one instance in one symbol.
    fn growth(&self, instance: InstanceId, symbol: SymbolId) -> Money {
        let position = self.base.position(instance, symbol);
        let before = worst(position, self.base.resting(instance, symbol), 0, 0);
        let after = worst(position, self.resting(instance, symbol), 0, 0);
        notional(self.base.last_price(symbol), after - before)
    }
}

impl<E: Exposure> Exposure for WithEarlier<'_, E> {
    fn last_price(&self, symbol: SymbolId) -> Price {
        self.base.last_price(symbol)
    }

    fn position(&self, instance: InstanceId, symbol: SymbolId) -> Qty {
        self.base.position(instance, symbol)
    }

    fn resting(&self, instance: InstanceId, symbol: SymbolId) -> (Qty, Qty) {
        self.of(instance, symbol).fold(self.base.resting(instance, symbol), with_order)
    }

    fn sellable(&self, instance: InstanceId, symbol: SymbolId) -> Option<Qty> {
        let sales = self.of(instance, symbol).filter(|order| order.side == Side::Sell);
        self.base.sellable(instance, symbol).map(|most| sales.fold(most, |left, order| left - order.qty))
    }

    fn gross_elsewhere(&self, instance: InstanceId, symbol: SymbolId) -> Money {
        let mut total = self.base.gross_elsewhere(instance, symbol);
        for (i, order) in self.earlier.iter().enumerate() {
            let (other, elsewhere) = (order.instance, order.symbol);
            let is_here = other == instance && elsewhere == symbol;
            let is_counted = self.earlier[..i].iter().any(|o| o.instance == other && o.symbol == elsewhere);
            if !is_here && !is_counted && self.account(other) == self.account(instance) {
                total = Money(total.0.saturating_add(self.growth(other, elsewhere).0));
            }
        }
        total
    }
}
