//! A run and the exchange that it trades on.

use super::Runtime;
use crate::external::{Outstanding, VenueRequest};
use model::Qty;
use risk::reconcile::OwnView;
use std::collections::BTreeMap;

impl Runtime {
    /// Takes what must be said to the exchange, in order; empty with a simulated venue.
    pub fn drain_requests(&mut self) -> Vec<VenueRequest> {
        self.core.drain_requests()
    }

    /// The orders that the exchange may hold; none with a simulated venue.
    #[must_use]
    pub fn outstanding(&self) -> Vec<Outstanding> {
        self.core.outstanding()
    }

    /// What the account at the exchange should hold, for [`risk::reconcile`]; nothing with a simulated venue.
    #[must_use]
    pub fn own_view(&self) -> OwnView {
        self.core.own_view()
    }
    /// What the account should hold of each symbol beyond what can be sold; empty with a simulated venue.
    #[must_use]
    pub fn dust(&self) -> BTreeMap<String, Qty> {
        self.core.dust()
    }
}
