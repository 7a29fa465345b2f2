//! Signed requests: their clock, their budget, and what an answer or its absence means.

use super::budget::{Budget, Use};
use super::config::{Checked, Market};
use super::keys::ApiKey;
use super::order::Target;
use super::words::{AlgoState, OrderState, Refusal, Trade, Unread};
use super::words::{
    parse_algo, parse_algo_end, parse_algos, parse_holdings, parse_listen_key, parse_order, parse_orders,
    parse_refusal, parse_time, parse_trades,
};
use crate::http::{HttpClient, HttpError, HttpRequest, HttpResponse};
use crate::net::Dial;
use crate::public::Clock;
use hyper::header::HeaderName;
use hyper::{Method, StatusCode};
use model::{Qty, Ts};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest time for one request. An order that is not answered by then is asked about.
const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3 * 86_400);
/// What is added to the time until which an order could still arrive.
const MARGIN_MS: i64 = 2_000;
/// Trades in one answer.
const TRADES_PER_PAGE: usize = 1_000;
/// Where stop orders of USD-M are.
const ALGO_PATH: &str = "/fapi/v1/algoOrder";
const KEY_HEADER: HeaderName = HeaderName::from_static("x-mbx-apikey");

/// The request's time is too far from the exchange's.
const BAD_TIME: i64 = -1021;
/// The exchange lost track, so that the order may stand or not.
const LOST: [i64; 4] = [-1000, -1001, -1006, -1007];
/// Too many requests, or too many orders.
const TOO_MANY: [i64; 2] = [-1003, -1015];
/// No such order, said to a question.
const NO_SUCH_ORDER: i64 = -2013;

/// Why a request did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// It never left.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It was not taken because too much was asked; nothing may be sent for this long.
    #[error("rate limit: nothing may be sent for {wait:?}")]
    Limited {
        /// How long.
        wait: Duration,
    },
    /// The exchange said no.
    #[error("refused with {code}: {reason}")]
    Refused {
        /// Its code.
        code: i64,
        /// Its words.
        reason: String,
    },
    /// It may have been done or not; after `until` it can no longer be taken.
    #[error("unknown: {reason}")]
    Unknown {
        /// Why nothing is known.
        reason: String,
        /// When the exchange stops taking it, on our clock.
        until: Ts,
    },
}

impl Fault {
    /// Whether the exchange says that there is no such order.
    pub(super) fn is_no_such_order(&self) -> bool {
        matches!(self, Self::Refused { code: NO_SUCH_ORDER, .. })
    }
}

/// What the account has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Viewed {
    /// When the first question left.
    pub(super) at: Ts,
    /// Open orders of our symbols.
    pub(super) open: Vec<OrderState>,
    /// By asset on Spot, by symbol on USD-M.
    pub(super) held: Vec<(String, Qty)>,
}

struct Route {
    method: Method,
    path: &'static str,
    weight: u32,
    what: Use,
}

/// Talks to one account.
pub(super) struct Client {
    config: Checked,
    key: ApiKey,
    http: HttpClient,
    budget: Mutex<Budget>,
    /// Exchange clock minus ours, in milliseconds.
    offset_ms: AtomicI64,
    clock: Clock,
}

impl Client {
    pub(super) fn new(config: Checked, key: ApiKey, dialler: Arc<dyn Dial>, clock: Clock) -> Self {
        let http = HttpClient::new(dialler, config.rest.clone(), TIMEOUT);
        let budget = Mutex::new(Budget::of(config.market));
        Self { config, key, http, budget, offset_ms: AtomicI64::new(0), clock }
    }

    pub(super) fn config(&self) -> &Checked {
        &self.config
    }

    /// When a request that leaves now can no longer be taken.
    pub(super) fn valid_until(&self, now: Ts) -> Ts {
        let ms = i64::try_from(self.config.recv_window_ms).unwrap_or(i64::MAX).saturating_add(MARGIN_MS);
        now.plus_ns(ms.saturating_mul(Ts::MS))
    }

    /// Sets our clock by the exchange's.
    pub(super) async fn sync_time(&self) -> Result<(), Fault> {
        let path = self.by_market("/api/v3/time", "/fapi/v1/time");
        let route = Route { method: Method::GET, path, weight: 1, what: Use::Other };
        let before = (self.clock)();
        let text = self.send(&route, String::new()).await?;
        let after = (self.clock)();
        let theirs = parse_time(&text).map_err(|e| self.unreadable(&e))?;
        let ours = before.ms() + (after.ms() - before.ms()) / 2;
        self.offset_ms.store(theirs - ours, Ordering::Relaxed);
        Ok(())
    }

    /// Places an order, at the algo service if it is a stop there, out of the budget that it may use.
    pub(super) async fn place(&self, params: String, is_stop: bool, what: Use) -> Result<OrderState, Fault> {
        let path = if is_stop { ALGO_PATH } else { self.order_path() };
        let route = Route { method: Method::POST, path, weight: 1, what };
        let text = self.call(&route, &params).await?;
        if !is_stop {
            return parse_order(&text).map_err(|e| self.unreadable(&e));
        }
        let algo = parse_algo(&text).map_err(|e| self.unreadable(&e))?;
        algo.state().ok_or_else(|| self.unknown("the stop became an order at once"))
    }

