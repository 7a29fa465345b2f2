//! Our orders in the exchange's words.

use super::config::{Listed, Market};
use model::{OrderId, OrderKind, OrderRequest, Side, TimeInForce};
use std::fmt;

/// How an order is named to the exchange, and where it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// By our name.
    Name(String),
    /// By our name, at the algo service of USD-M.
    Stop(String),
    /// By the exchange's number, because it may have another name there.
    Number(u64),
}

/// Whether an order goes to the algo service.
pub(super) const fn is_stop_there(market: Market, kind: OrderKind) -> bool {
    matches!((market, kind), (Market::Usdm, OrderKind::Stop { .. }))
}

/// Names of our orders at the exchange: the same for the same order, others in every run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunName(String);

/// A text that names no run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' names no run: eight hexadecimal digits do")]
pub struct NoRunName(String);

impl RunName {
    /// The run with this name: eight hexadecimal digits that no other run of the account has.
    ///
    /// # Errors
    /// [`NoRunName`].
    pub fn new(text: &str) -> Result<Self, NoRunName> {
        let is_name = text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if is_name { Ok(Self(text.to_owned())) } else { Err(NoRunName(text.chars().take(20).collect())) }
    }

    /// The name of an order, at most 36 of the letters that the exchange allows.
    pub(super) fn client_id(&self, id: OrderId) -> String {
        format!("xc-{}-{:016x}", self.0, id.0)
    }

    /// The order of this run that has this name.
    pub(super) fn order_id(&self, client: &str) -> Option<OrderId> {
        let digits = client.strip_prefix("xc-")?.strip_prefix(self.0.as_str())?.strip_prefix('-')?;
        let id = OrderId(u64::from_str_radix(digits, 16).ok()?);
        (self.client_id(id) == client).then_some(id)
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The parameters that place `order`. A stop on USD-M goes to the algo service, where it waits for the last price as it does on
/// Spot and in the simulated venues.
pub(super) fn placing(market: Market, listed: &Listed, order: &OrderRequest, client: &str) -> String {
    let side = if order.side == Side::Buy { "BUY" } else { "SELL" };
    let kind = match (order.kind, order.tif, market) {
        (OrderKind::Market, ..) => "type=MARKET".to_owned(),
        (OrderKind::Limit { price }, TimeInForce::PostOnly, Market::Spot) => format!("type=LIMIT_MAKER&price={price}"),
        (OrderKind::Limit { price }, tif, _) => {
            let tif = match tif {
                TimeInForce::Gtc => "GTC",
                TimeInForce::Ioc => "IOC",
                TimeInForce::PostOnly => "GTX",
            };
            format!("type=LIMIT&timeInForce={tif}&price={price}")
        }
        (OrderKind::Stop { trigger }, _, Market::Spot) => format!("type=STOP_LOSS&stopPrice={trigger}"),
        (OrderKind::Stop { trigger }, _, Market::Usdm) => {
            format!("algoType=CONDITIONAL&type=STOP_MARKET&triggerPrice={trigger}&workingType=CONTRACT_PRICE")
        }
    };
    // Spot has no such word: there the risk gate lets no sale exceed the position, and coins beside it would be sold otherwise.
    let reduce_only = if order.reduce_only && market == Market::Usdm { "&reduceOnly=true" } else { "" };
    let (name, qty) = (&listed.name, order.qty);
    let name_of = if is_stop_there(market, order.kind) { "clientAlgoId" } else { "newClientOrderId" };
    format!("symbol={name}&side={side}&{kind}&quantity={qty}{reduce_only}&{name_of}={client}&newOrderRespType=RESULT")
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Price, Qty, SymbolId};

    fn order(kind: OrderKind, tif: TimeInForce) -> OrderRequest {
        let qty: Qty = "0.25".parse().unwrap();
        OrderRequest { kind, tif, reduce_only: true, ..OrderRequest::market(SymbolId(0), Side::Sell, qty, Price(1)) }
    }

    #[test]
    fn every_kind_of_order_has_words() {
        let listed = Listed {
            id: SymbolId(0),
            name: "BTCUSDT".into(),
            base: "BTC".into(),
            quote: "USDT".into(),
            keep: Qty::ZERO,
        };
        let price: Price = "100.5".parse().unwrap();
        let said = |market, kind, tif| placing(market, &listed, &order(kind, tif), "c");
        let rest = "&newClientOrderId=c&newOrderRespType=RESULT";
        let limit = OrderKind::Limit { price };
        for (market, kind, tif, words) in [
            (Market::Spot, OrderKind::Market, TimeInForce::Gtc, "type=MARKET&quantity=0.25"),
            (Market::Usdm, OrderKind::Market, TimeInForce::Gtc, "type=MARKET&quantity=0.25&reduceOnly=true"),
            (Market::Spot, limit, TimeInForce::Ioc, "type=LIMIT&timeInForce=IOC&price=100.5&quantity=0.25"),
            (Market::Spot, limit, TimeInForce::PostOnly, "type=LIMIT_MAKER&price=100.5&quantity=0.25"),
            (
                Market::Usdm,
                limit,
                TimeInForce::PostOnly,
                "type=LIMIT&timeInForce=GTX&price=100.5&quantity=0.25&reduceOnly=true",
            ),
            (
                Market::Spot,
                OrderKind::Stop { trigger: price },
                TimeInForce::Gtc,
                "type=STOP_LOSS&stopPrice=100.5&quantity=0.25",
            ),
        ] {
            assert_eq!(said(market, kind, tif), format!("symbol=BTCUSDT&side=SELL&{words}{rest}"));
        }
        assert_eq!(
            said(Market::Usdm, OrderKind::Stop { trigger: price }, TimeInForce::Gtc),
            "symbol=BTCUSDT&side=SELL&algoType=CONDITIONAL&type=STOP_MARKET&triggerPrice=100.5&workingType=CONTRACT_PRICE\
             &quantity=0.25&reduceOnly=true&clientAlgoId=c&newOrderRespType=RESULT"
        );
    }

    #[test]
    fn names_go_there_and_back_and_belong_to_one_run() {
        let (ours, theirs) = (RunName::new("00c0ffee").unwrap(), RunName::new("deadbeef").unwrap());
        let client = ours.client_id(OrderId(u64::MAX));
        assert_eq!((client.len(), ours.order_id(&client)), (28, Some(OrderId(u64::MAX))));
        assert_eq!(theirs.order_id(&client), None);
        for odd in ["", "xc-00c0ffee-", "xc-00c0ffee-1", "xc-00c0ffee-00000000000000FF", "web_1"] {
            assert_eq!(ours.order_id(odd), None, "{odd}");
        }
        assert!(RunName::new("XYZ").is_err() && RunName::new("0000000g").is_err());
    }
}
