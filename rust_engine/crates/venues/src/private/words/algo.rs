//! Stop orders on USD-M: they wait at the exchange's algo service, and become an order with a number of its own once they trigger.

use super::{OrderState, Status, Unread, parse_price, qty_text, read, side, unread};
use model::{Price, Qty, Side};
use serde::Deserialize;

/// Where a stop order stands at the algo service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::private) enum AlgoStatus {
    /// It waits for its trigger, or is on its way to the book.
    Waiting,
    /// It became an order.
    Triggered,
    /// The order that it became has ended.
    Finished,
    /// Somebody ended it before that.
    Cancelled,
    /// The exchange ended it before that.
    Expired,
    /// The book did not take what it became.
    Rejected,
}

/// A stop order as the algo service has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::private) struct AlgoState {
    /// The id that its sender gave it.
    pub(in crate::private) client: String,
    /// The service's number.
    pub(in crate::private) algo_id: u64,
    pub(in crate::private) symbol: String,
    pub(in crate::private) side: Side,
    pub(in crate::private) qty: Qty,
    pub(in crate::private) trigger: Option<Price>,
    pub(in crate::private) status: AlgoStatus,
    /// Number of the order that it became.
    pub(in crate::private) became: Option<u64>,
    /// Why it failed, in the exchange's words.
    pub(in crate::private) reason: String,
}

impl AlgoState {
    /// What it says about our order; `None` where only the order that it became can say.
    pub(in crate::private) fn state(&self) -> Option<OrderState> {
        let status = match (self.status, self.became) {
            (AlgoStatus::Waiting, None) | (AlgoStatus::Triggered, Some(_)) => Status::Open,
            (AlgoStatus::Cancelled, None) => Status::Cancelled,
            (AlgoStatus::Expired, None) => Status::Expired,
            (AlgoStatus::Rejected, None) => Status::Rejected,
            _ => return None,
        };
        Some(self.with(status, Qty::ZERO))
    }

    /// The same of one whose order is known. What only reduces may become less than it was; the rest has then expired.
    pub(in crate::private) fn became_state(&self, order: &OrderState) -> OrderState {
        let is_less = order.status == Status::Filled && order.executed < self.qty;
        self.with(if is_less { Status::Expired } else { order.status }, order.executed)
    }

    /// The same of one that the book refused, so that the exchange has no order of that number.
    pub(in crate::private) fn rejected_state(&self) -> Option<OrderState> {
        (self.status == AlgoStatus::Rejected).then(|| self.with(Status::Rejected, Qty::ZERO))
    }

    fn with(&self, status: Status, executed: Qty) -> OrderState {
        OrderState {
            client: self.client.clone(),
            venue_id: self.became.unwrap_or(self.algo_id),
            trades_as: self.became,
            symbol: self.symbol.clone(),
            side: self.side,
            qty: self.qty,
            executed,
            price: self.trigger,
            status,
        }
    }
}

/// A number that the exchange writes as text, empty where there is none.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(u64),
    Text(String),
}

fn number(number: Option<Number>) -> Result<Option<u64>, Unread> {
    let number = match number {
        None => 0,
        Some(Number::Plain(number)) => number,
        Some(Number::Text(text)) if text.is_empty() => 0,
        Some(Number::Text(text)) => text.parse().map_err(|_| unread("the order that a stop became", text))?,
    };
    Ok(Some(number).filter(|number| *number > 0))
}

/// The words that an answer and an event have in common, under their own names.
#[derive(Deserialize)]
struct Row<'a> {
    #[serde(rename = "algoId", alias = "aid")]
    algo_id: u64,
    #[serde(rename = "clientAlgoId", alias = "caid")]
    client: String,
    #[serde(rename = "orderType", alias = "o")]
    kind: &'a str,
    #[serde(rename = "symbol", alias = "s")]
    symbol: &'a str,
    #[serde(rename = "side", alias = "S")]
    side: &'a str,
    #[serde(rename = "quantity", alias = "q", deserialize_with = "qty_text")]
    qty: Qty,
    #[serde(rename = "algoStatus", alias = "X")]
    status: &'a str,
    #[serde(rename = "triggerPrice", alias = "tp")]
    trigger: Option<&'a str>,
    #[serde(rename = "actualOrderId", alias = "ai", default)]
    became: Option<Number>,
    #[serde(rename = "rm", default)]
    reason: Option<String>,
}

impl Row<'_> {
    fn state(self) -> Result<AlgoState, Unread> {
        let status = match self.status {
            "NEW" | "TRIGGERING" => AlgoStatus::Waiting,
            "TRIGGERED" => AlgoStatus::Triggered,
            "FINISHED" => AlgoStatus::Finished,
            "CANCELED" => AlgoStatus::Cancelled,
            "EXPIRED" => AlgoStatus::Expired,
            "REJECTED" => AlgoStatus::Rejected,
            other => return Err(unread("the status of a stop", other)),
        };
        let trigger = match self.trigger.map(parse_price) {
            Some(Ok(trigger)) => Some(trigger),
            // Others on the account may have kinds without one.
            _ if self.kind != "STOP_MARKET" => None,
            _ => return Err(unread("a stop order", "it has no trigger")),
        };
        Ok(AlgoState {
            client: self.client,
            algo_id: self.algo_id,
            symbol: self.symbol.to_owned(),
            side: side(self.side)?,
            qty: self.qty,
            trigger,
            status,
            became: number(self.became)?,
            reason: self.reason.unwrap_or_default().chars().take(200).collect(),
        })
    }
}

/// The answer to a placed or asked stop order, or the body of an event about one.
pub(in crate::private) fn parse_algo(text: &str) -> Result<AlgoState, Unread> {
    read::<Row<'_>>("a stop order", text)?.state()
}

/// The answer to a question for waiting stop orders.
pub(in crate::private) fn parse_algos(text: &str) -> Result<Vec<AlgoState>, Unread> {
    read::<Vec<Row<'_>>>("stop orders", text)?.into_iter().map(Row::state).collect()
}

#[derive(Deserialize)]
struct Ended {
    code: Number,
}

/// The answer to the end of a stop order: it says that it was done, and nothing of what had traded.
pub(in crate::private) fn parse_algo_end(text: &str) -> Result<(), Unread> {
    match read::<Ended>("the end of a stop order", text)?.code {
        Number::Plain(200) => Ok(()),
        Number::Text(code) if code == "200" => Ok(()),
        _ => Err(unread("the end of a stop order", text)),
    }
}