    /// Ends an order; `None` where the exchange does not say what had traded by then.
    pub(super) async fn cancel(&self, symbol: &str, target: &Target) -> Result<Option<OrderState>, Fault> {
        let (path, params) = self.words_for(symbol, target);
        let route = Route { method: Method::DELETE, path, weight: 1, what: Use::Other };
        let text = self.call(&route, &params).await?;
        let answer = if matches!(target, Target::Stop(_)) {
            parse_algo_end(&text).map(|()| None)
        } else {
            parse_order(&text).map(Some)
        };
        answer.map_err(|e| self.unreadable(&e))
    }

    /// Asks for an order, and for what it became if it is a stop.
    pub(super) async fn query(&self, symbol: &str, target: &Target) -> Result<OrderState, Fault> {
        let (path, params) = self.words_for(symbol, target);
        let route = Route { method: Method::GET, path, weight: 4, what: Use::Other };
        let text = self.call(&route, &params).await?;
        if !matches!(target, Target::Stop(_)) {
            return parse_order(&text).map_err(|e| self.unreadable(&e));
        }
        let algo = parse_algo(&text).map_err(|e| self.unreadable(&e))?;
        let Some(number) = algo.became else {
            return algo.state().ok_or_else(|| self.unknown("the exchange does not say which order the stop became"));
        };
        // One step down: a number is no stop.
        match Box::pin(self.query(symbol, &Target::Number(number))).await {
            Ok(order) => Ok(algo.became_state(&order)),
            Err(fault) if fault.is_no_such_order() => {
                algo.rejected_state().ok_or_else(|| self.unknown("the order that the stop became is not there yet"))
            }
            Err(fault) => Err(fault),
        }
    }

    /// All trades of an order.
    pub(super) async fn trades(&self, symbol: &str, venue_id: u64) -> Result<Vec<Trade>, Fault> {
        let path = self.by_market("/api/v3/myTrades", "/fapi/v1/userTrades");
        let route = Route { method: Method::GET, path, weight: 5, what: Use::Other };
        let mut all: Vec<Trade> = Vec::new();
        loop {
            let from = all.last().map(|trade| format!("&fromId={}", trade.id + 1)).unwrap_or_default();
            let params = format!("symbol={symbol}&orderId={venue_id}{from}&limit={TRADES_PER_PAGE}");
            let page = parse_trades(&self.call(&route, &params).await?).map_err(|e| self.unreadable(&e))?;
            let is_last = page.len() < TRADES_PER_PAGE;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Open orders and holdings.
    pub(super) async fn view(&self) -> Result<Viewed, Fault> {
        let at = (self.clock)();
        let path = self.by_market("/api/v3/openOrders", "/fapi/v1/openOrders");
        let route = Route { method: Method::GET, path, weight: 6, what: Use::Other };
        let mut open = Vec::new();
        for listed in &self.config.listed {
            let text = self.call(&route, &format!("symbol={}", listed.name)).await?;
            open.extend(parse_orders(&text).map_err(|e| self.unreadable(&e))?);
        }
        if self.config.market == Market::Usdm {
            self.view_stops(&mut open).await?;
        }
        let path = self.by_market("/api/v3/account", "/fapi/v3/positionRisk");
        let weight = if self.config.market == Market::Spot { 20 } else { 5 };
        let route = Route { method: Method::GET, path, weight, what: Use::Other };
        let text = self.call(&route, "").await?;
        let held = parse_holdings(self.config.market, &text).map_err(|e| self.unreadable(&e))?;
        Ok(Viewed { at, open, held })
    }

    /// Stops that wait. One that triggered is among the orders, or has ended.
    async fn view_stops(&self, open: &mut Vec<OrderState>) -> Result<(), Fault> {
        let path = "/fapi/v1/openAlgoOrders";
        let route = Route { method: Method::GET, path, weight: 1, what: Use::Other };
        for listed in &self.config.listed {
            let text = self.call(&route, &format!("algoType=CONDITIONAL&symbol={}", listed.name)).await?;
            let stops = parse_algos(&text).map_err(|e| self.unreadable(&e))?;
            open.extend(stops.iter().filter(|stop| stop.became.is_none()).filter_map(AlgoState::state));
        }
        Ok(())
    }

    /// Opens the USD-M user stream, or prolongs it by an hour, and gives its name.
    pub(super) async fn listen_key(&self, method: Method) -> Result<String, Fault> {
        let route = Route { method, path: "/fapi/v1/listenKey", weight: 1, what: Use::Other };
        let text = self.send(&route, String::new()).await?;
        parse_listen_key(&text).map_err(|e| self.unreadable(&e))
    }

    /// The request that subscribes to the Spot user stream.
    pub(super) fn subscription(&self) -> String {
        let window = self.config.recv_window_ms;
        let (key, timestamp) = (self.key.word(), self.timestamp());
        // Parameters are signed in the order of their names.
        let signature = self.key.sign(&format!("apiKey={key}&recvWindow={window}&timestamp={timestamp}"));
        let params = serde_json::json!({
            "apiKey": key, "recvWindow": window, "timestamp": timestamp, "signature": signature,
        });
        serde_json::json!({ "id": 1, "method": "userDataStream.subscribe.signature", "params": params }).to_string()
    }

    fn order_path(&self) -> &'static str {
        self.by_market("/api/v3/order", "/fapi/v1/order")
    }

    /// Where an order is asked for, and by which words.
    fn words_for(&self, symbol: &str, target: &Target) -> (&'static str, String) {
        match target {
            Target::Name(client) => (self.order_path(), format!("symbol={symbol}&origClientOrderId={client}")),
            Target::Number(number) => (self.order_path(), format!("symbol={symbol}&orderId={number}")),
            Target::Stop(client) => (ALGO_PATH, format!("clientAlgoId={client}")),
        }
    }

    const fn by_market(&self, spot: &'static str, usdm: &'static str) -> &'static str {
        match self.config.market {
            Market::Spot => spot,
            Market::Usdm => usdm,
        }
    }

