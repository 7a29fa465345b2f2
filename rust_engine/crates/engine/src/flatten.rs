//! Closing positions until nothing is left of them: every one at the word of an operator or of a loss limit, and those of an
//! idle instance.
//!
//! An order that closes may come to nothing: too many orders were sent, a stop still holds the coins, the process died before
//! it left. So a flatten is a state and not an order. While it is in force, each position that is not zero has one order on its
//! way that closes it, or gets the next one after a wait that doubles. Strategies put up no stops and targets meanwhile: at an
//! exchange these hold what is to be sold. `resume` ends it; for an idle instance a share of the capital does.

use crate::core::Core;
use crate::error::CoreError;
use crate::recorder::Recorder;
use model::{InstanceId, OrderKind, OrderRequest, Price, Purpose, Qty, Side, SymbolId, Ts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Wait between two orders that close one position; it doubles up to half a minute.
const FIRST_WAIT_NS: i64 = 500 * Ts::MS;
const MOST_DOUBLINGS: u32 = 6;

/// Whether a flatten is in force, and how far it came.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Flattening {
    is_on: bool,
    /// How many orders were sent for a position in a row, and when the next one may follow.
    sent: BTreeMap<(InstanceId, SymbolId), (u32, Ts)>,
}

impl Flattening {
    /// From now on; one that is in force does not wait for its next order any more.
    pub(crate) fn begin(&mut self) {
        *self = Self { is_on: true, ..Self::default() };
    }

    /// No longer.
    pub(crate) fn end(&mut self) {
        *self = Self::default();
    }

    /// The next order for a position of `instance` does not wait any more.
    pub(crate) fn hurry(&mut self, instance: InstanceId) {
        self.sent.retain(|(other, _), _| *other != instance);
    }

    fn due(&self, position: (InstanceId, SymbolId)) -> Option<Ts> {
        self.sent.get(&position).map(|(_, due)| *due)
    }

    fn count(&mut self, position: (InstanceId, SymbolId), now: Ts) {
        let (n, due) = self.sent.entry(position).or_insert((0, now));
        *due = now.plus_ns(FIRST_WAIT_NS << (*n).min(MOST_DOUBLINGS));
        *n = n.saturating_add(1);
    }
}

impl<R: Recorder> Core<R> {
    /// Whether the positions of instance `i` are to be closed.
    fn closes(&self, i: usize) -> bool {
        self.flattening.is_on || self.instances[i].is_idle()
    }

    /// Whether a strategy's order must not go out now.
    pub(crate) fn withholds(&self, order: &OrderRequest) -> bool {
        order.reduce_only && order.kind != OrderKind::Market && self.closes(order.instance.index())
    }

    /// Sends what a flatten in force, or an idle instance, still needs; nothing without either.
    ///
    /// # Errors
    /// [`CoreError::Runaway`].
    pub(crate) fn keep_flat(&mut self, at: Ts) -> Result<(), CoreError> {
        if !(0..self.instances.len()).any(|i| self.closes(i)) {
            return Ok(());
        }
        for i in 0..self.instances.len() {
            if !self.closes(i) {
                continue;
            }
            for k in 0..self.instances[i].symbols.len() {
                self.close(i, self.instances[i].symbols[k], at);
            }
        }
        self.settle_all(at)
    }

    /// When one of these may send again; `None` while it waits for answers or has nothing to do.
    pub(crate) fn next_close(&self) -> Option<Ts> {
        let due = |(i, symbol): (usize, SymbolId)| {
            let waits = self.to_close(i, symbol) != Qty::ZERO && !self.is_closing(i, symbol);
            waits.then(|| self.flattening.due((InstanceId(i as u16), symbol)).unwrap_or(self.market.now))
        };
        let of = |i: usize| self.instances[i].symbols.iter().map(move |symbol| (i, *symbol));
        (0..self.instances.len()).filter(|i| self.closes(*i)).flat_map(of).filter_map(due).min()
    }

    fn close(&mut self, i: usize, symbol: SymbolId, at: Ts) {
        let which = (InstanceId(i as u16), symbol);
        let left = self.to_close(i, symbol);
        if left == Qty::ZERO {
            self.flattening.sent.remove(&which);
            return;
        }
        // Waits count on the market's clock, which a replay has too and which inputs of people do not move.
        let now = self.market.now;
        if self.is_closing(i, symbol) || self.flattening.due(which).is_some_and(|due| now < due) {
            return;
        }
        self.flattening.count(which, now);
        self.submit(i, closing_order(symbol, left, self.market.last[symbol.index()]), at);
    }

    /// Whether an order that closes is on its way.
    fn is_closing(&self, i: usize, symbol: SymbolId) -> bool {
        self.exchange.holds(InstanceId(i as u16), symbol, |order| order.purpose == Purpose::Flatten)
    }
}

fn closing_order(symbol: SymbolId, position: Qty, price: Price) -> OrderRequest {
    let side = if position > Qty::ZERO { Side::Sell } else { Side::Buy };
    OrderRequest {
        reduce_only: true,
        purpose: Purpose::Flatten,
        ..OrderRequest::market(symbol, side, position.abs(), price)
    }
}

#[cfg(test)]
#[path = "flatten_tests.rs"]
mod tests;
