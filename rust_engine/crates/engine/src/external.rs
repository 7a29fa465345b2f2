//! Orders that went to an exchange, and what the exchange says about them.
//!
//! The core never talks to an exchange: it hands out requests and takes reports, and both are the same on a replay. What an
//! unanswered request means is decided by asking the exchange under our own order id, never by guessing.

use model::{
    CancelReason, InstanceId, Liquidity, Money, OrderId, OrderKind, OrderRequest, OrderUpdate, Price, Qty, Side,
    SymbolId, SymbolSpec, Ts,
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
        /// What of that fee was taken in base currency, so that the account holds less than was bought.
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

/// What an order is compared with when it has traded: the market as it was known when the order left.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Sight {
    pub(crate) price: Price,
    /// Zero where only prints and candles were known.
    pub(crate) half_spread: Price,
}

#[derive(Debug, Serialize, Deserialize)]
struct Open<T> {
    order: OrderRequest,
    left: Qty,
    sight: Sight,
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
    /// What of it the position does not get, in whole lots.
    pub(crate) base_fee: Qty,
    pub(crate) fee: Money,
    pub(crate) liquidity: Liquidity,
    pub(crate) sight: Sight,
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
    /// Whether the account may hold less than nothing.
    may_be_short: bool,
    lots: Vec<Qty>,
    /// What the account holds beside the positions: parts of a lot, below zero where fees took more than that.
    residue: BTreeMap<SymbolId, Qty>,
    /// Sales that wait until others, which lock what they sell, have ended. They did not leave.
    waiting: Vec<(OrderRequest, T)>,
    /// Of the last order or report.
    changed_at: Ts,
    #[serde(skip)]
    requests: Vec<VenueRequest>,
}

impl<T: Clone> External<T> {
    pub(crate) fn new(may_be_short: bool, symbols: &[SymbolSpec]) -> Self {
        Self {
            open: BTreeMap::new(),
            may_be_short,
            lots: symbols.iter().map(|spec| spec.lot).collect(),
            residue: BTreeMap::new(),
            waiting: Vec::new(),
            changed_at: Ts(i64::MIN),
            requests: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, order: RiskApproved<OrderRequest>, sight: Sight, tag: T) {
        let request = *order.get();
        self.changed_at = self.changed_at.max(request.decided_at);
        let open = Open { left: request.qty, order: request, sight, cancel_asked: false, trades: BTreeSet::new(), tag };
        self.open.insert(request.id, open);
        self.requests.push(VenueRequest::Place(order));
    }

    /// Asks for the end of what `wanted` picks; each ends when the exchange says so. What did not leave ends at once, and `ended`
    /// gets it.
    pub(crate) fn cancel_where(&mut self, wanted: impl Fn(&OrderRequest) -> bool, mut ended: impl FnMut(OrderRequest)) {
        self.waiting.retain(|(order, _)| {
            let is_picked = wanted(order);
            if is_picked {
                ended(*order);
            }
            !is_picked
        });
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

    /// What is at the exchange or waits to go there, and how much of it is left.
    pub(crate) fn orders(&self) -> impl Iterator<Item = (&OrderRequest, Qty)> {
        let waiting = self.waiting.iter().map(|(order, _)| (order, order.qty));
        self.open.values().map(|open| (&open.order, open.left)).chain(waiting)
    }

    /// What open and waiting sales could still sell, of those that `wanted` picks.
    pub(crate) fn sales(&self, wanted: impl Fn(&OrderRequest) -> bool) -> Qty {
        let sales = self.orders().filter(|(order, _)| order.side == Side::Sell && wanted(order));
        sales.fold(Qty::ZERO, |sum, (_, left)| sum + left)
    }

    pub(crate) fn may_be_short(&self) -> bool {
        self.may_be_short
    }

    /// Keeps a sale until [`External::take_waiting`].
    pub(crate) fn wait(&mut self, order: OrderRequest, tag: T) {
        self.waiting.push((order, tag));
    }

    /// Takes out the sales of `instance` in `symbol` that wait, oldest first.
    pub(crate) fn take_waiting(&mut self, instance: InstanceId, symbol: SymbolId) -> Vec<(OrderRequest, T)> {
        let is_one = |(order, _): &mut (OrderRequest, T)| (order.instance, order.symbol) == (instance, symbol);
        self.waiting.extract_if(.., is_one).collect()
    }

    /// The sales of `instance` in `symbol` that wait.
    pub(crate) fn waiting(&self, instance: InstanceId, symbol: SymbolId) -> impl Iterator<Item = &OrderRequest> {
        let orders = self.waiting.iter().map(|(order, _)| order);
        orders.filter(move |order| (order.instance, order.symbol) == (instance, symbol))
    }

    /// Whether a sale of `instance` in `symbol` is at the exchange.
    pub(crate) fn has_open_sale(&self, instance: InstanceId, symbol: SymbolId) -> bool {
        let is_one =
            |order: &OrderRequest| (order.instance, order.symbol, order.side) == (instance, symbol, Side::Sell);
        self.open.values().any(|open| is_one(&open.order))
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
                let (symbol, is_buy) = (open.order.symbol, open.order.side == Side::Buy);
                let lot = self.lots.get(symbol.index()).copied().unwrap_or(Qty(1));
                let residue = self.residue.entry(symbol).or_default();
                let kept = whole_fee(residue, *base_fee, if is_buy { *qty } else { Qty::ZERO }, lot);
                let executed = Executed {
                    order: open.order,
                    price: *price,
                    qty: *qty,
                    base_fee: kept,
                    fee: *fee,
                    liquidity: *liquidity,
                    sight: open.sight,
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
                let (order, mut reason) = (open.order, *reason);
                self.open.remove(&report.id);
                // It was cancelled so that an exit can sell what it locked: nobody is to put it up again.
                let is_for_exit = |exit: &OrderRequest| exit.kind == OrderKind::Market && order.reduce_only;
                if reason == CancelReason::Requested && self.waiting(order.instance, order.symbol).any(is_for_exit) {
                    reason = CancelReason::NothingToReduce;
                }
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

    /// What the account holds of a symbol beside all positions.
    pub(crate) fn residue(&self, symbol: SymbolId) -> Qty {
        self.residue.get(&symbol).copied().unwrap_or_default()
    }

    pub(crate) fn changed_at(&self) -> Ts {
        self.changed_at
    }

    pub(crate) fn drain(&mut self) -> Vec<VenueRequest> {
        std::mem::take(&mut self.requests)
    }
}

/// Takes a fee in base currency out of the residue, and gives the whole lots that a fill of `most` must lend it for that.
fn whole_fee(residue: &mut Qty, base_fee: Qty, most: Qty, lot: Qty) -> Qty {
    *residue -= base_fee;
    let lacking = (Qty::ZERO - *residue).max(Qty::ZERO);
    let kept = lacking.round_up(lot).min(most);
    *residue += kept;
    kept
}
