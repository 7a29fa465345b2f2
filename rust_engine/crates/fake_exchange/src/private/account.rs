//! The true account: orders, trades and balances in exact numbers, matched against one best bid and ask.

use super::stops::Stop;
use model::{Liquidity, Price, Qty, Side};
use std::collections::BTreeMap;

/// Whose rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Venue {
    /// Binance Spot: balances, no short positions.
    Spot,
    /// Binance USD-M in one-way mode.
    Usdm,
}

/// Fee of every trade, in 1e-8 of what it is taken from.
const FEE_E8: i128 = 100_000;
/// Trades are whole multiples of this.
const STEP: Qty = Qty(100_000);
const SCALE: i128 = model::fixed::SCALE as i128;

/// How an order meets the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// At once, at the best price.
    Market,
    /// At this price or better.
    Limit(Price),
    /// At this price, never crossing.
    PostOnly(Price),
    /// At this price or better at once; the rest ends.
    ImmediateOrCancel(Price),
    /// At the best price once this one was reached.
    Stop(Price),
}

/// An order as its sender wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The sender's name of it.
    pub client: &'a str,
    /// Direction.
    pub side: Side,
    /// How.
    pub kind: Kind,
    /// How much.
    pub qty: Qty,
    /// May only shrink a position.
    pub reduce_only: bool,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The exchange's number.
    pub id: u64,
    /// The sender's name of it.
    pub client: String,
    /// Direction.
    pub side: Side,
    /// How.
    pub kind: Kind,
    /// How much.
    pub qty: Qty,
    /// How much of it traded.
    pub executed: Qty,
    /// In the exchange's words.
    pub status: &'static str,
    /// May only shrink a position.
    pub reduce_only: bool,
}

impl Order {
    /// Whether it can still trade.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.status, "NEW" | "PARTIALLY_FILLED")
    }

    fn left(&self) -> Qty {
        self.qty - self.executed
    }

    fn price(&self) -> Option<Price> {
        match self.kind {
            Kind::Limit(price) | Kind::PostOnly(price) | Kind::ImmediateOrCancel(price) => Some(price),
            Kind::Market | Kind::Stop(_) => None,
        }
    }
}

/// A trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Its number.
    pub id: u64,
    /// Of which order.
    pub order_id: u64,
    /// Price.
    pub price: Price,
    /// How much.
    pub qty: Qty,
    /// Fee, in units of 1e-8 of `asset`.
    pub fee: i64,
    /// Whether it was taken in base currency.
    pub is_fee_in_base: bool,
    /// Maker or taker.
    pub liquidity: Liquidity,
}

/// A refusal: code and words.
pub type Refused = (i64, &'static str);

/// What happened, with the order as it was then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// To an order.
    Order {
        /// In the exchange's words.
        what: &'static str,
        /// The order.
        order: Order,
        /// The trade, if it traded.
        trade: Option<Trade>,
    },
    /// To a stop order at the algo service.
    Stop(Stop),
}

/// An account in one symbol.
#[derive(Debug)]
pub struct Book {
    venue: Venue,
    bid: Price,
    ask: Price,
    /// By number; open and ended.
    pub orders: BTreeMap<u64, Order>,
    /// In their order.
    pub trades: Vec<Trade>,
    /// Base currency on Spot, the position on USD-M.
    pub base: Qty,
    /// Quote currency, in 1e-16 units.
    pub quote: i128,
    /// How often an order of a name was taken.
    pub taken: BTreeMap<String, u32>,
    /// Stop orders of USD-M by their number at the algo service.
    pub stops: BTreeMap<u64, Stop>,
    /// Whether a stop that triggers keeps its sender's name as an order.
    pub keeps_names: bool,
    pub(super) happened: Vec<Happened>,
    next_id: u64,
}

