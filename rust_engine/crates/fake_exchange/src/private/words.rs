//! Orders, trades and events in the exchange's words.

use super::account::{Happened, Kind, Order, Trade, Venue};
use super::stops::Stop;
use model::{Liquidity, Price, Qty, Side};
use serde_json::{Value, json};

fn side(order: &Order) -> &'static str {
    if order.side == Side::Buy { "BUY" } else { "SELL" }
}

fn kind(venue: Venue, order: &Order) -> (&'static str, &'static str, Price, Price) {
    let zero = Price::ZERO;
    match (order.kind, venue) {
        (Kind::Market, _) => ("MARKET", "GTC", zero, zero),
        (Kind::Limit(price), _) => ("LIMIT", "GTC", price, zero),
        (Kind::ImmediateOrCancel(price), _) => ("LIMIT", "IOC", price, zero),
        (Kind::PostOnly(price), Venue::Spot) => ("LIMIT_MAKER", "GTC", price, zero),
        (Kind::PostOnly(price), Venue::Usdm) => ("LIMIT", "GTX", price, zero),
        (Kind::Stop(trigger), _) => ("STOP_LOSS", "GTC", zero, trigger),
    }
}

fn fee_asset(trade: &Trade) -> &'static str {
    if trade.is_fee_in_base { "BTC" } else { "USDT" }
}

/// An order as a question or a placing is answered.
pub(super) fn order(venue: Venue, symbol: &str, order: &Order) -> Value {
    let (kind, tif, price, stop) = kind(venue, order);
    json!({
        "symbol": symbol, "orderId": order.id, "clientOrderId": order.client, "side": side(order), "type": kind,
        "timeInForce": tif, "origQty": order.qty, "executedQty": order.executed, "price": price, "stopPrice": stop,
        "status": order.status,
    })
}

/// An order as a cancel is answered: on Spot it carries the cancel's own name, and the order's beside it.
pub(super) fn cancelled(venue: Venue, symbol: &str, cancelled: &Order) -> Value {
    let mut answer = order(venue, symbol, cancelled);
    if venue == Venue::Spot {
        answer["origClientOrderId"] = json!(cancelled.client);
        answer["clientOrderId"] = json!(format!("cancel{}", cancelled.id));
    }
    answer
}

/// A trade as a question is answered.
pub(super) fn trade(venue: Venue, symbol: &str, trade: &Trade) -> Value {
    let maker = if venue == Venue::Spot { "isMaker" } else { "maker" };
    json!({
        "symbol": symbol, "id": trade.id, "orderId": trade.order_id, "price": trade.price, "qty": trade.qty,
        "commission": Qty(trade.fee), "commissionAsset": fee_asset(trade), maker: trade.liquidity == Liquidity::Maker,
    })
}

/// A stop order as a question or a placing is answered.
pub(super) fn stop(symbol: &str, stop: &Stop) -> Value {
    let became = stop.became.map_or_else(String::new, |id| id.to_string());
    json!({
        "algoId": stop.id, "clientAlgoId": stop.client, "algoType": "CONDITIONAL", "orderType": "STOP_MARKET",
        "symbol": symbol, "side": if stop.side == Side::Buy { "BUY" } else { "SELL" }, "positionSide": "BOTH",
        "timeInForce": "GTC", "quantity": stop.qty, "algoStatus": stop.status, "actualOrderId": became,
        "actualPrice": "0.00000", "actualQty": stop.qty, "triggerPrice": stop.trigger, "price": "0.00000",
        "workingType": "CONTRACT_PRICE", "reduceOnly": stop.reduce_only,
    })
}

fn stop_event(symbol: &str, stop: &Stop, at_ms: i64) -> String {
    let became = stop.became.map_or_else(String::new, |id| id.to_string());
    let mut report = json!({
        "caid": stop.client, "aid": stop.id, "at": "CONDITIONAL", "o": "STOP_MARKET", "s": symbol,
        "S": if stop.side == Side::Buy { "BUY" } else { "SELL" }, "ps": "BOTH", "f": "GTC", "q": stop.qty,
        "X": stop.status, "ai": became, "tp": stop.trigger, "p": "0", "wt": "CONTRACT_PRICE", "R": stop.reduce_only,
    });
    if stop.status == "REJECTED" {
        report["rm"] = json!("Reduce Only reject");
    }
    json!({ "e": "ALGO_UPDATE", "E": at_ms, "T": at_ms, "o": report }).to_string()
}

/// An event of the user stream.
pub(super) fn event(venue: Venue, symbol: &str, happened: &Happened, at_ms: i64) -> String {
    let (what, order, trade) = match happened {
        Happened::Order { what, order, trade } => (what, order, trade),
        Happened::Stop(stop) => return stop_event(symbol, stop, at_ms),
    };
    let (kind, tif, price, stop) = kind(venue, order);
    let is_cancel = *what == "CANCELED" && venue == Venue::Spot;
    let client = if is_cancel { format!("cancel{}", order.id) } else { order.client.clone() };
    let (last_qty, last_price) = trade.as_ref().map_or((Qty::ZERO, Price::ZERO), |t| (t.qty, t.price));
    let mut report = json!({
        "s": symbol, "c": client, "S": side(order), "o": kind, "f": tif, "q": order.qty, "p": price,
        "x": what, "X": order.status, "i": order.id, "l": last_qty, "z": order.executed, "L": last_price,
        "t": trade.as_ref().map_or(if venue == Venue::Spot { -1 } else { 0 }, |t| t.id as i64),
        "m": trade.as_ref().is_some_and(|t| t.liquidity == Liquidity::Maker), "T": at_ms,
    });
    report[if venue == Venue::Spot { "P" } else { "sp" }] = json!(stop);
    if let Some(trade) = trade {
        (report["n"], report["N"]) = (json!(Qty(trade.fee)), json!(fee_asset(trade)));
    }
    match venue {
        Venue::Spot => {
            report["C"] = json!(if is_cancel { order.client.as_str() } else { "" });
            (report["e"], report["E"], report["I"]) = (json!("executionReport"), json!(at_ms), json!(8_641_984));
            json!({ "subscriptionId": 0, "event": report }).to_string()
        }
        Venue::Usdm => json!({ "e": "ORDER_TRADE_UPDATE", "E": at_ms, "T": at_ms, "o": report }).to_string(),
    }
}
