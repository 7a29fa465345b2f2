//! What goes out to the exchange, and what comes of it.

use super::super::budget::Use;
use super::super::client::{Fault, Viewed};
use super::super::order::Target;
use super::super::words::{OrderState, Trade};
use model::OrderId;

/// A request that is to go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::private) enum Job {
    Place {
        id: OrderId,
        params: String,
        is_stop: bool,
        what: Use,
    },
    Cancel {
        id: OrderId,
        symbol: String,
        target: Target,
    },
    Query {
        id: OrderId,
        symbol: String,
        target: Target,
    },
    Trades {
        id: OrderId,
        symbol: String,
        venue_id: u64,
    },
    /// Ends an order of this run that the engine knows nothing of.
    Forgotten {
        client: String,
        symbol: String,
        target: Target,
    },
    View {
        revision: u64,
    },
}

/// What came of one.
#[derive(Debug)]
pub(in crate::private) enum Done {
    Place(OrderId, Result<OrderState, Fault>),
    Cancel(OrderId, Result<Option<OrderState>, Fault>),
    Query(OrderId, Result<OrderState, Fault>),
    Trades(OrderId, Result<Vec<Trade>, Fault>),
    Forgotten(String, Result<Option<OrderState>, Fault>),
    View(u64, Result<Viewed, Fault>),
}
