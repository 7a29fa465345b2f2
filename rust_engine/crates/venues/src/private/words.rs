//! What the exchange says about orders, trades and holdings: text to typed values, pure. What is not understood is an error, never
//! a guess.

use super::config::Market;
use crate::public::source::{parse_price, parse_qty};
use model::{Liquidity, Money, Price, Qty, Side};
use serde::{Deserialize, Deserializer, de};

mod algo;
mod session;

pub(super) use algo::{AlgoState, AlgoStatus, parse_algo, parse_algo_end, parse_algos};
pub(super) use session::{Refusal, parse_listen_key, parse_refusal, parse_time};

/// A text that was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} that is not understood: {problem}")]
pub(super) struct Unread {
    what: &'static str,
    problem: String,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It can still trade.
    Open,
    /// Somebody ended it.
    Cancelled,
    /// It ended by its own terms.
    Expired,
    /// The exchange did not take it.
    Rejected,
    /// It traded whole.
    Filled,
}

/// An order as the exchange has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OrderState {
    /// The id that its sender gave it.
    pub(super) client: String,
    /// The exchange's id.
    pub(super) venue_id: u64,
    /// The id under which it trades; none while a stop waits for its trigger at the algo service.
    pub(super) trades_as: Option<u64>,
    pub(super) symbol: String,
    pub(super) side: Side,
    pub(super) qty: Qty,
    pub(super) executed: Qty,
    /// Limit or trigger price.
    pub(super) price: Option<Price>,
    pub(super) status: Status,
}

/// A part of an order that traded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trade {
    pub(super) id: u64,
    pub(super) price: Price,
    pub(super) qty: Qty,
    pub(super) commission: Money,
    pub(super) commission_asset: String,
    pub(super) liquidity: Liquidity,
}

/// One message of the user stream about an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Execution {
    pub(super) state: OrderState,
    pub(super) trade: Option<Trade>,
}

/// What the user stream said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// About an order.
    Execution(Execution),
    /// About a stop order at the algo service.
    Algo(AlgoState),
    /// The subscription was taken.
    Subscribed,
    /// The stream ends, and why.
    Ended(String),
    /// Something else.
    Other,
}

fn price_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Price, D::Error> {
    parse_price(<&str>::deserialize(deserializer)?).map_err(de::Error::custom)
}

fn qty_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Qty, D::Error> {
    parse_qty(<&str>::deserialize(deserializer)?).map_err(de::Error::custom)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestOrder<'a> {
    symbol: &'a str,
    order_id: u64,
    client_order_id: String,
    /// A cancel's answer has the order's own id here.
    orig_client_order_id: Option<String>,
    side: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    status: &'a str,
    #[serde(deserialize_with = "qty_text")]
    orig_qty: Qty,
    #[serde(deserialize_with = "qty_text")]
    executed_qty: Qty,
    #[serde(deserialize_with = "price_text")]
    price: Price,
    stop_price: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestTrade {
    id: u64,
    #[serde(deserialize_with = "price_text")]
    price: Price,
    #[serde(deserialize_with = "qty_text")]
    qty: Qty,
    #[serde(deserialize_with = "price_text")]
    commission: Price,
    commission_asset: String,
    #[serde(alias = "maker")]
    is_maker: bool,
}

/// The letters that Spot and USD-M share.
#[derive(Deserialize)]
struct Report<'a> {
    s: &'a str,
    c: String,
    #[serde(rename = "C", default)]
    original: String,
    #[serde(rename = "S")]
    side: &'a str,
    #[serde(rename = "o")]
    kind: &'a str,
    #[serde(deserialize_with = "qty_text")]
    q: Qty,
    #[serde(deserialize_with = "price_text")]
    p: Price,
    #[serde(rename = "P", alias = "sp")]
    stop: Option<&'a str>,
    x: &'a str,
    #[serde(rename = "X")]
    status: &'a str,
    i: u64,
    #[serde(deserialize_with = "qty_text")]
    l: Qty,
    #[serde(deserialize_with = "qty_text")]
    z: Qty,
    #[serde(rename = "L", deserialize_with = "price_text")]
    last_price: Price,
    n: Option<&'a str>,
    #[serde(rename = "N")]
    asset: Option<&'a str>,
    t: i64,
    #[serde(default)]
    m: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Balance<'a> {
    asset: &'a str,
    #[serde(deserialize_with = "qty_text")]
    free: Qty,
    #[serde(deserialize_with = "qty_text")]
    locked: Qty,
}

#[derive(Deserialize)]
struct SpotAccount<'a> {
    #[serde(borrow)]
    balances: Vec<Balance<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PositionRow<'a> {
    symbol: &'a str,
    position_side: &'a str,
    #[serde(deserialize_with = "qty_text")]
    position_amt: Qty,
}

fn unread(what: &'static str, problem: impl ToString) -> Unread {
    Unread { what, problem: problem.to_string().chars().take(200).collect() }
}

fn read<'a, T: Deserialize<'a>>(what: &'static str, text: &'a str) -> Result<T, Unread> {
    serde_json::from_str(text).map_err(|e| unread(what, e))
}

fn side(text: &str) -> Result<Side, Unread> {
    match text {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        other => Err(unread("a side", other)),
    }
}

fn status(text: &str) -> Result<Status, Unread> {
    Ok(match text {
        "NEW" | "PENDING_NEW" | "PARTIALLY_FILLED" | "PENDING_CANCEL" => Status::Open,
        "FILLED" => Status::Filled,
        "CANCELED" => Status::Cancelled,
        "EXPIRED" | "EXPIRED_IN_MATCH" => Status::Expired,
        "REJECTED" => Status::Rejected,
        other => return Err(unread("an order status", other)),
    })
}

