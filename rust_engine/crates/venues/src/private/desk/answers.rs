//! What the answer to a request means, or its absence.

use super::super::client::{Fault, Viewed};
use super::super::config::Market;
use super::super::order::Target;
use super::super::tracked::Stage;
use super::super::words::OrderState;
use super::Desk;
use super::Said;
use model::{CancelReason, OrderId, Qty, Ts};
use risk::reconcile::{OpenOrder, VenueOrder, VenueView};
use std::collections::{BTreeMap, BTreeSet};

impl Desk {
    pub(super) fn on_placed(&mut self, id: OrderId, answer: Result<OrderState, Fault>, now: Ts) {
        self.free(id);
        match answer {
            Ok(state) => self.hear(id, &state, now),
            Err(Fault::Unknown { reason, until }) => {
                self.problem(format!("order {}: not known whether it was taken: {reason}", id.0));
                self.with(id, |tracked| tracked.doubt(now, until));
            }
            // A repeat is recognised by its name: the first one stands, or stood.
            Err(Fault::Refused { reason, code }) if is_repeat(code, &reason) => {
                self.with(id, |tracked| tracked.doubt(now, Ts(i64::MAX)));
            }
            Err(fault) => {
                if !matches!(fault, Fault::Limited { .. }) {
                    self.problem(format!("order {}: {fault}", id.0));
                }
                self.with(id, |tracked| {
                    // The stream may have brought it already, whatever the answer says.
                    if tracked.stage == Stage::Placing {
                        tracked.on_refused(refusal(&fault));
                    }
                });
                self.settle(id, now);
            }
        }
    }

    pub(super) fn on_cancelled(&mut self, id: OrderId, answer: Result<Option<OrderState>, Fault>, now: Ts) {
        match answer {
            // The algo service only says that it was done. The stream says more, and else a question does.
            Ok(None) => {
                let gone_after = now.plus_ns(self.validity_ns);
                self.free(id);
                self.with(id, |tracked| {
                    tracked.doubt(now, gone_after);
                    tracked.back_off(now);
                });
            }
            Ok(Some(state)) => {
                self.free(id);
                self.hear(id, &state, now);
            }
            Err(fault) => {
                let gone_after = now.plus_ns(self.validity_ns);
                let is_limit = matches!(fault, Fault::Limited { .. });
                self.retry(id, &fault, now);
                if !is_limit {
                    self.with(id, |tracked| tracked.doubt(now, gone_after));
                }
            }
        }
    }

    pub(super) fn on_queried(&mut self, id: OrderId, answer: Result<OrderState, Fault>, now: Ts) {
        match answer {
            Ok(state) => {
                self.free(id);
                self.hear(id, &state, now);
            }
            Err(fault) if fault.is_no_such_order() => {
                self.free(id);
                let mut is_gone = false;
                self.with(id, |tracked| is_gone = tracked.on_missing(now));
                if is_gone {
                    self.problem(format!("order {} never reached the exchange", id.0));
                    self.settle(id, now);
                }
            }
            Err(fault) => self.retry(id, &fault, now),
        }
    }

    pub(super) fn on_viewed(&mut self, revision: u64, answer: Result<Viewed, Fault>, now: Ts) {
        if !self.looks.end() {
            return;
        }
        let viewed = match answer {
            Ok(viewed) => viewed,
            Err(fault) => {
                let wait_ns = match fault {
                    Fault::Limited { wait } => Some(i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX)),
                    _ => None,
                };
                let lasts = self.looks.on_failed(wait_ns, now);
                let reason = format!("no_answer: the account cannot be read: {fault}");
                return self.said.push(if lasts { Said::Unready(reason) } else { Said::Problem(reason) });
            }
        };
        if self.revision == revision && self.is_quiet() {
            // It may put orders in doubt; then they are asked for before the view counts.
            self.compare(&viewed, now);
        }
        let is_moving = self.revision != revision || !self.is_quiet();
        if is_moving && !self.looks.on_disturbed(now) {
            return;
        }
        self.looks.on_seen(now);
        let view = self.view(&viewed);
        self.said.push(Said::View { view, is_moving });
    }

    /// Asks about every order that the two sides do not see alike.
    fn compare(&mut self, viewed: &Viewed, now: Ts) {
        let mut open = BTreeSet::new();
        for state in &viewed.open {
            let Some(id) = self.id_of(state) else { continue };
            open.insert(id);
            if self.orders.contains_key(&id) {
                self.hear(id, state, now);
            } else {
                self.revision += 1;
                let client = state.client.clone();
                let target =
                    if state.trades_as.is_some() { Target::Name(client.clone()) } else { Target::Stop(client.clone()) };
                self.forgotten.insert(client, (state.symbol.clone(), target));
            }
        }
        let gone_after = now.plus_ns(self.validity_ns);
        for tracked in self.orders.values_mut().filter(|t| t.is_settled() && !open.contains(&t.order.id)) {
            tracked.doubt(now, gone_after);
        }
    }

    fn view(&self, viewed: &Viewed) -> VenueView {
        let order = |state: &OrderState| {
            let listed = self.listed(&state.symbol)?;
            let qty_left = state.qty - state.executed;
            let order = OpenOrder { symbol: listed.id, side: state.side, qty_left, price: state.price };
            let client_id = self.id_of(state);
            Some(VenueOrder { venue_id: state.venue_id.to_string(), client_id, order })
        };
        let mut positions = BTreeMap::new();
        for listed in &self.config.listed {
            let name = if self.config.market == Market::Spot { &listed.base } else { &listed.name };
            let held = viewed.held.iter().find(|(held, _)| held == name).map_or(Qty::ZERO, |(_, qty)| *qty);
            let position = held - listed.keep;
            if position != Qty::ZERO {
                positions.insert(listed.id, position);
            }
        }
        VenueView { at: viewed.at, orders: viewed.open.iter().filter_map(order).collect(), positions }
    }
}

/// Whether the exchange already knows an order of this name.
fn is_repeat(code: i64, reason: &str) -> bool {
    (code == -2010 && reason.contains("Duplicate order")) || code == -4116
}

/// What a definite no means to the strategy.
fn refusal(fault: &Fault) -> CancelReason {
    match fault {
        Fault::Limited { .. } => CancelReason::RateLimited,
        Fault::Refused { code: -5022, .. } => CancelReason::WouldCross,
        Fault::Refused { code: -2010, reason } if reason.contains("immediately match") => CancelReason::WouldCross,
        Fault::Refused { code: -2022, .. } => CancelReason::NothingToReduce,
        _ => CancelReason::Rejected,
    }
}
