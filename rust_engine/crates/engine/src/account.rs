//! Exposure as the risk gate sees it.

use crate::exchange::Exchange;
use crate::instance::Instance;
use model::{InstanceId, Mode, Money, Price, Qty, SymbolId};
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
        let Exchange::External(venue) = self.exchange else { return None };
        if venue.may_be_short() {
            return None;
        }
        let open = venue.sales(|order| (order.instance, order.symbol) == (instance, symbol));
        let open_in_all = venue.sales(|order| order.symbol == symbol);
        let own = self.position(instance, symbol) - open;
        Some(own.min(self.held_in_all(symbol) - open_in_all).max(Qty::ZERO))
    }

    fn gross_elsewhere(&self, instance: InstanceId, symbol: SymbolId) -> Money {
        let funded = |mode: Mode| matches!(mode, Mode::Live | Mode::Canary);
        let mine = funded(self.instances[instance.index()].identity.mode);
        let mut total = Money::ZERO;
        for (i, other) in self.instances.iter().enumerate() {
            let id = InstanceId(i as u16);
            if id != instance && !(mine && funded(other.identity.mode)) {
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
    /// What all instances have bought of a symbol and still hold, less what fees took beyond the positions.
    pub(crate) fn held_in_all(&self, symbol: SymbolId) -> Qty {
        let lacking = match self.exchange {
            Exchange::External(venue) => venue.residue(symbol).min(Qty::ZERO),
            Exchange::Bars(_) | Exchange::Book(_) => Qty::ZERO,
        };
        self.instances.iter().fold(lacking, |sum, instance| sum + instance.ledger.position(symbol.index()))
    }
}