impl Book {
    /// An account with these balances.
    #[must_use]
    pub fn new(venue: Venue, base: Qty, quote: Price) -> Self {
        Self {
            venue,
            bid: Price::ZERO,
            ask: Price::ZERO,
            orders: BTreeMap::new(),
            trades: Vec::new(),
            base,
            quote: i128::from(quote.0) * SCALE,
            taken: BTreeMap::new(),
            stops: BTreeMap::new(),
            keeps_names: true,
            happened: Vec::new(),
            next_id: 1,
        }
    }

    /// Best bid and best ask.
    pub(super) fn prices(&self) -> (Price, Price) {
        (self.bid, self.ask)
    }

    /// What happened since the last call.
    pub fn drain(&mut self) -> Vec<Happened> {
        std::mem::take(&mut self.happened)
    }

    /// The market moves: what it reaches trades. A resting order trades half of itself at first.
    pub fn set_prices(&mut self, bid: Price, ask: Price) {
        (self.bid, self.ask) = (bid, ask);
        let open: Vec<u64> = self.orders.values().filter(|o| o.is_open()).map(|o| o.id).collect();
        for id in open {
            let Some(order) = self.orders.get(&id).cloned() else { continue };
            let opposite = if order.side == Side::Buy { ask } else { bid };
            if let Kind::Stop(trigger) = order.kind {
                let is_reached = if order.side == Side::Buy { ask >= trigger } else { bid <= trigger };
                if is_reached {
                    self.trade(id, order.left(), opposite, Liquidity::Taker);
                }
            } else if let Some(price) = order.price().filter(|price| crosses(order.side, *price, opposite)) {
                let half = Qty(order.left().0 / 2).round_down(STEP);
                let part = if order.executed == Qty::ZERO && half > Qty::ZERO { half } else { order.left() };
                self.trade(id, part, price, Liquidity::Maker);
            }
        }
        self.trigger_stops();
    }

    /// Takes an order.
    ///
    /// # Errors
    /// The exchange's refusal; nothing has changed then.
    pub fn place(&mut self, wanted: Wanted<'_>) -> Result<Order, Refused> {
        let order = self.enter(wanted)?;
        *self.taken.entry(order.client.clone()).or_default() += 1;
        Ok(order)
    }

    /// Puts an order into the book.
    pub(super) fn enter(&mut self, wanted: Wanted<'_>) -> Result<Order, Refused> {
        let Wanted { client, side, kind, qty, reduce_only } = wanted;
        let is_spot = self.venue == Venue::Spot;
        if self.orders.values().any(|o| o.is_open() && o.client == client) {
            return Err(if is_spot {
                (-2010, "Duplicate order sent.")
            } else {
                (-4116, "ClientOrderId is duplicated.")
            });
        }
        let opposite = if side == Side::Buy { self.ask } else { self.bid };
        let is_crossing = match kind {
            Kind::Market => true,
            Kind::Limit(price) | Kind::PostOnly(price) | Kind::ImmediateOrCancel(price) => {
                crosses(side, price, opposite)
            }
            Kind::Stop(_) => false,
        };
        if is_spot {
            self.check_funds(side, kind, qty, opposite)?;
            if matches!(kind, Kind::PostOnly(_)) && is_crossing {
                return Err((-2010, "Order would immediately match and take."));
            }
        } else if reduce_only && self.base.0 * side.sign() >= 0 {
            return Err((-2022, "ReduceOnly Order is rejected."));
        }
        let id = self.next_id;
        self.next_id += 1;
        let order =
            Order { id, client: client.to_owned(), side, kind, qty, executed: Qty::ZERO, status: "NEW", reduce_only };
        self.orders.insert(id, order);
        self.note("NEW", id, None);
        if matches!(kind, Kind::PostOnly(_)) && is_crossing {
            self.end(id, "EXPIRED");
        } else if is_crossing {
            let half = Qty(qty.0 / 2).round_down(STEP);
            self.trade(id, half, opposite, Liquidity::Taker);
            self.trade(id, qty - half, opposite, Liquidity::Taker);
        }
        if matches!(kind, Kind::ImmediateOrCancel(_)) && !is_crossing {
            self.end(id, "EXPIRED");
        }
        self.orders.get(&id).cloned().ok_or((-1000, "lost"))
    }

