//! One parent order while it is worked: what it has filled, what is on its way, and whether it goes on.

use crate::desk::{Child, Instruction};
use crate::schedule::{Schedule, ends_at};
use crate::shortfall::ShortfallMeter;
use model::{
    CancelReason, Fill, OrderId, OrderKind, OrderRequest, OrderUpdate, ParentOrder, Price, Qty, TimeInForce, Ts, Worked,
};
use serde::{Deserialize, Serialize};

/// Refusals in a row after which a parent ends.
pub const MAX_FAILURES: u8 = 3;
/// Pause after a refusal.
pub const RETRY_AFTER_NS: i64 = 1_000_000_000;

/// The child on its way. There is never more than one, so that nothing can be sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Flight {
    filled: Qty,
    cancelled: bool,
}

/// Where a parent stands at the end of its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// Its schedule decides.
    Working,
    /// Time is over and all of the rest was sent.
    Closing,
    /// Nothing more is sent.
    Stopping,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parent<T> {
    order: ParentOrder,
    tag: T,
    lot: Qty,
    ends_at: Ts,
    pub(crate) schedule: Schedule,
    pub(crate) started_at: Ts,
    flight: Option<Flight>,
    stage: Stage,
    failures: u8,
    retry_at: Option<Ts>,
    meter: ShortfallMeter,
}

impl<T: Clone> Parent<T> {
    pub(crate) fn new(order: ParentOrder, tag: T, lot: Qty, schedule: Schedule, now: Ts) -> Self {
        let at_once = matches!(&schedule, Schedule::Timed(slices) if slices.is_empty());
        Self {
            ends_at: if at_once { now } else { ends_at(&order) },
            meter: ShortfallMeter::new(order.order.side, order.order.decision_price),
            order,
            tag,
            lot,
            schedule,
            started_at: now,
            flight: None,
            stage: Stage::Working,
            failures: 0,
            retry_at: None,
        }
    }

    pub(crate) fn order(&self) -> &ParentOrder {
        &self.order
    }

    fn rest(&self) -> Qty {
        self.order.order.qty - self.meter.filled()
    }

    /// Adds what others traded, where that drives the schedule.
    pub(crate) fn observe_volume(&mut self, since: Ts, qty: Qty) {
        if let Schedule::Volume { market, .. } = &mut self.schedule
            && since >= self.started_at
        {
            market.0 = market.0.saturating_add(qty.0);
        }
    }

    /// Sends what is due. True when the parent is over.
    pub(crate) fn advance(&mut self, now: Ts, own_in_prints: bool, out: &mut Vec<Instruction<T>>) -> bool {
        let is_over = now >= self.ends_at;
        if is_over && self.stage == Stage::Working && !matches!(self.schedule, Schedule::Timed(_)) {
            // More than its share of the volume, or beyond its price: what neither may do to get finished.
            self.stage = Stage::Stopping;
        }
        if let Some(flight) = &mut self.flight {
            if self.stage == Stage::Stopping && !flight.cancelled {
                flight.cancelled = true;
                out.push(Instruction::CancelChildren(self.order.order.id));
            }
            return false;
        }
        if self.rest() == Qty::ZERO || self.stage == Stage::Stopping || self.failures >= MAX_FAILURES {
            return true;
        }
        if self.retry_at.is_some_and(|at| now < at) {
            return false;
        }
        self.retry_at = None;
        let qty = match (&self.schedule, is_over) {
            (Schedule::Timed(_), true) => {
                self.stage = Stage::Closing;
                self.rest()
            }
            (Schedule::Displayed { display, .. }, _) => self.rest().min(*display),
            (schedule, _) => {
                let allowed = schedule.allowed(self.order.order.qty, self.lot, now, own_in_prints);
                (allowed - self.meter.filled()).min(self.rest()).round_down(self.lot)
            }
        };
        if qty > Qty::ZERO {
            self.flight = Some(Flight { filled: Qty::ZERO, cancelled: false });
            out.push(Instruction::Send(Child { order: self.child(qty, now), tag: self.tag.clone() }));
        }
        false
    }

    fn child(&self, qty: Qty, now: Ts) -> OrderRequest {
        let parent = &self.order.order;
        let (kind, tif) = match (&self.schedule, self.order.limit) {
            (Schedule::Displayed { price, .. }, _) => (OrderKind::Limit { price: *price }, TimeInForce::Gtc),
            (_, Some(price)) => (OrderKind::Limit { price }, TimeInForce::Ioc),
            (_, None) => (OrderKind::Market, TimeInForce::Gtc),
        };
        OrderRequest { id: OrderId(0), parent: parent.id, qty, kind, tif, decided_at: now, ..*parent }
    }

    pub(crate) fn on_fill(&mut self, fill: &Fill) {
        self.failures = 0;
        self.meter.add(fill, fill.qty);
        if let Some(flight) = &mut self.flight {
            flight.filled += fill.qty;
            // The advisor may have shrunk the child: what counts is the quantity it was approved with.
            if flight.filled >= fill.order.qty {
                self.flight = None;
            }
        }
    }

    pub(crate) fn on_ended(&mut self, update: &OrderUpdate, now: Ts) {
        if self.flight.take().is_none() {
            return;
        }
        match update.reason {
            // The limit forbade it: nobody's fault. The rest waits for the next slice, or stays if this was the last.
            CancelReason::Unfilled if self.stage == Stage::Closing => self.stage = Stage::Stopping,
            CancelReason::Unfilled => {
                let next = match self.schedule {
                    Schedule::Timed(_) => self.schedule.next_after(now).unwrap_or(self.ends_at),
                    Schedule::Volume { .. } | Schedule::Displayed { .. } => now.plus_ns(RETRY_AFTER_NS),
                };
                self.retry_at = Some(next);
            }
            // Somebody wants it ended; sending again would be against his will.
            CancelReason::Requested | CancelReason::Halted | CancelReason::Vetoed | CancelReason::NothingToReduce => {
                self.stage = Stage::Stopping;
            }
            CancelReason::Refused
            | CancelReason::Rejected
            | CancelReason::RateLimited
            | CancelReason::WouldCross
            | CancelReason::Ungrouped
            | CancelReason::Stale => {
                self.failures += 1;
                self.retry_at = Some(now.plus_ns(RETRY_AFTER_NS));
            }
        }
    }

    pub(crate) fn stop(&mut self) {
        self.stage = Stage::Stopping;
    }

    /// When it next wants to be called, if the clock and no event of its own must wake it.
    pub(crate) fn next_due(&self, now: Ts) -> Option<Ts> {
        let is_resting = matches!(self.schedule, Schedule::Displayed { .. });
        match (&self.flight, self.stage) {
            (Some(_), Stage::Working) if is_resting => Some(self.ends_at),
            (Some(_), _) => None,
            (None, Stage::Working) => {
                Some(self.retry_at.or_else(|| self.schedule.next_after(now)).unwrap_or(self.ends_at))
            }
            (None, _) => Some(self.retry_at.unwrap_or(now)),
        }
    }

    pub(crate) fn worked(&self, at: Ts, end: Price) -> Worked {
        Worked {
            parent: self.order,
            at,
            filled: self.meter.filled(),
            notional: self.meter.notional(),
            shortfall: self.meter.split(self.order.order.qty, end),
        }
    }
}
