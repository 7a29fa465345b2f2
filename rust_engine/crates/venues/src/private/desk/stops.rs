//! Stop orders on USD-M: what the algo service says about them, and the orders that they become.

use super::super::config::Market;
use super::super::order::Target;
use super::super::tracked::Tracked;
use super::super::words::{AlgoState, AlgoStatus, Execution, OrderState};
use super::Desk;
use model::{OrderId, OrderKind, Ts};

impl Desk {
    /// A message about a stop order.
    pub(in crate::private) fn on_algo(&mut self, algo: &AlgoState, now: Ts) {
        let Some(id) = self.run.order_id(&algo.client).filter(|id| self.orders.contains_key(id)) else { return };
        if algo.status == AlgoStatus::Rejected {
            self.problem(format!("order {}: the stop triggered and was rejected: {}", id.0, algo.reason));
        }
        match algo.state() {
            Some(state) => self.hear(id, &state, now),
            None => self.ask(id, now),
        }
    }

    /// The order that a message of the exchange is about: by its name, or by the number under which a stop of ours trades.
    pub(super) fn id_of(&self, state: &OrderState) -> Option<OrderId> {
        let became = |(_, tracked): &(&OrderId, &Tracked)| tracked.trades_as() == Some(state.venue_id);
        self.run.order_id(&state.client).or_else(|| self.orders.iter().find(became).map(|(id, _)| *id))
    }

    /// How an order is named to the exchange; `is_end` where it is to end.
    pub(super) fn target(&self, id: OrderId, is_end: bool) -> Target {
        let client = self.run.client_id(id);
        let Some(tracked) = self.orders.get(&id).filter(|tracked| self.is_stop(tracked)) else {
            return Target::Name(client);
        };
        match tracked.trades_as().filter(|_| is_end) {
            Some(number) => Target::Number(number),
            None => Target::Stop(client),
        }
    }

    /// Asks for every stop that may be behind a trade under an unknown name; `false` where none can be.
    pub(super) fn may_be_a_stop(&mut self, execution: &Execution, now: Ts) -> bool {
        let state = &execution.state;
        let Some(symbol) = self.listed(&state.symbol).map(|listed| listed.id) else { return false };
        let may_be = |tracked: &Tracked| {
            let order = &tracked.order;
            (order.symbol, order.side) == (symbol, state.side)
                && state.qty <= order.qty
                && tracked.trades_as().is_none()
        };
        let waiting = self.orders.iter().filter(|(_, tracked)| self.is_stop(tracked) && may_be(tracked));
        let ids: Vec<OrderId> = waiting.map(|(id, _)| *id).collect();
        ids.iter().for_each(|id| self.ask(*id, now));
        if !ids.is_empty() {
            // If it was none of them, positions differ.
            self.looks.set_at_last(now);
        }
        !ids.is_empty()
    }

    pub(super) fn is_stop(&self, tracked: &Tracked) -> bool {
        self.config.market == Market::Usdm && matches!(tracked.order.kind, OrderKind::Stop { .. })
    }

    /// Asks for what was said while requests were under way.
    pub(super) fn ask_again(&mut self, now: Ts) {
        let gone_after = now.plus_ns(self.validity_ns);
        let waiting = self.orders.values_mut().filter(|tracked| tracked.is_to_ask && !tracked.busy);
        waiting.for_each(|tracked| {
            tracked.is_to_ask = false;
            tracked.doubt(now, gone_after);
        });
    }

    /// The exchange must be asked where it stands, after a request that is under way.
    fn ask(&mut self, id: OrderId, now: Ts) {
        let gone_after = now.plus_ns(self.validity_ns);
        self.revision += 1;
        self.with(id, |tracked| {
            if tracked.busy {
                tracked.is_to_ask = true;
            } else {
                tracked.doubt(now, gone_after);
            }
        });
    }
}
