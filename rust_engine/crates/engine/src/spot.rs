//! Sales on an account that cannot hold less than nothing.
//!
//! There a sale is at most what the engine bought and still holds: beside it may lie coins that are not the engine's. An open
//! sale locks what it would sell, a stop as well. So an exit first cancels the stops of what it closes and waits for their end,
//! and a stop that replaces another waits for the end of that one. Everything else above what is free is refused by the risk
//! gate as `short_sale`.

use crate::account::Account;
use crate::core::Core;
use crate::error::CoreError;
use crate::recorder::Recorder;
use model::{CancelReason, InstanceId, OrderKind, OrderRequest, OrderUpdate, Qty, Side, SymbolId, Ts};
use risk::Rule;
use std::collections::BTreeMap;

/// Sales of one instance in one symbol that wait at the same time.
const MOST_WAITING: usize = 4;

impl<R: Recorder> Core<R> {
    /// Whether orders of `instance` go to an account that cannot be short.
    fn is_spot(&self, instance: InstanceId) -> bool {
        let is_spot = self.exchange.external().is_some_and(|venue| !venue.may_be_short());
        is_spot && self.exchange.is_external_for(instance)
    }

    fn account(&self) -> Account<'_, R::Tag> {
        Account { instances: &self.instances, exchange: &self.exchange, last: &self.market.last }
    }

    /// What there is to close of a position, above zero when long: on Spot whole lots of what is held.
    pub(crate) fn to_close(&self, i: usize, symbol: SymbolId) -> Qty {
        let position = self.instances[i].ledger.position(symbol.index());
        if !self.is_spot(InstanceId(i as u16)) {
            return position;
        }
        let held = position.min(self.account().held_in_all(symbol)).max(Qty::ZERO);
        held.round_down(self.symbols[symbol.index()].lot)
    }

    /// Keeps an exit, or a stop that replaces another, until the sales that lock its quantity have ended; `false` where that is
    /// not what stands in its way.
    pub(crate) fn waits_for_room(&mut self, order: &OrderRequest, at: Ts) -> bool {
        if order.side != Side::Sell || !order.reduce_only || !self.is_spot(order.instance) {
            return false;
        }
        let (instance, symbol) = (order.instance, order.symbol);
        let is_short = self.gate.check(order, at, &self.account()).is_err_and(|e| e.rule == Rule::ShortSale);
        let is_covered = self.position_of(order) >= order.qty;
        let Some(venue) = self.exchange.external() else { return false };
        let is_stop = |other: &OrderRequest| matches!(other.kind, OrderKind::Stop { .. });
        let is_same = |other: &OrderRequest| (other.instance, other.symbol) == (instance, symbol);
        let can_wait = match order.kind {
            OrderKind::Market => venue.has_open_sale(instance, symbol),
            OrderKind::Stop { .. } => venue.orders().any(|(other, _)| is_same(other) && is_stop(other)),
            OrderKind::Limit { .. } => false,
        };
        if !is_short || !is_covered || !can_wait || venue.waiting(instance, symbol).count() >= MOST_WAITING {
            return false;
        }
        if order.kind == OrderKind::Market {
            self.make_room(instance, symbol, at);
        }
        let identity = &self.instances[instance.index()].identity;
        let tag = self.recorder.tag(identity, order, self.exchange.top(symbol));
        if let Some(venue) = self.exchange.external_mut() {
            venue.wait(*order, tag);
        }
        true
    }

    /// Cancels what locks a position that is to be sold at once.
    fn make_room(&mut self, instance: InstanceId, symbol: SymbolId, at: Ts) {
        let notices = &mut self.notices;
        let ended = |order| notices.push_back(OrderUpdate { order, reason: CancelReason::NothingToReduce });
        let locks = |other: &OrderRequest| other.side == Side::Sell && other.kind != OrderKind::Market;
        let n = self.exchange.cancel_where(instance, symbol, locks, at, ended);
        self.gate.cancels_sent(instance, n, at);
    }

    /// Sends what waited and now has room, and ends what cannot have it any more.
    ///
    /// # Errors
    /// [`CoreError::Runaway`].
    pub(crate) fn let_go(&mut self, instance: InstanceId, symbol: SymbolId, at: Ts) -> Result<(), CoreError> {
        let Some(venue) = self.exchange.external_mut() else { return Ok(()) };
        // All of them at once: none is to stand in the way of one that came before it.
        let mut waiting = venue.take_waiting(instance, symbol).into_iter();
        while let Some((order, tag)) = waiting.next() {
            if self.position_of(&order) < order.qty {
                self.end_unsent(&order, CancelReason::NothingToReduce, "nothing_to_reduce");
            } else if self.is_locked(&order) {
                if let Some(venue) = self.exchange.external_mut() {
                    venue.wait(order, tag);
                    waiting.for_each(|(order, tag)| venue.wait(order, tag));
                }
                break;
            } else if let Some(approved) = self.approve(order) {
                self.place(approved, tag);
            }
        }
        self.settle_all(at)
    }

    /// Whether open sales, which may end, leave too little for this one.
    fn is_locked(&self, order: &OrderRequest) -> bool {
        let Some(venue) = self.exchange.external() else { return false };
        let is_short =
            self.gate.check(order, self.market.now, &self.account()).is_err_and(|e| e.rule == Rule::ShortSale);
        is_short && venue.has_open_sale(order.instance, order.symbol)
    }

    fn position_of(&self, order: &OrderRequest) -> Qty {
        self.instances[order.instance.index()].ledger.position(order.symbol.index())
    }

    /// What the account should hold of each symbol beyond the positions that can be sold: parts of a lot, and below zero what
    /// fees took from coins that are not the engine's. Empty with a simulated venue.
    #[must_use]
    pub fn dust(&self) -> BTreeMap<String, Qty> {
        let Some(venue) = self.exchange.external() else { return BTreeMap::new() };
        let of = |(symbol, spec): (usize, &model::SymbolSpec)| {
            let funded = self.instances.iter().filter(|x| x.identity.mode.is_funded());
            let parts = funded.map(|x| x.ledger.position(symbol));
            let parts = parts.fold(Qty::ZERO, |sum, held| sum + (held - held.round_down(spec.lot)));
            let dust = venue.residue(SymbolId(symbol as u16)) + parts;
            (dust != Qty::ZERO).then(|| (spec.name.clone(), dust))
        };
        self.symbols.iter().enumerate().filter_map(of).collect()
    }
}

#[cfg(test)]
#[path = "spot_tests.rs"]
mod tests;