    fn timestamp(&self) -> i64 {
        (self.clock)().ms() + self.offset_ms.load(Ordering::Relaxed)
    }

    fn unreadable(&self, problem: &Unread) -> Fault {
        Fault::Unknown { reason: problem.to_string(), until: self.valid_until((self.clock)()) }
    }

    fn unknown(&self, reason: &str) -> Fault {
        Fault::Unknown { reason: reason.to_owned(), until: self.valid_until((self.clock)()) }
    }

    /// A signed request. One that was refused for its time was not carried out, so that it may go once more with the right one.
    async fn call(&self, route: &Route, params: &str) -> Result<String, Fault> {
        let first = self.send(route, self.signed(params)).await;
        if !matches!(&first, Err(Fault::Refused { code: BAD_TIME, .. })) {
            return first;
        }
        // `sync_time` is itself a request of this client, unsigned.
        Box::pin(self.sync_time()).await?;
        self.send(route, self.signed(params)).await
    }

    fn signed(&self, params: &str) -> String {
        let join = if params.is_empty() { "" } else { "&" };
        let window = self.config.recv_window_ms;
        let payload = format!("{params}{join}recvWindow={window}&timestamp={}", self.timestamp());
        let signature = self.key.sign(&payload);
        format!("{payload}&signature={signature}")
    }

    async fn send(&self, route: &Route, query: String) -> Result<String, Fault> {
        let now = (self.clock)();
        let until = self.valid_until(now);
        self.with_budget(|budget| budget.take(route.weight, route.what, now))
            .map_err(|wait| Fault::Limited { wait })?;
        let mark = if query.is_empty() { "" } else { "?" };
        let mut request = HttpRequest::get(format!("{}{mark}{query}", route.path));
        request.method = route.method.clone();
        let key = self.key.header().ok_or_else(|| Fault::NotSent("the key is no header".to_owned()))?;
        request.headers = vec![(KEY_HEADER, key)];
        let response = self.http.send(&request).await.map_err(|error| match error {
            HttpError::Dial { .. } => Fault::NotSent(error.to_string()),
            // It may hold the request's words, which are signed.
            HttpError::Request(host, _) => Fault::NotSent(format!("{host}: the request is not valid HTTP")),
            other => Fault::Unknown { reason: other.to_string(), until },
        })?;
        let now = (self.clock)();
        self.with_budget(|budget| budget.observe(&response.headers, now));
        self.judge(&response, until, now)
    }

    fn judge(&self, response: &HttpResponse, until: Ts, now: Ts) -> Result<String, Fault> {
        let status = response.status;
        let text = String::from_utf8_lossy(&response.body).into_owned();
        if status.is_success() {
            return Ok(text);
        }
        let Refusal { code, msg } =
            parse_refusal(&text).unwrap_or(Refusal { code: 0, msg: text.chars().take(200).collect() });
        let is_limit = [StatusCode::TOO_MANY_REQUESTS, StatusCode::IM_A_TEAPOT].contains(&status);
        if is_limit || TOO_MANY.contains(&code) {
            let default = if status == StatusCode::IM_A_TEAPOT { 120 } else { 10 };
            let wait = response.retry_after().unwrap_or(Duration::from_secs(default)).min(MAX_RETRY_AFTER);
            self.with_budget(|budget| budget.block(wait, now));
            return Err(Fault::Limited { wait });
        }
        let reason: String = msg.chars().take(200).collect();
        if status.is_server_error() || LOST.contains(&code) {
            return Err(Fault::Unknown { reason: format!("HTTP {} {code} {reason}", status.as_u16()), until });
        }
        Err(Fault::Refused { code, reason })
    }

    fn with_budget<T>(&self, f: impl FnOnce(&mut Budget) -> T) -> T {
        // A panic elsewhere while the lock was held cannot leave a number in it that is worse than none.
        f(&mut self.budget.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
