//! One order on its way through an exchange that may answer late, twice, in the wrong order, or not at all.

use super::words::{OrderState, Status, Trade};
use engine::external::Outstanding;
use model::{CancelReason, OrderKind, OrderRequest, Qty, TimeInForce, Ts};
use std::collections::BTreeSet;

/// First wait before a question is repeated; it doubles.
const FIRST_RETRY_NS: i64 = 500 * Ts::MS;
const LAST_DOUBLING: u32 = 4;
/// How long the stream has to bring a trade before the exchange is asked for it.
const STREAM_GRACE_NS: i64 = 500 * Ts::MS;
/// How far the exchange's answers may lag behind its own matching, and how often an order must be missing after that.
const LAG_NS: i64 = 5_000 * Ts::MS;
const MISSES: u32 = 3;

/// What is known of an order at the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It did not leave yet.
    ToPlace,
    /// It left and was not answered.
    Placing,
    /// The exchange has it.
    Open,
    /// It may stand or not. If the exchange does not know it so many times after `gone_after`, it never arrived.
    Doubtful { gone_after: Ts, misses: u32 },
}

/// What is to be done for an order now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Place,
    Query,
    Trades(u64),
    Cancel,
}

/// What became of an order with news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// More may come.
    Lives,
    /// It traded whole.
    Filled,
    /// It ended otherwise, with all its trades known.
    Ended(CancelReason),
}

/// An order and all that was heard of it.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) order: OrderRequest,
    pub(super) stage: Stage,
    pub(super) cancel_wanted: bool,
    /// Whether a request about it is under way.
    pub(super) busy: bool,
    pub(super) was_accepted: bool,
    pub(super) trades: BTreeSet<u64>,
    /// The exchange's number of what trades.
    trades_as: Option<u64>,
    /// Whether something was said during a request that only a question can settle.
    pub(super) is_to_ask: bool,
    filled: Qty,
    /// The most that the exchange said was executed.
    executed: Qty,
    end: Option<CancelReason>,
    retries: u32,
    /// No question and no cancel before this.
    due: Ts,
    pub(super) checked_at: Ts,
}

impl Tracked {
    /// An order that is to be placed.
    pub(super) fn new(order: OrderRequest, now: Ts) -> Self {
        Self {
            order,
            stage: Stage::ToPlace,
            cancel_wanted: false,
            busy: false,
            was_accepted: false,
            trades: BTreeSet::new(),
            trades_as: None,
            is_to_ask: false,
            filled: Qty::ZERO,
            executed: Qty::ZERO,
            end: None,
            retries: 0,
            due: now,
            checked_at: now,
        }
    }

    /// An order that an earlier process may have placed until `gone_after`.
    pub(super) fn adopted(outstanding: &Outstanding, now: Ts, gone_after: Ts) -> Self {
        let stage = Stage::Doubtful { gone_after, misses: 0 };
        Self { stage, cancel_wanted: outstanding.cancel_asked, ..Self::new(outstanding.order, now) }
    }

    /// Whether everything that the exchange did with it up to the last word is known.
    pub(super) fn is_settled(&self) -> bool {
        !self.busy && self.stage == Stage::Open && self.filled >= self.executed && self.end.is_none()
    }

    /// What to do now, if anything.
    pub(super) fn step(&self, now: Ts) -> Option<Step> {
        if self.busy {
            return None;
        }
        let is_due = now >= self.due;
        match self.stage {
            Stage::ToPlace => Some(Step::Place),
            Stage::Placing => None,
            Stage::Doubtful { .. } => is_due.then_some(Step::Query),
            Stage::Open => match self.trades_as {
                Some(number) if self.filled < self.executed => is_due.then_some(Step::Trades(number)),
                _ if self.cancel_wanted && self.end.is_none() => is_due.then_some(Step::Cancel),
                _ => None,
            },
        }
    }

    /// When a step falls due; `None` while only news can bring one.
    pub(super) fn next_due(&self) -> Option<Ts> {
        (!self.busy && self.step(Ts(i64::MAX)).is_some()).then_some(self.due)
    }

    /// The exchange must be asked where it stands.
    pub(super) fn doubt(&mut self, now: Ts, gone_after: Ts) {
        if matches!(self.stage, Stage::Open | Stage::Placing) {
            self.stage = Stage::Doubtful { gone_after: gone_after.max(now.plus_ns(LAG_NS)), misses: 0 };
            self.due = now;
        }
    }

    /// The next question waits longer.
    pub(super) fn back_off(&mut self, now: Ts) {
        self.due = now.plus_ns(FIRST_RETRY_NS << self.retries.min(LAST_DOUBLING));
        self.retries = self.retries.saturating_add(1);
    }

    /// Nothing is asked before this.
    pub(super) fn wait_until(&mut self, at: Ts) {
        self.due = self.due.max(at);
    }

    /// A trade; `true` if it is new.
    pub(super) fn on_trade(&mut self, trade: &Trade) -> bool {
        let is_new = self.trades.insert(trade.id);
        if is_new {
            self.filled += trade.qty;
        }
        is_new
    }

    /// What the exchange says of it. Older words never take newer ones back.
    pub(super) fn on_state(&mut self, state: &OrderState, now: Ts) {
        self.trades_as = state.trades_as.or(self.trades_as);
        self.executed = self.executed.max(state.executed);
        self.checked_at = now;
        if self.stage != Stage::Open {
            (self.stage, self.due, self.retries) = (Stage::Open, now, 0);
        }
        if self.end.is_none() {
            self.end = self.reason(state.status);
        }
        if self.filled < self.executed {
            self.due = self.due.max(now.plus_ns(STREAM_GRACE_NS));
        }
    }

    /// The exchange never took it, or says no.
    pub(super) fn on_refused(&mut self, reason: CancelReason) {
        self.stage = Stage::Open;
        self.end = self.end.or(Some(reason));
    }

    /// The exchange does not know it; `true` once it cannot come any more.
    pub(super) fn on_missing(&mut self, now: Ts) -> bool {
        let Stage::Doubtful { gone_after, misses } = &mut self.stage else { return false };
        *misses += u32::from(now > *gone_after);
        let is_gone = *misses >= MISSES;
        if is_gone {
            self.on_refused(CancelReason::Rejected);
        } else {
            self.back_off(now);
        }
        is_gone
    }

    /// What became of it. An end counts only when every trade before it is known.
    pub(super) fn fate(&self) -> Fate {
        match self.end {
            _ if self.filled >= self.order.qty => Fate::Filled,
            Some(reason) if self.filled >= self.executed => Fate::Ended(reason),
            _ => Fate::Lives,
        }
    }

    /// The exchange's number of what trades; none while a stop waits for its trigger.
    pub(super) fn trades_as(&self) -> Option<u64> {
        self.trades_as
    }

    /// Whether it traded more than it was.
    pub(super) fn is_overfilled(&self) -> bool {
        self.filled > self.order.qty
    }

    fn reason(&self, status: Status) -> Option<CancelReason> {
        match status {
            Status::Open | Status::Filled => None,
            Status::Cancelled if self.cancel_wanted => Some(CancelReason::Requested),
            Status::Cancelled | Status::Rejected => Some(CancelReason::Rejected),
            Status::Expired => Some(match (self.order.kind, self.order.tif) {
                (OrderKind::Limit { .. }, TimeInForce::PostOnly) => CancelReason::WouldCross,
                (OrderKind::Market, _) | (_, TimeInForce::Ioc) => CancelReason::Unfilled,
                _ => CancelReason::Rejected,
            }),
        }
    }
}