/// The price that an order names: its trigger where it has one.
fn named_price(kind: &str, limit: Price, stop: Option<&str>) -> Result<Option<Price>, Unread> {
    if kind.starts_with("STOP") {
        let stop = stop.ok_or_else(|| unread("a stop order", "it has no trigger"))?;
        return parse_price(stop).map(Some).map_err(|e| unread("a trigger", e));
    }
    Ok(Some(limit).filter(|price| *price > Price::ZERO))
}

fn amount(price: Price) -> Money {
    price * Qty(model::fixed::SCALE)
}

const fn liquidity(is_maker: bool) -> Liquidity {
    if is_maker { Liquidity::Maker } else { Liquidity::Taker }
}

impl RestOrder<'_> {
    fn state(&self) -> Result<OrderState, Unread> {
        Ok(OrderState {
            client: self.orig_client_order_id.as_ref().unwrap_or(&self.client_order_id).clone(),
            venue_id: self.order_id,
            trades_as: Some(self.order_id),
            symbol: self.symbol.to_owned(),
            side: side(self.side)?,
            qty: self.orig_qty,
            executed: self.executed_qty,
            price: named_price(self.kind, self.price, self.stop_price)?,
            status: status(self.status)?,
        })
    }
}

impl Report<'_> {
    fn execution(&self) -> Result<Execution, Unread> {
        let client = if self.original.is_empty() { &self.c } else { &self.original };
        let state = OrderState {
            client: client.to_owned(),
            venue_id: self.i,
            trades_as: Some(self.i),
            symbol: self.s.to_owned(),
            side: side(self.side)?,
            qty: self.q,
            executed: self.z,
            price: named_price(self.kind, self.p, self.stop)?,
            status: status(self.status)?,
        };
        Ok(Execution { state, trade: self.trade()? })
    }

    fn trade(&self) -> Result<Option<Trade>, Unread> {
        if self.x != "TRADE" {
            return Ok(None);
        }
        let id = u64::try_from(self.t).map_err(|_| unread("a trade", "it has no number"))?;
        let commission = parse_price(self.n.unwrap_or("0")).map_err(|e| unread("a commission", e))?;
        Ok(Some(Trade {
            id,
            price: self.last_price,
            qty: self.l,
            commission: amount(commission),
            commission_asset: self.asset.unwrap_or_default().to_owned(),
            liquidity: liquidity(self.m),
        }))
    }
}

/// The answer to a placed, cancelled or asked order.
pub(super) fn parse_order(text: &str) -> Result<OrderState, Unread> {
    read::<RestOrder<'_>>("an order", text)?.state()
}

/// The answer to a question for open orders.
pub(super) fn parse_orders(text: &str) -> Result<Vec<OrderState>, Unread> {
    read::<Vec<RestOrder<'_>>>("open orders", text)?.iter().map(RestOrder::state).collect()
}

/// The trades of one order.
pub(super) fn parse_trades(text: &str) -> Result<Vec<Trade>, Unread> {
    let rows = read::<Vec<RestTrade>>("trades", text)?;
    let trade = |row: RestTrade| Trade {
        id: row.id,
        price: row.price,
        qty: row.qty,
        commission: amount(row.commission),
        commission_asset: row.commission_asset,
        liquidity: liquidity(row.is_maker),
    };
    Ok(rows.into_iter().map(trade).collect())
}

/// What the account holds: by asset on Spot, by symbol on USD-M.
pub(super) fn parse_holdings(market: Market, text: &str) -> Result<Vec<(String, Qty)>, Unread> {
    match market {
        Market::Spot => {
            let account = read::<SpotAccount<'_>>("an account", text)?;
            Ok(account.balances.iter().map(|b| (b.asset.to_owned(), b.free + b.locked)).collect())
        }
        Market::Usdm => {
            let rows = read::<Vec<PositionRow<'_>>>("positions", text)?;
            if rows.iter().any(|row| row.position_side != "BOTH") {
                return Err(unread("positions", "the account is in hedge mode; switch it to one-way mode"));
            }
            Ok(rows.iter().map(|row| (row.symbol.to_owned(), row.position_amt)).collect())
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    event: Option<&'a serde_json::value::RawValue>,
    status: Option<u16>,
    #[serde(borrow)]
    error: Option<&'a serde_json::value::RawValue>,
    e: Option<&'a str>,
    #[serde(borrow)]
    o: Option<&'a serde_json::value::RawValue>,
}

/// A message of the user stream.
pub(super) fn parse_pushed(market: Market, text: &str) -> Result<Pushed, Unread> {
    let outer = read::<Envelope<'_>>("a message of the user stream", text)?;
    if let Some(status) = outer.status {
        return Ok(match outer.error {
            None if status == 200 => Pushed::Subscribed,
            error => Pushed::Ended(format!("refused with {status} {}", error.map_or("", |e| e.get()))),
        });
    }
    let (kind, body) = match (market, outer.event) {
        (Market::Spot, Some(event)) => {
            (read::<Envelope<'_>>("an event", event.get())?.e.unwrap_or_default(), Some(event.get()))
        }
        (Market::Spot, None) => (outer.e.unwrap_or_default(), None),
        (Market::Usdm, _) => (outer.e.unwrap_or_default(), outer.o.map(|o| o.get())),
    };
    match (kind, body) {
        ("executionReport" | "ORDER_TRADE_UPDATE", Some(body)) => {
            read::<Report<'_>>("an execution report", body)?.execution().map(Pushed::Execution)
        }
        ("ALGO_UPDATE", Some(body)) => parse_algo(body).map(Pushed::Algo),
        ("eventStreamTerminated" | "listenKeyExpired" | "serverShutdown", _) => Ok(Pushed::Ended(kind.to_owned())),
        _ => Ok(Pushed::Other),
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
