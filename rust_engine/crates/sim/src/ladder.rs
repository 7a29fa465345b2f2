//! Our own orders at rest on one side of one symbol, best price first and oldest first at a price.

use crate::queue::Place;
use model::{Level, Price, Qty, QueueModel, Side, SweptFill};
use serde::{Deserialize, Serialize};

/// One order at rest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Rung {
    pub(crate) slot: u32,
    pub(crate) price: Price,
    pub(crate) left: Qty,
    pub(crate) place: Place,
}

/// A part of an order that traded at the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Execution {
    pub(crate) slot: u32,
    pub(crate) qty: Qty,
    pub(crate) price: Price,
    pub(crate) is_maker: bool,
}

/// The orders of one side.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ladder {
    side: Side,
    rungs: Vec<Rung>,
}

impl Ladder {
    pub(crate) const fn new(side: Side) -> Self {
        Self { side, rungs: Vec::new() }
    }

    pub(crate) fn rungs_mut(&mut self) -> impl Iterator<Item = &mut Rung> {
        self.rungs.iter_mut()
    }

    /// The best price at which one of ours rests.
    #[inline]
    pub(crate) fn best(&self) -> Option<Price> {
        self.rungs.first().map(|rung| rung.price)
    }

    pub(crate) fn join(&mut self, rung: Rung) {
        let behind = self.rungs.partition_point(|r| reaches(self.side, r.price, rung.price));
        self.rungs.insert(behind, rung);
    }

    /// Takes an order off; gives back what was left of it.
    pub(crate) fn leave(&mut self, slot: u32) -> Option<Qty> {
        let at = self.rungs.iter().position(|r| r.slot == slot)?;
        Some(self.rungs.remove(at).left)
    }

    /// What rests at one price of this side changed.
    #[inline]
    pub(crate) fn on_level(&mut self, price: Price, before: Qty, after: Qty, model: QueueModel) {
        for rung in self.rungs.iter_mut().filter(|r| r.price == price) {
            rung.place.on_level(before, after, model);
        }
    }

    /// A level of the other side stands at or beyond prices of ours: they fill at their own, best first. Gives back how much
    /// of `level` they took.
    pub(crate) fn on_crossed(&mut self, level: Level, swept: SweptFill, out: &mut Vec<Execution>) -> Qty {
        let mut offered = level.qty;
        let mut n_reached = 0;
        for rung in &mut self.rungs {
            if !reaches(self.side, rung.price, level.price) {
                break;
            }
            n_reached += 1;
            rung.place.reached();
            let qty = if swept == SweptFill::Whole { rung.left } else { rung.left.min(offered) };
            offered = Qty((offered - qty).0.max(0));
            fill(rung, qty, out);
        }
        self.drop_filled(n_reached);
        level.qty - offered
    }

    /// The market printed `qty` at `price` against this side: better prices of ours fill first, then, behind the queue, those
    /// at it.
    pub(crate) fn on_print(&mut self, price: Price, qty: Qty, rules: PrintRules, out: &mut Vec<Execution>) {
        let mut offered = qty;
        let mut is_blocked = false;
        let mut n_reached = 0;
        for rung in &mut self.rungs {
            if !reaches(self.side, rung.price, price) {
                break;
            }
            n_reached += 1;
            let filled = if rung.price != price {
                rung.place.reached();
                if rules.swept == SweptFill::Whole {
                    fill(rung, rung.left, out);
                    continue;
                }
                rung.left.min(offered)
            } else {
                rung.place.on_print(qty, rules.queue);
                let over = rung.place.take_left_over(rules.lot);
                if is_blocked { Qty::ZERO } else { over.min(rung.left).min(offered) }
            };
            offered -= filled;
            is_blocked = filled < rung.left;
            fill(rung, filled, out);
        }
        self.drop_filled(n_reached);
    }

    fn drop_filled(&mut self, n_reached: usize) {
        if self.rungs[..n_reached].iter().any(|r| r.left == Qty::ZERO) {
            self.rungs.retain(|r| r.left > Qty::ZERO);
        }
    }
}

/// How a print fills.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PrintRules {
    pub(crate) queue: QueueModel,
    pub(crate) swept: SweptFill,
    pub(crate) lot: Qty,
}

fn fill(rung: &mut Rung, qty: Qty, out: &mut Vec<Execution>) {
    if qty > Qty::ZERO {
        rung.left -= qty;
        out.push(Execution { slot: rung.slot, qty, price: rung.price, is_maker: true });
    }
}

/// Whether an order of `side` with limit `limit` accepts `price`.
#[inline]
pub(crate) fn reaches(side: Side, limit: Price, price: Price) -> bool {
    match side {
        Side::Buy => limit >= price,
        Side::Sell => limit <= price,
    }
}

/// Whether a stop of `side` wakes at `price`.
pub(crate) const fn is_triggered(side: Side, trigger: Price, price: Price) -> bool {
    match side {
        Side::Buy => price.0 >= trigger.0,
        Side::Sell => price.0 <= trigger.0,
    }
}
