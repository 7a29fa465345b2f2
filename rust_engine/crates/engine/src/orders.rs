//! Requests out: from an action of a strategy, through the risk gate and the advisor, to the venue.

use crate::account::Account;
use crate::advice::{Held, PendingAdvice};
use crate::core::Core;
use crate::recorder::{Ask, Recorder, Wish};
use model::{
    Action, CancelReason, Capture, Fill, InstanceId, Liquidity, Mode, Money, OrderId, OrderRequest, OrderUpdate,
    Purpose, Qty, Side, SignalView, Ts,
};
use risk::{RiskApproved, Rule};

impl<R: Recorder> Core<R> {
    /// Does what instance `i` asked for, in order.
    pub(crate) fn act_on(&mut self, i: usize, actions: &[Action], at: Ts) {
        let mut rest = actions;
        while let Some((action, after)) = rest.split_first() {
            rest = after;
            if let Action::Together(n) = action {
                let n = usize::from(*n);
                let (group, after) = rest.split_at(n.min(rest.len()));
                self.submit_together(i, n, group, at);
                rest = after;
            } else {
                self.act(i, action, at);
            }
        }
    }

    fn act(&mut self, i: usize, action: &Action, at: Ts) {
        let id = InstanceId(i as u16);
        let notices = &mut self.notices;
        let mut ended = |order| notices.push_back(OrderUpdate { order, reason: CancelReason::Requested });
        match action {
            Action::Submit(order) => self.submit(i, *order, at),
            Action::Cancel(order) => {
                self.exchange.cancel(id, *order, at, ended);
                self.gate.cancels_sent(id, 1, at);
            }
            Action::CancelAt(named) => {
                let n = self.exchange.cancel_where(id, named.symbol, |o| named.names(o), at, &mut ended);
                self.gate.cancels_sent(id, n, at);
            }
            Action::CancelAll(symbol) => {
                let is_its_own = |order: &OrderRequest| order.purpose != Purpose::Flatten;
                let n = self.exchange.cancel_where(id, *symbol, is_its_own, at, &mut ended);
                self.gate.cancels_sent(id, n, at);
            }
            Action::Feedback(view) => self.report_back(i, view, at),
            Action::Skip(view) => self.record_skip(i, view, at),
            Action::Capture(capture) => self.capture(i, capture, at),
            Action::Execute(parent) => self.execute(i, parent, at),
            Action::StopExecution(parent) => self.stop_execution(i, *parent, at),
            Action::Together(_) => {} // carried out by the caller, with what follows it
        }
    }

    fn record_skip(&mut self, i: usize, view: &SignalView, at: Ts) {
        if self.instances[i].is_idle() && self.instances[i].identity.mode != Mode::Live {
            return;
        }
        let SignalView { symbol, side, strength, price, skipped } = *view;
        let wish = Wish { symbol, side, strength, price, qty: Qty::ZERO, at };
        self.recorder.wished(&self.instances[i].identity, &wish, skipped);
    }

    pub(crate) fn submit(&mut self, i: usize, order: OrderRequest, at: Ts) {
        let order = self.named(i, order, at);
        if self.is_idle_opening(&order) {
            return self.end_idle(&order);
        }
        if self.is_blind(&order) {
            return self.end_unsent(&order, CancelReason::Stale, "stale_data");
        }
        if self.withholds(&order) {
            return self.end_unsent(&order, CancelReason::Refused, "flattening");
        }
        if !self.desk.wants(self.instances[i].identity.mode, &order) {
            if self.waits_for_room(&order, at) {
                return;
            }
            let Some(approved) = self.approve(order) else { return };
            let tag = self.recorder.tag(&self.instances[i].identity, &order, self.exchange.top(order.symbol));
            self.place(approved, tag);
            return;
        }
        // It uses up no limit while it waits: the gate sees it again when the advisor lets it go.
        let account = Account { instances: &self.instances, exchange: &self.exchange, last: &self.market.last };
        if let Err(refused) = self.gate.check(&order, at, &account) {
            return self.end_unsent(&order, CancelReason::Refused, refused.rule.as_str());
        }
        let tag = self.recorder.tag(&self.instances[i].identity, &order, self.exchange.top(order.symbol));
        let pending = self.ask_advisor(i, &order, at);
        self.desk.held.push(Held { pending, order, work: None, tag });
    }

    pub(crate) fn ask_advisor(&mut self, i: usize, order: &OrderRequest, at: Ts) -> PendingAdvice {
        let instance = &self.instances[i];
        let pending = self.desk.next_request(&instance.identity.origin, at);
        let ask = Ask {
            advice_id: pending.advice_id.clone(),
            order: *order,
            deadline: pending.deadline,
            krw_per_quote: self.desk.rate_at(at),
            equity: instance.traded_capital() + instance.ledger.profit(&self.market.last),
            position: instance.ledger.position(order.symbol.index()),
        };
        self.recorder.asked(&instance.identity, &ask);
        pending
    }

