//! The parent orders that are being worked, and the tape they are worked on.
//!
//! Every call may push [`Instruction`]s; the caller carries them out in order and reports what became of each child by
//! [`Desk::on_fill`] and [`Desk::on_ended`]. A parent has one child on its way at most. A child that ended without filling
//! gives its quantity back; after [`MAX_FAILURES`] refusals in a row, or once an operator, the advisor or a halt ended one, the
//! parent ends. When time is over, the rest of a timed algorithm goes as one last child; what a limit then forbids stays
//! unfilled, and so does the rest of an iceberg and of a share of volume. [`model::Worked::filled`] says how far it came.

pub use crate::parent::{MAX_FAILURES, RETRY_AFTER_NS};

use crate::curve::VolumeCurve;
use crate::parent::Parent;
use crate::schedule::{Schedule, StartError};
use model::{
    Bar, Fill, MarketTrade, OrderId, OrderRequest, OrderUpdate, ParentOrder, Price, Qty, Quote, SymbolId, Ts, Worked,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A part of a parent order. Its `id` is the caller's to set; `parent` names the parent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Child<T> {
    /// What to send.
    pub order: OrderRequest,
    /// What the caller attached to the parent.
    pub tag: T,
}

/// What the desk wants done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Instruction<T> {
    /// Send this child through the risk gate.
    Send(Child<T>),
    /// Cancel every resting order whose `parent` is this one.
    CancelChildren(OrderId),
    /// This parent is over; nothing of it is on its way.
    Finished(Worked),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Tape {
    /// The last print, close or middle.
    last: Price,
    curve: VolumeCurve,
    /// Prints carry volume sooner and finer than candles: once one was seen, candles no longer count towards shares of volume.
    has_prints: bool,
}

/// All parent orders of an engine, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Desk<T> {
    parents: BTreeMap<OrderId, Parent<T>>,
    tapes: Vec<Tape>,
    own_in_prints: bool,
    now: Ts,
}

impl<T: Clone> Default for Desk<T> {
    fn default() -> Self {
        Self::new(false)
    }
}

impl<T: Clone> Desk<T> {
    /// An idle desk. `own_in_prints` says whether the public volume holds our own fills: it does on an exchange, it does not on
    /// a simulated venue.
    #[must_use]
    pub fn new(own_in_prints: bool) -> Self {
        Self { parents: BTreeMap::new(), tapes: Vec::new(), own_in_prints, now: Ts(i64::MIN) }
    }

    /// What is being worked.
    pub fn parents(&self) -> impl Iterator<Item = &ParentOrder> {
        self.parents.values().map(Parent::order)
    }

    fn tape(&mut self, symbol: SymbolId) -> &mut Tape {
        let i = symbol.index();
        if i >= self.tapes.len() {
            self.tapes.resize_with(i + 1, Tape::default);
        }
        &mut self.tapes[i]
    }

    /// Begins to work a parent whose `order.id` and `decided_at` are set; its first child may come at once.
    ///
    /// # Errors
    /// Numbers that no schedule can follow; then nothing is worked and nothing is asked.
    pub fn start(
        &mut self,
        parent: ParentOrder,
        tag: T,
        lot: Qty,
        tick: Price,
        now: Ts,
        out: &mut Vec<Instruction<T>>,
    ) -> Result<(), StartError> {
        let id = parent.order.id;
        if self.parents.contains_key(&id) {
            return Err(StartError::Repeated(id.0));
        }
        let shares = self.tape(parent.order.symbol).curve.shares();
        let schedule = Schedule::new(&parent, lot, tick, now, shares.as_ref())?;
        self.parents.insert(id, Parent::new(parent, tag, lot, schedule, now));
        self.now = self.now.max(now);
        self.advance_one(id, out);
        Ok(())
    }

