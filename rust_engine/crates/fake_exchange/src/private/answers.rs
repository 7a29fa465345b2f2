//! How requests are answered: signature, time and limits first, then the order, then what the script spoils.

use super::account::{Book, Kind, Refused, Venue, Wanted};
use super::script::RequestFault;
use super::{KEY, LISTEN_KEY, PrivateExchange, SECRET, words};
use crate::http::{Ask, Reply};
use hmac::{Hmac, KeyInit, Mac};
use model::{Price, Qty, Side};
use serde_json::{Value, json};
use sha2::Sha256;
use std::str::FromStr;
use std::time::Duration;
use tokio::time::sleep;

const MINUTE_MS: i64 = 60_000;

/// How a request ends.
pub(super) enum Outcome {
    /// With an answer.
    Reply(Reply),
    /// With none.
    Silence,
    /// With half of one.
    Cut(Reply),
}

fn sign(payload: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap_or_else(|_| Hmac::new(&Default::default()));
    mac.update(payload.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

fn refusal(status: u16, (code, msg): Refused) -> Reply {
    Reply { body: json!({ "code": code, "msg": msg }).to_string(), ..Reply::status(status) }
}

fn number<T: FromStr>(ask: &Ask, name: &str) -> Result<T, Refused> {
    let text = ask.parameter(name).ok_or((-1102, "Mandatory parameter was not sent."))?;
    text.parse().map_err(|_| (-1100, "Illegal characters found in a parameter."))
}

fn side(ask: &Ask) -> Result<Side, Refused> {
    match ask.parameter("side") {
        Some("BUY") => Ok(Side::Buy),
        Some("SELL") => Ok(Side::Sell),
        _ => Err((-1117, "Invalid side.")),
    }
}

impl PrivateExchange {
    pub(super) async fn answer(&self, ask: &Ask) -> Outcome {
        let is_order = ask.path.ends_with("/order") || ask.path.ends_with("/algoOrder");
        let fault = if is_order { self.next_fault(ask) } else { None };
        match fault {
            Some(RequestFault::SilentBefore) => return Outcome::Silence,
            Some(RequestFault::GatewayBefore) => return Outcome::Reply(gateway()),
            Some(RequestFault::TooMany(seconds)) => return Outcome::Reply(limited(429, seconds)),
            Some(RequestFault::Banned(seconds)) => return Outcome::Reply(limited(418, seconds)),
            Some(RequestFault::BadTime) => return Outcome::Reply(refusal(400, bad_time())),
            Some(RequestFault::Delayed(by)) => sleep(by).await,
            Some(RequestFault::NotVisible) if ask.method == "GET" => {
                return Outcome::Reply(refusal(400, (-2013, "Order does not exist.")));
            }
            _ => {}
        }
        let mut reply = match self.checked(ask).and_then(|()| self.carry_out(ask)) {
            Ok(value) => Reply::json(value.to_string()),
            Err(refused) => refusal(400, refused),
        };
        reply.headers.extend(self.counts(ask, is_order && reply.status == 200));
        match fault {
            Some(RequestFault::SilentAfter) => Outcome::Silence,
            Some(RequestFault::GatewayAfter) => Outcome::Reply(gateway()),
            Some(RequestFault::CutAnswer) => Outcome::Cut(reply),
            _ => Outcome::Reply(reply),
        }
    }

    /// The answer to a subscription, and whether it was taken.
    pub(super) fn subscribed(&self, text: &str) -> (String, bool) {
        let request: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        let params = &request["params"];
        let word = |name: &str| params[name].as_str().unwrap_or_default().to_owned();
        let (window, timestamp) = (&params["recvWindow"], &params["timestamp"]);
        let payload = format!("apiKey={}&recvWindow={window}&timestamp={timestamp}", word("apiKey"));
        let refused = if request["method"] != "userDataStream.subscribe.signature" || word("apiKey") != KEY {
            Some((-2015, "Invalid API-key, IP, or permissions for action."))
        } else if sign(&payload) != word("signature") {
            Some((-1022, "Signature for this request is not valid."))
        } else {
            self.check_time(timestamp.as_i64().unwrap_or(0), window.as_i64().unwrap_or(5_000)).err()
        };
        let id = &request["id"];
        match refused {
            Some((code, msg)) => {
                (json!({ "id": id, "status": 400, "error": { "code": code, "msg": msg } }).to_string(), false)
            }
            None => (json!({ "id": id, "status": 200, "result": { "subscriptionId": 0 } }).to_string(), true),
        }
    }

    fn next_fault(&self, ask: &Ask) -> Option<RequestFault> {
        let mut state = self.state();
        let names = ["newClientOrderId", "origClientOrderId", "clientAlgoId", "orderId"];
        let about = names.iter().find_map(|name| ask.parameter(name)).unwrap_or("");
        state.log.push(format!("{} {} {about}", ask.method, ask.path));
        let fault = self.script.requests.get(&state.n_requests).copied();
        state.n_requests += 1;
        let spoiled = state.spoiled.take_if(|(verb, _)| ask.method == *verb);
        spoiled.map(|(_, fault)| fault).or(fault)
    }

    fn checked(&self, ask: &Ask) -> Result<(), Refused> {
        if ask.path.ends_with("/time") {
            return Ok(());
        }
        if ask.headers.get("x-mbx-apikey").map(String::as_str) != Some(KEY) {
            return Err((-2015, "Invalid API-key, IP, or permissions for action."));
        }
        if ask.path.ends_with("/listenKey") {
            return Ok(());
        }
        let (payload, signature) =
            ask.query.rsplit_once("&signature=").ok_or((-1102, "Mandatory parameter 'signature' was not sent."))?;
        if sign(payload) != signature {
            return Err((-1022, "Signature for this request is not valid."));
        }
        self.check_time(number(ask, "timestamp")?, number(ask, "recvWindow")?)
    }

    fn check_time(&self, timestamp: i64, window: i64) -> Result<(), Refused> {
        let now = self.now_ms();
        if timestamp < now + 1_000 && now - timestamp <= window { Ok(()) } else { Err(bad_time()) }
    }

    fn carry_out(&self, ask: &Ask) -> Result<Value, Refused> {
        let place = ask.path.rsplit('/').next().unwrap_or_default();
        let is_by_name = place == "algoOrder" && ask.method != "POST";
        if !["time", "listenKey", "account", "positionRisk"].contains(&place)
            && !is_by_name
            && ask.parameter("symbol") != Some(self.symbol.as_str())
        {
            return Err((-1121, "Invalid symbol."));
        }
        match (ask.method.as_str(), place) {
            ("GET", "time") => Ok(json!({ "serverTime": self.now_ms() })),
            ("POST" | "PUT", "listenKey") => Ok(json!({ "listenKey": LISTEN_KEY })),
            ("POST", "order") => self.place(ask),
            ("DELETE", "order") => {
                let client: String = number(ask, "origClientOrderId")?;
                let order = self.change(|book| book.cancel(&client))?;
                Ok(words::cancelled(self.venue, &self.symbol, &order))
            }
            ("POST" | "DELETE" | "GET", "algoOrder" | "openAlgoOrders") if self.venue == Venue::Usdm => {
                self.carry_out_stop(ask, place)
            }
            ("GET", "order") => {
                let found = match number::<u64>(ask, "orderId") {
                    Ok(id) => self.truth(|book| book.orders.get(&id).cloned()),
                    Err(_) => {
                        let client: String = number(ask, "origClientOrderId")?;
                        self.truth(|book| book.find(&client).cloned())
                    }
                };
                let order = found.ok_or((-2013, "Order does not exist."))?;
                Ok(words::order(self.venue, &self.symbol, &order))
            }
            ("GET", "openOrders") => Ok(self.truth(|book| {
                let open = book.orders.values().filter(|order| order.is_open());
                open.map(|order| words::order(self.venue, &self.symbol, order)).collect()
            })),
            ("GET", "myTrades" | "userTrades") => {
                let (id, limit): (u64, usize) = (number(ask, "orderId")?, number(ask, "limit")?);
                let from = number::<u64>(ask, "fromId").unwrap_or(0);
                Ok(self.truth(|book| {
                    let wanted = book.trades.iter().filter(|t| t.order_id == id && t.id >= from);
                    wanted.take(limit).map(|t| words::trade(self.venue, &self.symbol, t)).collect()
                }))
            }
            ("GET", "account" | "positionRisk") => Ok(self.holdings()),
            _ => Err((-1000, "not here")),
        }
    }

    fn carry_out_stop(&self, ask: &Ask, place: &str) -> Result<Value, Refused> {
        if place == "openAlgoOrders" {
            let open = |book: &Book| book.stops.values().filter(|stop| stop.is_open()).cloned().collect::<Vec<_>>();
            return Ok(self.truth(open).iter().map(|stop| words::stop(&self.symbol, stop)).collect());
        }
        let client: String = number(ask, "clientAlgoId")?;
        match ask.method.as_str() {
            "POST" => {
                if (ask.parameter("algoType"), ask.parameter("type")) != (Some("CONDITIONAL"), Some("STOP_MARKET")) {
                    return Err((-1116, "Invalid orderType."));
                }
                let (trigger, qty) = (number(ask, "triggerPrice")?, number(ask, "quantity")?);
                let (side, reduce_only) = (side(ask)?, ask.parameter("reduceOnly") == Some("true"));
                let stop = self.change(|book| book.place_stop(&client, side, trigger, qty, reduce_only))?;
                Ok(words::stop(&self.symbol, &stop))
            }
            "DELETE" => {
                let stop = self.change(|book| book.cancel_stop(&client))?;
                Ok(json!({ "algoId": stop.id, "clientAlgoId": stop.client, "code": "200", "msg": "success" }))
            }
            _ => {
                let found = self.truth(|book| book.find_stop(&client).cloned());
                Ok(words::stop(&self.symbol, &found.ok_or((-2013, "Order does not exist."))?))
            }
        }
    }

    fn holdings(&self) -> Value {
        self.truth(|book| match self.venue {
            Venue::Spot => {
                let (base, quote) = book.locked();
                let text = |units: i128| Price((units / i128::from(model::fixed::SCALE)) as i64);
                json!({ "balances": [
                    { "asset": "BTC", "free": book.base - base, "locked": base },
                    { "asset": "USDT", "free": text(book.quote - quote), "locked": text(quote) },
                ]})
            }
            Venue::Usdm => {
                json!([{ "symbol": self.symbol, "positionSide": "BOTH", "positionAmt": book.base }])
            }
        })
    }

    fn place(&self, ask: &Ask) -> Result<Value, Refused> {
        let side = side(ask)?;
        let kind = match (ask.parameter("type"), ask.parameter("timeInForce")) {
            (Some("MARKET"), None) => Kind::Market,
            (Some("LIMIT"), Some("GTC")) => Kind::Limit(number(ask, "price")?),
            (Some("LIMIT"), Some("IOC")) => Kind::ImmediateOrCancel(number(ask, "price")?),
            (Some("LIMIT"), Some("GTX")) if self.venue == Venue::Usdm => Kind::PostOnly(number(ask, "price")?),
            (Some("LIMIT_MAKER"), None) if self.venue == Venue::Spot => Kind::PostOnly(number(ask, "price")?),
            (Some("STOP_LOSS"), None) if self.venue == Venue::Spot => Kind::Stop(number(ask, "stopPrice")?),
            (Some("STOP_MARKET"), _) if self.venue == Venue::Usdm => {
                return Err((
                    -4120,
                    "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
                ));
            }
            _ => return Err((-1116, "Invalid orderType.")),
        };
        let (client, qty): (String, Qty) = (number(ask, "newClientOrderId")?, number(ask, "quantity")?);
        let reduce_only = ask.parameter("reduceOnly") == Some("true");
        let order = self.change(|book| book.place(Wanted { client: &client, side, kind, qty, reduce_only }))?;
        Ok(words::order(self.venue, &self.symbol, &order))
    }

    /// What this address and account have used, as headers.
    fn counts(&self, ask: &Ask, is_taken: bool) -> Vec<(String, String)> {
        let weight = match ask.path.rsplit('/').next() {
            Some("account") => 20,
            Some("openOrders") => 6,
            Some("positionRisk" | "myTrades" | "userTrades") => 5,
            Some("order") if ask.method == "GET" => 4,
            _ => 1,
        };
        let now = self.now_ms();
        let mut state = self.state();
        for (window, length, more) in [(0, MINUTE_MS, weight), (1, 10_000, u32::from(is_taken && ask.method == "POST"))]
        {
            let count = if window == 0 { &mut state.weight } else { &mut state.orders };
            if count.0 != now / length {
                *count = (now / length, 0);
            }
            count.1 += more;
        }
        let mut headers = vec![("X-MBX-USED-WEIGHT-1M".to_owned(), state.weight.1.to_string())];
        if is_taken {
            headers.push(("X-MBX-ORDER-COUNT-10S".to_owned(), state.orders.1.to_string()));
        }
        headers
    }
}

const fn bad_time() -> Refused {
    (-1021, "Timestamp for this request is outside of the recvWindow.")
}

fn gateway() -> Reply {
    Reply { body: "<html>504 Gateway Time-out</html>".to_owned(), ..Reply::status(504) }
}

fn limited(status: u16, seconds: u32) -> Reply {
    let wait = Duration::from_secs(u64::from(seconds)).as_secs().to_string();
    let reply = refusal(status, (-1003, "Too many requests."));
    Reply { headers: vec![("Retry-After".to_owned(), wait)], ..reply }
}