    /// Sends all of these orders, or none. A group that the advisor would have to see is refused: its prices do not wait.
    fn submit_together(&mut self, i: usize, n: usize, group: &[Action], at: Ts) {
        let mut legs = Vec::with_capacity(n);
        for action in group {
            if let Action::Submit(order) = action {
                legs.push(self.named(i, *order, at));
            }
        }
        let mode = self.instances[i].identity.mode;
        if legs.iter().any(|leg| self.is_idle_opening(leg)) {
            return legs.iter().for_each(|leg| self.end_idle(leg));
        }
        let blocked = if legs.len() != n {
            Some((CancelReason::Ungrouped, "malformed_group"))
        } else if legs.iter().any(|leg| self.is_blind(leg)) {
            Some((CancelReason::Stale, "stale_data"))
        } else if legs.iter().any(|leg| self.desk.wants(mode, leg)) {
            Some((CancelReason::Vetoed, "group_too_large_for_advice"))
        } else {
            None
        };
        if let Some((reason, outcome)) = blocked {
            legs.iter().for_each(|leg| self.end_unsent(leg, reason, outcome));
            return;
        }
        let account = Account { instances: &self.instances, exchange: &self.exchange, last: &self.market.last };
        match self.gate.approve_all(&legs, at, &account) {
            Ok(approved) => {
                for order in approved {
                    let top = self.exchange.top(order.get().symbol);
                    let tag = self.recorder.tag(&self.instances[i].identity, order.get(), top);
                    self.place(order, tag);
                }
            }
            Err((broken, refused)) => {
                for (k, leg) in legs.iter().enumerate() {
                    let reason = if k == broken { CancelReason::Refused } else { CancelReason::Ungrouped };
                    self.end_unsent(leg, reason, refused.rule.as_str());
                }
            }
        }
    }

    /// Books a paper round trip: both fills at once, or a refusal. Nothing of it ever leaves the engine.
    fn capture(&mut self, i: usize, capture: &Capture, at: Ts) {
        let Capture { symbol, qty, buy_price, sell_price, fee, strength } = *capture;
        let base = OrderRequest {
            purpose: Purpose::Liquidation,
            strength,
            ..OrderRequest::market(symbol, Side::Buy, qty, buy_price)
        };
        let buy = self.named(i, base, at);
        if self.is_idle_opening(&buy) {
            return self.end_idle(&buy);
        }
        let Some(approved) = self.approve(buy) else { return };
        let buy = approved.into_inner();
        let sell = self.named(i, OrderRequest { side: Side::Sell, reduce_only: true, ..base }, at);
        let tag = self.recorder.tag(&self.instances[i].identity, &buy, self.exchange.top(symbol));
        for (order, price, fee) in [(buy, buy_price, Money::ZERO), (sell, sell_price, fee)] {
            let fill = Fill { fee, ..Fill::free(order, at, price, qty, Liquidity::Taker) };
            self.recorder.sent(&order);
            self.book_paper(&fill, tag.clone());
        }
    }

    fn book_paper(&mut self, fill: &Fill, tag: R::Tag) {
        self.recorder.filled(fill);
        let instance = &mut self.instances[fill.order.instance.index()];
        let (recorder, identity) = (&mut self.recorder, &instance.identity);
        instance.ledger.apply(fill, tag, |trade| recorder.closed(identity, &trade));
    }

    pub(crate) fn named(&mut self, i: usize, mut order: OrderRequest, at: Ts) -> OrderRequest {
        (order.id, order.instance, order.decided_at) = (self.instances[i].next_order_id(), InstanceId(i as u16), at);
        order
    }

    /// Whether the order would open something on data that are too old.
    pub(crate) fn is_blind(&self, order: &OrderRequest) -> bool {
        !order.reduce_only && self.market.stale[order.symbol.index()]
    }

    /// Passes an order through the gate; a refusal is recorded and its strategy is told.
    pub(crate) fn approve(&mut self, order: OrderRequest) -> Option<RiskApproved<OrderRequest>> {
        let account = Account { instances: &self.instances, exchange: &self.exchange, last: &self.market.last };
        match self.gate.approve(order, self.market.now, &account) {
            Ok(approved) => Some(approved),
            Err(refused) => {
                self.end_unsent(&refused.order, CancelReason::Refused, refused.rule.as_str());
                None
            }
        }
    }

    /// Sends an approved order to the venue.
    pub(crate) fn place(&mut self, approved: RiskApproved<OrderRequest>, tag: R::Tag) {
        let order = *approved.get();
        self.record_wish(&order, "taken");
        self.recorder.sent(&order);
        let sight = self.market.sight(order.symbol);
        self.exchange.send(approved, sight, self.market.now, tag);
    }

    /// Ends an order that never reached the venue.
    pub(crate) fn end_unsent(&mut self, order: &OrderRequest, reason: CancelReason, outcome: &str) {
        self.record_wish(order, outcome);
        self.notices.push_back(OrderUpdate { order: *order, reason });
    }

    /// Ends an opening of an idle instance. A live one tells why it does not trade; an empty slot beside it is only counted.
    pub(crate) fn end_idle(&mut self, order: &OrderRequest) {
        self.gate.stopped_before(Rule::Idle);
        if self.instances[order.instance.index()].identity.mode == Mode::Live {
            self.record_wish(order, Rule::Idle.as_str());
        }
        self.notices.push_back(OrderUpdate { order: *order, reason: CancelReason::Refused });
    }

    // Quotes are renewed all the time and children repeat their parent: only entries by themselves are signals.
    pub(crate) fn record_wish(&mut self, order: &OrderRequest, outcome: &str) {
        if order.purpose == Purpose::Entry && !order.reduce_only && order.parent == OrderId(0) {
            let identity = &self.instances[order.instance.index()].identity;
            self.recorder.wished(identity, &Wish::from(order), outcome);
        }
    }
}
