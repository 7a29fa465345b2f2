//! What a whole book says about the orders that rest in it.

use super::Matcher;
use crate::ladder::{Execution, reaches};
use book::L2Book;
use model::{Depth, Level, QueueModel, Side};

impl Matcher {
    /// The book is another one: levels and queues start anew from it, and what it crosses of ours fills.
    pub(super) fn on_snapshot(&mut self, depth: &Depth, out: &mut Vec<Execution>) {
        self.book.clear();
        self.taken.clear();
        for level in &depth.levels {
            if self.book.set(*level).is_err() {
                self.refused_levels += 1;
            }
        }
        for side in [Side::Buy, Side::Sell] {
            self.shorten_queues(side, depth);
            let mut next = self.book.best(side);
            while let Some((price, qty)) = next {
                if !self.cross(Level { side, price, qty }, out) {
                    break;
                }
                next = self.book.worse(side, price);
            }
        }
    }

    /// After a snapshot a queue is no longer than its level. What left it unseen is taken to have stood behind us, and prices
    /// beyond the snapshot's last level say nothing.
    fn shorten_queues(&mut self, side: Side, snapshot: &Depth) {
        let prices = snapshot.levels.iter().filter(|l| l.side == side).map(|l| l.price);
        let last = match side {
            Side::Buy => prices.min(),
            Side::Sell => prices.max(),
        };
        let (book, ladder) = match side {
            Side::Buy => (&self.book, &mut self.bids),
            Side::Sell => (&self.book, &mut self.asks),
        };
        for rung in ladder.rungs_mut().filter(|r| last.is_some_and(|last| reaches(side, r.price, last))) {
            let shown = book.qty_at(side, rung.price);
            rung.place.on_level(shown, shown, QueueModel::RiskAverse);
        }
    }
}
