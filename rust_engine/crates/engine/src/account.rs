//! Exposure as the risk gate sees it.

use crate::exchange::Exchange;
use crate::instance::Instance;
use model::{InstanceId, Money, Price, Qty, SymbolId};
use risk::{Exposure, worst_position};

/// What the gate sees: one account of live and canary instances, and one of its own for each shadow and twin.
pub(crate) struct Account<'a, T> {
    pub(crate) instances: &'a [Instance<T>],
    pub(crate) exchange: &'a Exchange<T>,
    pub(crate) last: &'a [Price],
}

impl<T: Clone> Exposure for Account<'_, T> {
    fn last_price(&self, symbol: SymbolId) -> Price {
        self.last[symbol.index()]
    }

    fn position(&self, instance: InstanceId, symbol: SymbolId) -> Qty {
        self.instances[instance.index()].ledger.position(symbol.index())
    }

    fn resting(&self, instance: InstanceId, symbol: SymbolId) -> (Qty, Qty) {
        self.exchange.resting(instance, symbol)
    }

    fn sellable(&self, instance: InstanceId, symbol: SymbolId) -> Option<Qty> {
        let venue = self.exchange.external().filter(|venue| !venue.may_be_short())?;
        if !self.exchange.is_external_for(instance) {
            // It stands in for one that trades the account, so it sells no more than that one could.
            let (_, sells) = self.resting(instance, symbol);
            return Some((self.position(instance, symbol) - sells).max(Qty::ZERO));
        }
        let open = venue.sales(|order| (order.instance, order.symbol) == (instance, symbol));
        let open_in_all = venue.sales(|order| order.symbol == symbol);
        let own = self.position(instance, symbol) - open;
        Some(own.min(self.held_in_all(symbol) - open_in_all).max(Qty::ZERO))
    }

    fn gross_elsewhere(&self, instance: InstanceId, symbol: SymbolId) -> Money {
        let mine = self.instances[instance.index()].identity.mode.is_funded();
        let mut total = Money::ZERO;
        for (i, other) in self.instances.iter().enumerate() {
            let id = InstanceId(i as u16);
            if id != instance && !(mine && other.identity.mode.is_funded()) {
                continue;
            }
            for elsewhere in other.symbols.iter().filter(|s| id != instance || **s != symbol) {
                let (buys, sells) = self.exchange.resting(id, *elsewhere);
                let worst = worst_position(other.ledger.position(elsewhere.index()), buys, sells);
                total += self.last[elsewhere.index()] * worst;
            }
        }
        total
    }
}

impl<T: Clone> Account<'_, T> {
    /// What live and canary instances have bought of a symbol and still hold, less what fees took beyond the positions.
    pub(crate) fn held_in_all(&self, symbol: SymbolId) -> Qty {
        let lacking = self.exchange.external().map_or(Qty::ZERO, |venue| venue.residue(symbol).min(Qty::ZERO));
        let funded = self.instances.iter().filter(|instance| instance.identity.mode.is_funded());
        funded.fold(lacking, |sum, instance| sum + instance.ledger.position(symbol.index()))
    }
}