    /// Ends an open order.
    ///
    /// # Errors
    /// The exchange's refusal where it is not open.
    pub fn cancel(&mut self, client: &str) -> Result<Order, Refused> {
        let id = self.orders.values().find(|o| o.is_open() && o.client == client).map(|o| o.id);
        let id = id.ok_or((-2011, "Unknown order sent."))?;
        self.end(id, "CANCELED");
        self.orders.get(&id).cloned().ok_or((-1000, "lost"))
    }

    /// The newest order of a name.
    #[must_use]
    pub fn find(&self, client: &str) -> Option<&Order> {
        self.orders.values().rev().find(|o| o.client == client)
    }

    /// What open orders hold back: of the base currency, and of the quote currency in 1e-16 units.
    #[must_use]
    pub fn locked(&self) -> (Qty, i128) {
        let mut locked = (Qty::ZERO, 0);
        for order in self.orders.values().filter(|o| o.is_open()) {
            match (order.side, order.price()) {
                (Side::Sell, _) => locked.0 += order.left(),
                (Side::Buy, price) => locked.1 += i128::from(price.unwrap_or(self.ask).0) * i128::from(order.left().0),
            }
        }
        locked
    }

    fn check_funds(&self, side: Side, kind: Kind, qty: Qty, opposite: Price) -> Result<(), Refused> {
        let (base, quote) = self.locked();
        let price = match kind {
            Kind::Limit(price) | Kind::PostOnly(price) | Kind::ImmediateOrCancel(price) => price,
            Kind::Market | Kind::Stop(_) => opposite,
        };
        let is_short = match side {
            Side::Sell => self.base - base < qty,
            Side::Buy => self.quote - quote < i128::from(price.0) * i128::from(qty.0),
        };
        if is_short { Err((-2010, "Account has insufficient balance for requested action.")) } else { Ok(()) }
    }

    fn trade(&mut self, id: u64, qty: Qty, price: Price, liquidity: Liquidity) {
        let Some(order) = self.orders.get_mut(&id).filter(|o| o.is_open()) else { return };
        let mut qty = qty.min(order.left());
        if order.reduce_only {
            qty = qty.min(Qty((-self.base.0 * order.side.sign()).max(0)));
        }
        if qty <= Qty::ZERO {
            return;
        }
        order.executed += qty;
        order.status = if order.executed == order.qty { "FILLED" } else { "PARTIALLY_FILLED" };
        let notional = i128::from(price.0) * i128::from(qty.0);
        let is_fee_in_base = self.venue == Venue::Spot && order.side == Side::Buy;
        let whole = if is_fee_in_base { i128::from(qty.0) } else { notional / SCALE };
        let fee = (whole * FEE_E8 / SCALE) as i64;
        let sign = order.side.sign();
        self.base.0 += sign * qty.0 - if is_fee_in_base { fee } else { 0 };
        self.quote -= i128::from(sign) * notional + if is_fee_in_base { 0 } else { i128::from(fee) * SCALE };
        let trade_id = self.trades.len() as u64 + 1_000;
        let trade = Trade { id: trade_id, order_id: id, price, qty, fee, is_fee_in_base, liquidity };
        self.trades.push(trade.clone());
        self.note("TRADE", id, Some(trade));
    }

    fn end(&mut self, id: u64, status: &'static str) {
        if let Some(order) = self.orders.get_mut(&id) {
            order.status = status;
        }
        self.note(status, id, None);
    }

    fn note(&mut self, what: &'static str, id: u64, trade: Option<Trade>) {
        if let Some(order) = self.orders.get(&id).cloned() {
            self.happened.push(Happened::Order { what, order, trade });
        }
    }
}

fn crosses(side: Side, price: Price, opposite: Price) -> bool {
    match side {
        Side::Buy => price >= opposite,
        Side::Sell => price <= opposite,
    }
}
