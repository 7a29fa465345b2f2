//! What an exchange lets one account and address send in a window of time. Refused here before it is refused there.

use super::config::Market;
use hyper::header::HeaderMap;
use model::Ts;
use std::time::Duration;

const SECOND_NS: i64 = 1_000_000_000;
const MINUTE_NS: i64 = 60 * SECOND_NS;
/// Share of the weight and of the orders that openings may use, in per cent: what is left closes, cancels and asks.
const OPENING_SHARE: u32 = 80;
/// Share of the weight and of the orders that is ever used: others share the address, and clocks differ.
const MOST: u32 = 95;

/// Who asks for a part of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// An order that may open.
    Open,
    /// An order that only reduces.
    Reduce,
    /// A cancel or a question.
    Other,
}

#[derive(Clone, Debug)]
struct Window {
    header: &'static str,
    length_ns: i64,
    limit: u32,
    number: i64,
    used: u32,
}

impl Window {
    const fn new(header: &'static str, length_ns: i64, limit: u32) -> Self {
        Self { header, length_ns, limit, number: 0, used: 0 }
    }

    fn turn(&mut self, now: Ts) {
        let number = now.0.div_euclid(self.length_ns);
        if number != self.number {
            (self.number, self.used) = (number, 0);
        }
    }

    fn wait(&self, wanted: u32, share: u32, now: Ts) -> Option<Duration> {
        let most = u64::from(self.limit) * u64::from(share) / 100;
        let is_over = u64::from(self.used) + u64::from(wanted) > most;
        is_over.then(|| at_least_a_millisecond((self.number + 1) * self.length_ns - now.0))
    }

    fn observe(&mut self, headers: &HeaderMap) {
        let told = headers.get(self.header).and_then(|value| value.to_str().ok());
        if let Some(used) = told.and_then(|text| text.trim().parse().ok()) {
            self.used = self.used.max(used);
        }
    }
}

fn at_least_a_millisecond(ns: i64) -> Duration {
    Duration::from_nanos(ns.max(1_000_000).unsigned_abs())
}

/// What is left.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    weight: Window,
    orders: Vec<Window>,
    blocked_until: Ts,
}

impl Budget {
    /// The limits that the exchange publishes; its own counts in the headers outrank ours.
    pub(super) fn of(market: Market) -> Self {
        let (weight, orders) = match market {
            Market::Spot => (
                6_000,
                vec![
                    Window::new("x-mbx-order-count-10s", 10 * SECOND_NS, 50),
                    Window::new("x-mbx-order-count-1d", 24 * 60 * MINUTE_NS, 160_000),
                ],
            ),
            Market::Usdm => (
                2_400,
                vec![
                    Window::new("x-mbx-order-count-10s", 10 * SECOND_NS, 300),
                    Window::new("x-mbx-order-count-1m", MINUTE_NS, 1_200),
                ],
            ),
        };
        Self { weight: Window::new("x-mbx-used-weight-1m", MINUTE_NS, weight), orders, blocked_until: Ts(0) }
    }

    /// Spends `weight`, or says how long to wait and spends nothing.
    pub(super) fn take(&mut self, weight: u32, what: Use, now: Ts) -> Result<(), Duration> {
        if now < self.blocked_until {
            return Err(at_least_a_millisecond(self.blocked_until.0 - now.0));
        }
        self.weight.turn(now);
        self.orders.iter_mut().for_each(|window| window.turn(now));
        let is_order = what != Use::Other;
        let share = if what == Use::Open { OPENING_SHARE } else { MOST };
        let by_orders = self.orders.iter().filter(|_| is_order).filter_map(|w| w.wait(1, share, now)).max();
        if let Some(wait) = self.weight.wait(weight, share, now).max(by_orders) {
            return Err(wait);
        }
        self.weight.used += weight;
        self.orders.iter_mut().for_each(|window| window.used += u32::from(is_order));
        Ok(())
    }

    /// Believes the exchange's own counts where they are higher.
    pub(super) fn observe(&mut self, headers: &HeaderMap, now: Ts) {
        for window in std::iter::once(&mut self.weight).chain(&mut self.orders) {
            window.turn(now);
            window.observe(headers);
        }
    }

    /// Sends nothing for `wait`.
    pub(super) fn block(&mut self, wait: Duration, now: Ts) {
        let wait_ns = i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX);
        self.blocked_until = self.blocked_until.max(Ts(now.0.saturating_add(wait_ns)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    const NOW: Ts = Ts(7 * 24 * 60 * MINUTE_NS);

    fn headers(name: &'static str, count: u32) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from(count));
        headers
    }

    #[test]
    fn openings_are_refused_before_reductions_and_both_before_the_exchange_does() {
        let mut budget = Budget::of(Market::Spot);
        let mut taken = |what| (0..60).filter(|_| budget.take(1, what, NOW).is_ok()).count();
        assert_eq!(taken(Use::Open), 40, "80 % of 50 in ten seconds");
        assert_eq!(taken(Use::Reduce), 7, "and 95 % in all");
        assert_eq!(budget.take(1, Use::Reduce, NOW), Err(Duration::from_secs(10)));
        assert_eq!(budget.take(1, Use::Other, NOW), Ok(()), "a cancel is no order");
        assert_eq!(budget.take(1, Use::Open, NOW.plus_ns(10 * SECOND_NS)), Ok(()));
    }

    #[test]
    fn the_last_fifth_of_the_weight_is_kept_for_reductions_cancels_and_questions() {
        let mut budget = Budget::of(Market::Usdm);
        budget.observe(&headers("x-mbx-used-weight-1m", 1_920), NOW);
        assert_eq!(budget.take(1, Use::Open, NOW), Err(Duration::from_secs(60)));
        assert_eq!(budget.take(180, Use::Reduce, NOW), Ok(()));
        assert_eq!(budget.take(180, Use::Other, NOW), Ok(()));
        assert_eq!(budget.take(1, Use::Reduce, NOW), Err(Duration::from_secs(60)));
        assert_eq!(budget.take(1, Use::Other, NOW), Err(Duration::from_secs(60)));
    }

    #[test]
    fn the_exchanges_counts_outrank_ours_until_their_window_ends() {
        let mut budget = Budget::of(Market::Usdm);
        budget.observe(&headers("x-mbx-order-count-1m", 1_140), NOW);
        assert_eq!(budget.take(1, Use::Reduce, NOW), Err(Duration::from_secs(60)));
        assert_eq!(budget.take(1, Use::Reduce, NOW.plus_ns(MINUTE_NS)), Ok(()));
    }

    #[test]
    fn a_ban_holds_for_everything() {
        let mut budget = Budget::of(Market::Spot);
        budget.block(Duration::from_secs(30), NOW);
        assert_eq!(budget.take(1, Use::Other, NOW.plus_ns(SECOND_NS)), Err(Duration::from_secs(29)));
        assert_eq!(budget.take(1, Use::Other, NOW.plus_ns(30 * SECOND_NS)), Ok(()));
    }
}
