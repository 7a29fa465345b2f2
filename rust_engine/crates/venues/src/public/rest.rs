//! What the exchanges answer to requests: whole books and past candles. Within their rate limits.

mod budget;

use super::plan::{binance_interval, bybit_interval};
use super::source::{BookUpdate, Candle, Dropped, binance, bybit};
use crate::http::{HttpClient, HttpError, HttpRequest, HttpResponse};
use crate::net::{Dial, Endpoint, UrlError};
use budget::{Budget, Weights};
use hyper::StatusCode;
use model::{CandleInterval, MarketFeedConfig, MarketVenue, Ts};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The time, as the process was given it.
pub type Clock = Arc<dyn Fn() -> Ts + Send + Sync>;

/// Longest time for one request.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Candles in one answer, on both exchanges.
const CANDLES_PER_PAGE: i64 = 1000;
/// Levels of a side in a snapshot, the most both Binance markets give at a bearable weight.
const SNAPSHOT_LEVELS: u32 = 1000;
/// Longest wait that an exchange can ask for: bans last up to three days.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3 * 86_400);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// No connection, or a broken one.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Too many requests, or banned for having sent them.
    #[error("the exchange refuses requests for {wait:?} (HTTP {status})")]
    Limited {
        /// Its status.
        status: u16,
        /// How long.
        wait: Duration,
    },
    /// The exchange is in trouble.
    #[error("the exchange failed (HTTP {0})")]
    Failed(u16),
    /// The request will never be answered.
    #[error("the exchange refused the request (HTTP {status}): {reason}")]
    Refused {
        /// Its status.
        status: u16,
        /// Its words, cut to 200 characters.
        reason: String,
    },
    /// An answer that was not understood.
    #[error("the exchange's answer is {0}")]
    Unreadable(#[from] Dropped),
    /// No address.
    #[error(transparent)]
    Url(#[from] UrlError),
}

impl RestError {
    /// Whether the same request can succeed later.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Http(_) | Self::Limited { .. } | Self::Failed(_) | Self::Unreadable(_) => true,
            Self::Refused { .. } | Self::Url(_) => false,
        }
    }
}

/// Asks one exchange.
pub struct RestClient {
    venue: MarketVenue,
    http: HttpClient,
    budget: Mutex<Budget>,
    clock: Clock,
    /// The time when the client was made, by the clock and by the timer that it waits on.
    made_at: (Ts, Instant),
}

impl RestClient {
    /// A client of the feed's exchange.
    ///
    /// # Errors
    /// [`UrlError`] where the configured address is none.
    pub fn new(config: &MarketFeedConfig, dialler: Arc<dyn Dial>, clock: Clock) -> Result<Self, UrlError> {
        let url = config.rest_url.as_deref().unwrap_or(super::plan::rest_url(config.venue));
        let http = HttpClient::new(dialler, Endpoint::parse(url)?, TIMEOUT);
        let made_at = (clock(), Instant::now());
        Ok(Self { venue: config.venue, http, budget: Mutex::new(Budget::of(config.venue)), clock, made_at })
    }

