//! What the core says to an exchange, and what it believes that the exchange holds.

use crate::core::Core;
use crate::external::{External, Outstanding, VenueRequest};
use crate::recorder::Recorder;
use model::{Qty, SymbolId, Ts};
use risk::reconcile::OwnView;
use std::collections::BTreeMap;

impl<R: Recorder> Core<R> {
    /// Takes what must be said to the exchange, in order; empty with a simulated venue.
    pub fn drain_requests(&mut self) -> Vec<VenueRequest> {
        self.exchange.external_mut().map_or_else(Vec::new, External::drain)
    }

    /// The orders that the exchange may hold; none with a simulated venue.
    #[must_use]
    pub fn outstanding(&self) -> Vec<Outstanding> {
        self.exchange.external().map_or_else(Vec::new, External::outstanding)
    }

    /// What the account at the exchange should hold: open orders, and the positions of live and canary instances with what is
    /// beside them. Nothing with a simulated venue.
    #[must_use]
    pub fn own_view(&self) -> OwnView {
        let Some(venue) = self.exchange.external() else {
            return OwnView { at: Ts(i64::MIN), orders: BTreeMap::new(), positions: BTreeMap::new() };
        };
        let mut positions = BTreeMap::new();
        for symbol in 0..self.symbols.len() {
            let id = SymbolId(symbol as u16);
            let mut held = venue.residue(id);
            self.instances
                .iter()
                .filter(|x| x.identity.mode.is_funded())
                .for_each(|x| held += x.ledger.position(symbol));
            if held != Qty::ZERO {
                positions.insert(id, held);
            }
        }
        OwnView { at: venue.changed_at(), orders: venue.open_orders(), positions }
    }
}
