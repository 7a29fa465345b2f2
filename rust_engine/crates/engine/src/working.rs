//! Orders that are worked in children: what the execution desk asks for, carried out.

use crate::advice::Held;
use crate::core::Core;
use crate::error::CoreError;
use crate::recorder::Recorder;
use execution::Instruction;
use model::{CancelReason, Event, InstanceId, OrderId, OrderRequest, OrderUpdate, ParentOrder, Ts};

impl<R: Recorder> Core<R> {
    /// Begins to work an order, after the advisor where it is large. The whole is what the advisor sees; the risk gate checks
    /// each child when it is sent.
    pub(crate) fn execute(&mut self, i: usize, parent: &ParentOrder, at: Ts) {
        let parent = ParentOrder { order: self.named(i, parent.order, at), ..*parent };
        let order = parent.order;
        if self.is_idle_opening(&order) {
            return self.end_idle(&order);
        }
        if self.is_blind(&order) {
            return self.end_unsent(&order, CancelReason::Stale, "stale_data");
        }
        let instance = &self.instances[i];
        let tag = self.recorder.tag(&instance.identity, &order, self.exchange.top(order.symbol));
        if self.desk.wants(instance.identity.mode, &order) {
            let pending = self.ask_advisor(i, &order, at);
            self.desk.held.push(Held { pending, order, work: Some(parent), tag });
        } else {
            self.start_working(parent, tag, at);
        }
    }

    pub(crate) fn start_working(&mut self, parent: ParentOrder, tag: R::Tag, at: Ts) {
        let spec = &self.symbols[parent.order.symbol.index()];
        let started = self.parents.start(parent, tag, spec.lot, spec.tick, at, &mut self.instructions);
        match started {
            Ok(()) => self.record_wish(&parent.order, "taken"),
            Err(_) => self.end_unsent(&parent.order, CancelReason::Refused, "malformed_execution"),
        }
    }

    /// Ends the parents of instance `i` that `wanted` picks; each finishes once its child has ended.
    pub(crate) fn stop_working(&mut self, i: usize, wanted: impl Fn(&OrderRequest) -> bool, at: Ts) {
        let id = InstanceId(i as u16);
        self.parents.stop_where(|p| p.order.instance == id && wanted(&p.order), at, &mut self.instructions);
    }

    /// Ends one parent of instance `i`, or every parent of it for the number zero.
    pub(crate) fn stop_execution(&mut self, i: usize, parent: OrderId, at: Ts) {
        self.stop_working(i, |order| parent == OrderId(0) || order.id == parent, at);
    }

    /// Does what the desk asked for, in order, until it asks for nothing more.
    pub(crate) fn carry_out(&mut self, at: Ts) -> Result<(), CoreError> {
        while !self.instructions.is_empty() {
            let mut batch = std::mem::take(&mut self.instructions);
            for instruction in batch.drain(..) {
                match instruction {
                    Instruction::Send(child) => self.send_child(child.order, child.tag, at),
                    Instruction::CancelChildren(parent) => self.cancel_children(parent, at),
                    Instruction::Finished(worked) => {
                        let i = worked.parent.order.instance.index();
                        self.deliver(i, Event::Worked(&worked), at)?;
                    }
                }
            }
            if self.instructions.is_empty() {
                self.instructions = batch;
            }
            self.deliver_notices(at)?;
        }
        Ok(())
    }

    fn send_child(&mut self, order: OrderRequest, tag: R::Tag, at: Ts) {
        let order = self.named(order.instance.index(), order, at);
        if self.is_idle_opening(&order) {
            self.end_idle(&order);
        } else if self.is_blind(&order) {
            self.end_unsent(&order, CancelReason::Stale, "stale_data");
        } else if let Some(approved) = self.approve(order) {
            self.place(approved, tag);
        }
    }

    fn cancel_children(&mut self, parent: OrderId, at: Ts) {
        let Some(order) = self.parents.parents().find(|p| p.order.id == parent).map(|p| p.order) else { return };
        let notices = &mut self.notices;
        let ended = |order| notices.push_back(OrderUpdate { order, reason: CancelReason::Requested });
        let n = self.exchange.cancel_where(order.instance, order.symbol, |o| o.parent == parent, at, ended);
        self.gate.cancels_sent(order.instance, n, at);
    }
}

#[cfg(test)]
#[path = "working_tests.rs"]
mod tests;