    /// The whole book of a Binance symbol. Bybit sends it on the stream.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn book(&self, symbol: &str) -> Result<BookUpdate, RestError> {
        let root = self.root();
        let path = format!("{root}/depth?symbol={symbol}&limit={SNAPSHOT_LEVELS}");
        Ok(binance::parse_snapshot(&self.get(path, Weights::of(self.venue).book).await?)?)
    }

    /// Candles that opened from `from` on and before `to` and are closed by now, oldest first, each once. What the exchange
    /// does not have stays out.
    ///
    /// # Errors
    /// [`RestError`] of the first page that failed.
    pub async fn candles(
        &self,
        symbol: &str,
        interval: CandleInterval,
        from: Ts,
        to: Ts,
    ) -> Result<Vec<Candle>, RestError> {
        let mut candles: Vec<Candle> = Vec::new();
        let end = to.0.min((self.clock)().0 - interval.ns() + 1);
        let mut start = from.0;
        while start < end {
            let page_end = end.min(start.saturating_add(interval.ns() * CANDLES_PER_PAGE));
            let page = self.page(symbol, interval, Ts(start), Ts(page_end)).await?;
            let newest = candles.last().map_or(i64::MIN, |candle| candle.opened_at.0);
            candles.extend(
                page.into_iter().filter(|c| (start..page_end).contains(&c.opened_at.0) && c.opened_at.0 > newest),
            );
            start = page_end;
        }
        candles.dedup_by_key(|candle| candle.opened_at);
        Ok(candles)
    }

    async fn page(&self, symbol: &str, interval: CandleInterval, from: Ts, to: Ts) -> Result<Vec<Candle>, RestError> {
        // Both exchanges include the end.
        let (from_ms, last_ms) = (from.ms(), Ts(to.0 - 1).ms());
        let weight = Weights::of(self.venue).candles;
        match self.venue {
            MarketVenue::BinanceSpot | MarketVenue::BinanceUsdm => {
                let (root, name) = (self.root(), binance_interval(interval));
                let path = format!(
                    "{root}/klines?symbol={symbol}&interval={name}&startTime={from_ms}&endTime={last_ms}&limit={CANDLES_PER_PAGE}"
                );
                Ok(binance::parse_klines(&self.get(path, weight).await?)?)
            }
            MarketVenue::BybitSpot | MarketVenue::BybitLinear => {
                let (category, name) = (self.category(), bybit_interval(interval));
                let path = format!(
                    "/v5/market/kline?category={category}&symbol={symbol}&interval={name}&start={from_ms}&end={last_ms}&limit={CANDLES_PER_PAGE}"
                );
                Ok(bybit::parse_klines(&self.get(path, weight).await?)?)
            }
        }
    }

    const fn root(&self) -> &'static str {
        match self.venue {
            MarketVenue::BinanceSpot => "/api/v3",
            _ => "/fapi/v1",
        }
    }

    const fn category(&self) -> &'static str {
        match self.venue {
            MarketVenue::BybitSpot => "spot",
            _ => "linear",
        }
    }

    async fn get(&self, path: String, weight: u32) -> Result<String, RestError> {
        loop {
            let wait = self.with_budget(|budget, now| budget.take(weight, now));
            match wait {
                None => break,
                Some(wait) => tokio::time::sleep(wait).await,
            }
        }
        let response = self.http.send(&HttpRequest::get(path)).await?;
        self.with_budget(|budget, now| budget.observe(&response, now));
        self.judge(&response)
    }

    fn judge(&self, response: &HttpResponse) -> Result<String, RestError> {
        let status = response.status.as_u16();
        let text = || String::from_utf8_lossy(&response.body).chars().take(200).collect::<String>();
        let default_wait = match (response.status, self.venue) {
            (StatusCode::TOO_MANY_REQUESTS, _) => Duration::from_secs(60),
            (StatusCode::IM_A_TEAPOT, _) => Duration::from_secs(120),
            // Bybit answers so, for ten minutes, to an address that asks too often.
            (StatusCode::FORBIDDEN, MarketVenue::BybitSpot | MarketVenue::BybitLinear) => Duration::from_secs(600),
            (code, _) if code.is_success() => {
                return String::from_utf8(response.body.to_vec())
                    .map_err(|_| RestError::Unreadable(Dropped::Malformed));
            }
            (code, _) if code.is_server_error() => return Err(RestError::Failed(status)),
            _ => return Err(RestError::Refused { status, reason: text() }),
        };
        let wait = response.retry_after().unwrap_or(default_wait).min(MAX_RETRY_AFTER);
        self.with_budget(|budget, now| budget.block(wait, now));
        Err(RestError::Limited { status, wait })
    }

    fn with_budget<T>(&self, f: impl FnOnce(&mut Budget, Ts) -> T) -> T {
        // Windows begin with the clock's minutes but pass with the timer: a clock that stands or is set back holds nobody up.
        let (at, instant) = self.made_at;
        let passed_ns = i64::try_from(instant.elapsed().as_nanos()).unwrap_or(i64::MAX);
        let now = Ts(at.0.saturating_add(passed_ns));
        // A panic elsewhere while the lock was held cannot leave a number in it that is worse than none.
        f(&mut self.budget.lock().unwrap_or_else(PoisonError::into_inner), now)
    }
}
