//! Whether the venue sees the orders and positions that we see. Anything but full agreement is a mismatch with a name, and an
//! engine that has one is not ready: see [`RiskGate::make_unready`](crate::RiskGate::make_unready).

use model::{OrderId, Price, Qty, Side, SymbolId, Ts};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Mismatches that a reason spells out; the rest are counted.
const MOST_TOLD: usize = 5;

/// An order that can still fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOrder {
    /// What it trades.
    pub symbol: SymbolId,
    /// Direction.
    pub side: Side,
    /// What is not yet filled, above zero.
    pub qty_left: Qty,
    /// Limit or trigger price; `None` for a market order.
    pub price: Option<Price>,
}

/// What the engine believes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnView {
    /// Its last order or fill.
    pub at: Ts,
    /// Open orders by client order id.
    pub orders: BTreeMap<OrderId, OpenOrder>,
    /// Signed positions of the account; a symbol that is missing is flat.
    pub positions: BTreeMap<SymbolId, Qty>,
}

/// An order that the venue calls open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueOrder {
    /// The venue's id.
    pub venue_id: String,
    /// Our id, where the order carries one.
    pub client_id: Option<OrderId>,
    /// The order.
    pub order: OpenOrder,
}

/// What the venue says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VenueView {
    /// When it said so.
    pub at: Ts,
    /// Its open orders.
    pub orders: Vec<VenueOrder>,
    /// Its signed positions; a symbol that is missing is flat.
    pub positions: BTreeMap<SymbolId, Qty>,
}

/// One disagreement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The venue's view cannot be had.
    #[error("no_answer: {0}")]
    NoAnswer(String),
    /// The venue's view is older than our last order or fill.
    #[error("outdated: the venue's view of {} ns is older than our own of {} ns", venue_at.0, own_at.0)]
    Outdated {
        /// Of the venue's view.
        venue_at: Ts,
        /// Of our own.
        own_at: Ts,
    },
    /// We hold an order open that the venue does not.
    #[error("order_missing: the venue does not have our order {}", id.0)]
    OrderMissing {
        /// Our id.
        id: OrderId,
    },
    /// The venue holds an order with an id of ours that we do not hold open.
    #[error("order_unknown: the venue has our order {}, which is not open here", id.0)]
    OrderUnknown {
        /// Our id.
        id: OrderId,
    },
    /// The venue holds an order that carries no id of ours.
    #[error("order_foreign: the venue has order '{venue_id}', which this engine did not send")]
    OrderForeign {
        /// The venue's id.
        venue_id: String,
    },
    /// One id of ours is open twice.
    #[error("order_doubled: the venue has our order {} twice", id.0)]
    OrderDoubled {
        /// Our id.
        id: OrderId,
    },
    /// Both hold the order, and not the same one.
    #[error("order_differs: order {} has {field} {ours} here and {theirs} at the venue", id.0)]
    OrderDiffers {
        /// Our id.
        id: OrderId,
        /// In what.
        field: &'static str,
        /// Here.
        ours: String,
        /// There.
        theirs: String,
    },
    /// Another position.
    #[error("position_differs: symbol {} stands at {ours} here and {theirs} at the venue", symbol.0)]
    PositionDiffers {
        /// Of which symbol.
        symbol: SymbolId,
        /// Here.
        ours: Qty,
        /// There.
        theirs: Qty,
    },
}

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Both sides agree.
    Reconciled,
    /// They do not, in at least one thing.
    Mismatched(Vec<Mismatch>),
}

impl fmt::Display for Outcome {
    /// `reconciled`, or the reason that [`RiskGate::make_unready`](crate::RiskGate::make_unready) takes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Mismatched(found) = self else { return f.write_str("reconciled") };
        f.write_str("reconciliation: ")?;
        for (i, mismatch) in found.iter().take(MOST_TOLD).enumerate() {
            write!(f, "{}{mismatch}", if i == 0 { "" } else { "; " })?;
        }
        match found.len().checked_sub(MOST_TOLD).filter(|left| *left > 0) {
            Some(left) => write!(f, "; and {left} more"),
            None => Ok(()),
        }
    }
}

/// Compares what the engine believes with what the venue says; `Err` is why the venue says nothing. Mismatches come in the order
/// of our ids, then the venue's, then the symbols.
#[must_use]
pub fn reconcile(own: &OwnView, venue: Result<&VenueView, &str>) -> Outcome {
    let venue = match venue {
        Ok(venue) if venue.at >= own.at => venue,
        Ok(venue) => return Outcome::Mismatched(vec![Mismatch::Outdated { venue_at: venue.at, own_at: own.at }]),
        Err(problem) => return Outcome::Mismatched(vec![Mismatch::NoAnswer(problem.to_owned())]),
    };
    let mut found = order_mismatches(own, venue);
    let symbols: BTreeSet<SymbolId> = own.positions.keys().chain(venue.positions.keys()).copied().collect();
    for symbol in symbols {
        let of = |positions: &BTreeMap<SymbolId, Qty>| positions.get(&symbol).copied().unwrap_or(Qty::ZERO);
        let (ours, theirs) = (of(&own.positions), of(&venue.positions));
        if ours != theirs {
            found.push(Mismatch::PositionDiffers { symbol, ours, theirs });
        }
    }
    if found.is_empty() { Outcome::Reconciled } else { Outcome::Mismatched(found) }
}

fn order_mismatches(own: &OwnView, venue: &VenueView) -> Vec<Mismatch> {
    let mut theirs: BTreeMap<OrderId, &OpenOrder> = BTreeMap::new();
    let mut at_venue = Vec::new();
    for VenueOrder { venue_id, client_id, order } in &venue.orders {
        match client_id {
            None => at_venue.push(Mismatch::OrderForeign { venue_id: venue_id.clone() }),
            Some(id) if theirs.insert(*id, order).is_some() => at_venue.push(Mismatch::OrderDoubled { id: *id }),
            Some(id) if !own.orders.contains_key(id) => at_venue.push(Mismatch::OrderUnknown { id: *id }),
            Some(_) => {}
        }
    }
    let mut found = Vec::new();
    for (id, ours) in &own.orders {
        match theirs.get(id) {
            None => found.push(Mismatch::OrderMissing { id: *id }),
            Some(theirs) => differences(*id, ours, theirs, &mut found),
        }
    }
    found.append(&mut at_venue);
    found
}

fn differences(id: OrderId, ours: &OpenOrder, theirs: &OpenOrder, found: &mut Vec<Mismatch>) {
    let price = |order: &OpenOrder| order.price.map_or_else(|| "none".to_owned(), |p| p.to_string());
    let side = |order: &OpenOrder| if order.side == Side::Buy { "buy" } else { "sell" }.to_owned();
    for (field, ours, theirs) in [
        ("symbol", ours.symbol.0.to_string(), theirs.symbol.0.to_string()),
        ("side", side(ours), side(theirs)),
        ("qty_left", ours.qty_left.to_string(), theirs.qty_left.to_string()),
        ("price", price(ours), price(theirs)),
    ] {
        if ours != theirs {
            found.push(Mismatch::OrderDiffers { id, field, ours, theirs });
        }
    }
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
