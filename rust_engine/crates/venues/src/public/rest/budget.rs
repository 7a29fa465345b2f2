//! The weight that an exchange lets one address spend in a window of time.

use crate::http::HttpResponse;
use model::{MarketVenue, Ts};
use std::time::Duration;

const SECOND_NS: i64 = 1_000_000_000;

/// What requests weigh, by the exchanges' tables.
pub(super) struct Weights {
    /// A snapshot of 1000 levels.
    pub book: u32,
    /// A page of 1000 candles.
    pub candles: u32,
}

impl Weights {
    pub const fn of(venue: MarketVenue) -> Self {
        match venue {
            MarketVenue::BinanceSpot => Self { book: 50, candles: 2 },
            MarketVenue::BinanceUsdm => Self { book: 20, candles: 5 },
            MarketVenue::BybitSpot | MarketVenue::BybitLinear => Self { book: 1, candles: 1 },
        }
    }
}

/// What is left of the current window. Four fifths of the exchange's limit are used: others share the address.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    limit: u32,
    window_ns: i64,
    window: i64,
    used: u32,
    blocked_until: Ts,
}

impl Budget {
    pub const fn of(venue: MarketVenue) -> Self {
        let (limit, window_ns) = match venue {
            MarketVenue::BinanceSpot => (4800, 60 * SECOND_NS),
            MarketVenue::BinanceUsdm => (1920, 60 * SECOND_NS),
            MarketVenue::BybitSpot | MarketVenue::BybitLinear => (480, 5 * SECOND_NS),
        };
        Self { limit, window_ns, window: 0, used: 0, blocked_until: Ts(0) }
    }

    /// Spends `weight`, or says how long to wait before asking again.
    pub fn take(&mut self, weight: u32, now: Ts) -> Option<Duration> {
        if now < self.blocked_until {
            return Some(duration(self.blocked_until.0 - now.0));
        }
        self.turn(now);
        if self.used.saturating_add(weight) > self.limit {
            return Some(duration((self.window + 1) * self.window_ns - now.0));
        }
        self.used += weight;
        None
    }

    /// Believes the exchange's own count where it is higher.
    pub fn observe(&mut self, response: &HttpResponse, now: Ts) {
        self.turn(now);
        let header = response.headers.get("x-mbx-used-weight-1m").and_then(|value| value.to_str().ok());
        if let Some(used) = header.and_then(|text| text.trim().parse().ok()) {
            self.used = self.used.max(used);
        }
    }

    /// Sends nothing for `wait`.
    pub fn block(&mut self, wait: Duration, now: Ts) {
        let wait_ns = i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX);
        self.blocked_until = self.blocked_until.max(Ts(now.0.saturating_add(wait_ns)));
    }

    fn turn(&mut self, now: Ts) {
        let window = now.0.div_euclid(self.window_ns);
        if window != self.window {
            self.window = window;
            self.used = 0;
        }
    }
}

/// At least a millisecond, so that a wait always ends later.
fn duration(ns: i64) -> Duration {
    Duration::from_nanos(ns.max(1_000_000).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::StatusCode;
    use hyper::header::{HeaderMap, HeaderValue};

    const MINUTE: i64 = 60 * SECOND_NS;

    #[test]
    fn a_spent_window_waits_for_the_next() {
        let mut budget = Budget::of(MarketVenue::BinanceUsdm);
        for _ in 0..96 {
            assert_eq!(budget.take(20, Ts(MINUTE + 1)), None);
        }
        assert_eq!(budget.take(20, Ts(MINUTE + 10 * SECOND_NS)), Some(Duration::from_secs(50)));
        assert_eq!(budget.take(20, Ts(2 * MINUTE)), None);
    }

    #[test]
    fn the_exchange_counts_what_others_spend() {
        let mut budget = Budget::of(MarketVenue::BinanceSpot);
        let mut headers = HeaderMap::new();
        headers.insert("x-mbx-used-weight-1m", HeaderValue::from_static("4790"));
        let response = HttpResponse { status: StatusCode::OK, headers, body: hyper::body::Bytes::new() };
        budget.observe(&response, Ts(MINUTE));
        assert!(budget.take(50, Ts(MINUTE)).is_some());
        assert_eq!(budget.take(2, Ts(MINUTE)), None);
    }

    #[test]
    fn a_ban_holds_whatever_is_left() {
        let mut budget = Budget::of(MarketVenue::BybitLinear);
        budget.block(Duration::from_secs(600), Ts(5));
        assert_eq!(budget.take(1, Ts(5)), Some(Duration::from_secs(600)));
        budget.block(Duration::MAX, Ts(5));
        assert!(budget.take(1, Ts(i64::MAX - 1)).is_some());
    }
}
