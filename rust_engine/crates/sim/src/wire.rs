//! The messages between us and the exchange: when they arrive, how many it takes, what is open until its answers come.

use model::{CancelReason, InstanceId, OrderId, OrderRequest, Price, Qty, Side, Ts, VenueConfig};
use serde::{Deserialize, Serialize};

const SECOND_NS: i64 = 1_000_000_000;

/// The way to the exchange and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wire {
    /// From a decision to the exchange.
    pub(crate) order_ns: i64,
    /// From the exchange back.
    pub(crate) answer_ns: i64,
}

impl Wire {
    /// None when a latency does not fit nanoseconds in 63 bits, or is a day or more.
    pub(crate) fn new(config: &VenueConfig) -> Option<Self> {
        let ns = |us: u64| i64::try_from(us).ok()?.checked_mul(1_000).filter(|ns| *ns < Ts::DAY);
        Some(Self { order_ns: ns(config.order_latency_us)?, answer_ns: ns(config.feed_latency_us)? })
    }

    /// When the exchange made what was received at `at`. A stamp that is not before the receipt is none: the source knows only
    /// one, or its clock runs ahead of ours.
    #[inline]
    pub(crate) const fn made_at(self, exch_at: Ts, at: Ts) -> Ts {
        if exch_at.0 < at.0 { exch_at } else { at.plus_ns(-self.answer_ns) }
    }
}

/// The exchange's bound on messages within one second of its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RateLimit {
    /// Zero is no bound.
    max_per_s: u32,
    second: i64,
    n: u32,
}

impl RateLimit {
    const fn new(max_per_s: u32) -> Self {
        Self { max_per_s, second: i64::MIN, n: 0 }
    }

    /// Counts a message; whether the exchange takes it.
    #[inline]
    fn admits(&mut self, arrived_at: Ts) -> bool {
        if self.max_per_s == 0 {
            return true;
        }
        let second = arrived_at.0.div_euclid(SECOND_NS);
        if second != self.second {
            (self.second, self.n) = (second, 0);
        }
        self.n = self.n.saturating_add(1);
        self.n <= self.max_per_s
    }
}

/// The bounds of those who send: one for all, or one for each instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bounds {
    untouched: RateLimit,
    is_shared: bool,
    by_sender: Vec<RateLimit>,
}

impl Bounds {
    pub(crate) const fn shared(max_per_s: u32) -> Self {
        Self { untouched: RateLimit::new(max_per_s), is_shared: true, by_sender: Vec::new() }
    }

    pub(crate) const fn split(&mut self) {
        self.is_shared = false;
    }

    /// Counts a message; whether the exchange takes it.
    #[inline]
    pub(crate) fn admit(&mut self, sender: InstanceId, arrived_at: Ts) -> bool {
        let i = if self.is_shared { 0 } else { sender.index() };
        if self.by_sender.len() <= i {
            self.by_sender.resize(i + 1, self.untouched);
        }
        self.by_sender[i].admits(arrived_at)
    }
}

/// A message on its way to the exchange.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) arrives_at: Ts,
    pub(crate) slot: u32,
    pub(crate) id: OrderId,
    pub(crate) sender: InstanceId,
    pub(crate) is_cancel: bool,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum News {
    Fill { qty: Qty, price: Price, is_maker: bool, remaining: Qty },
    Ended(CancelReason),
}

/// An answer on its way back.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) at: Ts,
    pub(crate) exch_at: Ts,
    pub(crate) slot: u32,
    pub(crate) news: News,
}

/// Quantities of one instance that are open and may add to its position.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Exposed {
    instance: InstanceId,
    buys: Qty,
    sells: Qty,
}

/// What each instance has open in one symbol.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Exposure {
    of: Vec<Exposed>,
}

impl Exposure {
    /// Adds what `order` opens; below zero takes away.
    pub(crate) fn add(&mut self, order: &OrderRequest, qty: Qty) {
        if order.reduce_only {
            return;
        }
        let known = self.of.iter().position(|e| e.instance == order.instance);
        let at = known.unwrap_or_else(|| {
            self.of.push(Exposed { instance: order.instance, buys: Qty::ZERO, sells: Qty::ZERO });
            self.of.len() - 1
        });
        match order.side {
            Side::Buy => self.of[at].buys += qty,
            Side::Sell => self.of[at].sells += qty,
        }
    }

    /// Buys and sells of an instance.
    pub(crate) fn of(&self, instance: InstanceId) -> (Qty, Qty) {
        let exposed = self.of.iter().find(|e| e.instance == instance);
        exposed.map_or((Qty::ZERO, Qty::ZERO), |e| (e.buys, e.sells))
    }
}