    /// Learns from a closed candle and sends what is due.
    pub fn on_bar(&mut self, bar: &Bar, out: &mut Vec<Instruction<T>>) {
        let tape = self.tape(bar.symbol);
        tape.last = bar.close;
        tape.curve.learn(bar);
        if !tape.has_prints {
            self.observe_volume(bar.symbol, bar.opened_at, bar.volume);
        }
        self.on_time(bar.closed_at, out);
    }

    /// Learns from a public print and sends what is due.
    pub fn on_trade(&mut self, trade: &MarketTrade, out: &mut Vec<Instruction<T>>) {
        let tape = self.tape(trade.symbol);
        tape.last = trade.price;
        tape.has_prints = true;
        self.observe_volume(trade.symbol, trade.at, trade.qty);
        self.on_time(trade.at, out);
    }

    /// Learns from the best prices and sends what is due.
    pub fn on_quote(&mut self, quote: &Quote, out: &mut Vec<Instruction<T>>) {
        if quote.is_sound() {
            self.tape(quote.symbol).last = quote.mid();
        }
        self.on_time(quote.at, out);
    }

    /// Sends what is due by now.
    pub fn on_time(&mut self, now: Ts, out: &mut Vec<Instruction<T>>) {
        self.now = self.now.max(now);
        if self.parents.is_empty() {
            return;
        }
        let ids: Vec<OrderId> = self.parents.keys().copied().collect();
        ids.into_iter().for_each(|id| self.advance_one(id, out));
    }

    /// Takes a fill of a child; fills of other orders are ignored.
    pub fn on_fill(&mut self, fill: &Fill, out: &mut Vec<Instruction<T>>) {
        self.now = self.now.max(fill.at);
        if let Some(parent) = self.parents.get_mut(&fill.order.parent) {
            parent.on_fill(fill);
            self.advance_one(fill.order.parent, out);
        }
    }

    /// Takes the end of a child that did not fill whole; ends of other orders are ignored.
    pub fn on_ended(&mut self, update: &OrderUpdate, now: Ts, out: &mut Vec<Instruction<T>>) {
        self.now = self.now.max(now);
        if let Some(parent) = self.parents.get_mut(&update.order.parent) {
            parent.on_ended(update, self.now);
            self.advance_one(update.order.parent, out);
        }
    }

    /// Ends a parent: its child is cancelled, and it finishes once that has ended. Unknown ids are ignored.
    pub fn stop(&mut self, id: OrderId, now: Ts, out: &mut Vec<Instruction<T>>) {
        self.now = self.now.max(now);
        if let Some(parent) = self.parents.get_mut(&id) {
            parent.stop();
            self.advance_one(id, out);
        }
    }

    /// Ends every parent that is meant: all of an instance, of a symbol, or all when trading halts.
    pub fn stop_where(&mut self, wanted: impl Fn(&ParentOrder) -> bool, now: Ts, out: &mut Vec<Instruction<T>>) {
        let ids: Vec<OrderId> = self.parents.iter().filter(|(_, p)| wanted(p.order())).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.stop(id, now, out));
    }

    /// When [`Desk::on_time`] should be called next; `None` while only events can move it.
    #[must_use]
    pub fn next_due(&self) -> Option<Ts> {
        self.parents.values().filter_map(|p| p.next_due(self.now)).min()
    }

    fn observe_volume(&mut self, symbol: SymbolId, since: Ts, qty: Qty) {
        for parent in self.parents.values_mut().filter(|p| p.order().order.symbol == symbol) {
            parent.observe_volume(since, qty);
        }
    }

    fn advance_one(&mut self, id: OrderId, out: &mut Vec<Instruction<T>>) {
        let Some(parent) = self.parents.get_mut(&id) else { return };
        let symbol = parent.order().order.symbol.index();
        let last = self.tapes.get(symbol).map_or(Price::ZERO, |t| t.last);
        if parent.advance(self.now, self.own_in_prints, out) {
            let end = if last > Price::ZERO { last } else { parent.order().order.decision_price };
            out.push(Instruction::Finished(parent.worked(self.now, end)));
            self.parents.remove(&id);
        }
    }
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
