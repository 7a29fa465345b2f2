//! Orders that went to an exchange, and what the exchange says about them.
//!
//! The core never talks to an exchange: it hands out requests and takes reports, and both are the same on a replay. What an
//! unanswered request means is decided by asking the exchange under our own order id, never by guessing.

use model::{
    CancelReason, InstanceId, Liquidity, Money, OrderId, OrderRequest, OrderUpdate, Price, Qty, Side, SymbolId, Ts,
};
use risk::RiskApproved;
use risk::reconcile::OpenOrder;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What must be said to the exchange.
#[derive(Debug)]
pub enum VenueRequest {
    /// Place this order under its own id.
    Place(RiskApproved<OrderRequest>),
    /// Cancel it.
    Cancel {
        /// Of which symbol.
        symbol: SymbolId,
        /// Which order.
        id: OrderId,
    },
}

/// One thing an exchange said about one of our orders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VenueReport {
    /// Our id.
    pub id: OrderId,
    /// When we heard it.
    pub at: Ts,
    /// What.
    pub what: Reported,
}

/// What an exchange can say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type", deny_unknown_fields)]
pub enum Reported {
    /// It rests, or is about to trade.
    Accepted,
    /// A part of it traded.
    Filled {
        /// The exchange's number of this trade; a repeat is the same trade.
        trade_id: u64,
        /// Price.
        price: Price,
        /// Quantity.
        qty: Qty,
        /// Fee in quote currency, above zero when paid.
        fee: Money,
        /// What of that fee was taken in base currency, so that the account holds less than the position says.
        #[serde(default, skip_serializing_if = "is_zero")]
        base_fee: Qty,
        /// Maker or taker.
        liquidity: Liquidity,
    },
    /// It will not trade any more.
    Ended {
        /// Why.
        reason: CancelReason,
    },
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(qty: &Qty) -> bool {
    *qty == Qty::ZERO
}

/// An order that an exchange may hold, for whoever takes up the talk with it after a restart.
#[derive(Clone, Debug, PartialEq)]
pub struct Outstanding {
    /// The order.
    pub order: OrderRequest,
    /// Whether its end was asked for.
    pub cancel_asked: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Open<T> {
    order: OrderRequest,
    left: Qty,
    arrival: Price,
    cancel_asked: bool,
    trades: BTreeSet<u64>,
    tag: T,
}

/// A part of an order that traded on the exchange.
#[derive(Debug)]
pub(crate) struct Executed<T> {
    pub(crate) order: OrderRequest,
    pub(crate) price: Price,
    pub(crate) qty: Qty,
    pub(crate) fee: Money,
    pub(crate) liquidity: Liquidity,
    pub(crate) arrival: Price,
    pub(crate) at: Ts,
    pub(crate) tag: T,
}

/// What a report means.
#[derive(Debug)]
pub(crate) enum Meaning<T> {
    /// Nothing new.
    Nothing,
    /// It traded.
    Executed(Executed<T>),
    /// It ended.
    Ended(OrderUpdate),
    /// No such order is open here.
    Unknown,
}

/// Our open orders at an exchange.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct External<T> {
    open: BTreeMap<OrderId, Open<T>>,
    /// Fees that were taken in base currency.
    base_fees: BTreeMap<SymbolId, Qty>,
    /// Of the last order or report.
    changed_at: Ts,
    #[serde(skip)]
    requests: Vec<VenueRequest>,
}

impl<T: Clone> External<T> {
    pub(crate) fn new() -> Self {
        Self { open: BTreeMap::new(), base_fees: BTreeMap::new(), changed_at: Ts(i64::MIN), requests: Vec::new() }
    }

    pub(crate) fn send(&mut self, order: RiskApproved<OrderRequest>, last: Price, tag: T) {
        let request = *order.get();
        self.changed_at = self.changed_at.max(request.decided_at);
        let open = Open {
            left: request.qty,
            order: request,
            arrival: last,
            cancel_asked: false,
            trades: BTreeSet::new(),
            tag,
        };
        self.open.insert(request.id, open);
        self.requests.push(VenueRequest::Place(order));
    }

    /// Asks for the end of what `wanted` picks; each ends when the exchange says so.
    pub(crate) fn cancel_where(&mut self, wanted: impl Fn(&OrderRequest) -> bool) {
        for (id, open) in &mut self.open {
            if !open.cancel_asked && wanted(&open.order) {
                open.cancel_asked = true;
                self.requests.push(VenueRequest::Cancel { symbol: open.order.symbol, id: *id });
            }
        }
    }

    pub(crate) fn resting(&self, instance: InstanceId, symbol: SymbolId) -> (Qty, Qty) {
        let mut sums = (Qty::ZERO, Qty::ZERO);
        for open in self.open.values() {
            if open.order.instance == instance && open.order.symbol == symbol && !open.order.reduce_only {
                match open.order.side {
                    Side::Buy => sums.0 += open.left,
                    Side::Sell => sums.1 += open.left,
                }
            }
        }
        sums
    }

    pub(crate) fn orders(&self) -> impl Iterator<Item = (&OrderRequest, Qty)> {
        self.open.values().map(|open| (&open.order, open.left))
    }

    pub(crate) fn report(&mut self, report: &VenueReport) -> Meaning<T> {
        let Some(open) = self.open.get_mut(&report.id) else { return Meaning::Unknown };
        self.changed_at = self.changed_at.max(report.at);
        match &report.what {
            Reported::Accepted => Meaning::Nothing,
            Reported::Filled { trade_id, price, qty, fee, base_fee, liquidity } => {
                if !open.trades.insert(*trade_id) {
                    return Meaning::Nothing;
                }
                *self.base_fees.entry(open.order.symbol).or_default() += *base_fee;
                let executed = Executed {
                    order: open.order,
                    price: *price,
                    qty: *qty,
                    fee: *fee,
                    liquidity: *liquidity,
                    arrival: open.arrival,
                    at: report.at,
                    tag: open.tag.clone(),
                };
                open.left -= *qty;
                if open.left <= Qty::ZERO {
                    self.open.remove(&report.id);
                }
                Meaning::Executed(executed)
            }
            Reported::Ended { reason } => {
                let (order, reason) = (open.order, *reason);
                self.open.remove(&report.id);
                Meaning::Ended(OrderUpdate { order, reason })
            }
        }
    }

    pub(crate) fn outstanding(&self) -> Vec<Outstanding> {
        self.open.values().map(|open| Outstanding { order: open.order, cancel_asked: open.cancel_asked }).collect()
    }

    pub(crate) fn open_orders(&self) -> BTreeMap<OrderId, OpenOrder> {
        let seen = |open: &Open<T>| OpenOrder {
            symbol: open.order.symbol,
            side: open.order.side,
            qty_left: open.left,
            price: open.order.named_price(),
        };
        self.open.iter().map(|(id, open)| (*id, seen(open))).collect()
    }

    pub(crate) fn base_fees(&self) -> &BTreeMap<SymbolId, Qty> {
        &self.base_fees
    }

    pub(crate) fn changed_at(&self) -> Ts {
        self.changed_at
    }

    pub(crate) fn drain(&mut self) -> Vec<VenueRequest> {
        std::mem::take(&mut self.requests)
    }
}
