//! Best prices: only newer ones pass.

use crate::public::source::Best;
use model::{Price, Qty, Ts};

/// So many older numbers in a row mean that the newest one was wrong, or that the exchange began anew.
const OLD_IN_A_ROW: u32 = 16;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BestStep {
    /// Pass it on.
    Emit {
        /// What.
        best: Best,
        /// Whether it shows anything but what was seen.
        is_change: bool,
    },
    /// Seen before, or older than what was seen.
    Duplicate,
    /// It changes something unknown, or leaves a crossed market; dropped.
    Strange,
}

/// Best prices of one symbol.
#[derive(Clone, Debug, Default)]
pub struct BestSync {
    last: Option<Best>,
    n_old: u32,
}

impl BestSync {
    /// Takes both sides.
    pub fn on_best(&mut self, best: Best) -> BestStep {
        if let Some(last) = &self.last {
            let restarted = best.update_id == 1;
            if best.update_id == last.update_id {
                return BestStep::Duplicate;
            }
            if best.update_id < last.update_id && !restarted {
                self.n_old += 1;
                if self.n_old < OLD_IN_A_ROW {
                    return BestStep::Duplicate;
                }
            }
        }
        let is_change = self.last.is_none_or(|last| !last.shows_the_same(&best));
        self.n_old = 0;
        self.last = Some(best);
        BestStep::Emit { best, is_change }
    }

    /// Takes the sides that changed.
    pub fn on_delta(
        &mut self,
        update_id: u64,
        bid: Option<(Price, Qty)>,
        ask: Option<(Price, Qty)>,
        exch_at: Option<Ts>,
    ) -> BestStep {
        let Some(last) = self.last else { return BestStep::Strange };
        let (bid, bid_qty) = bid.unwrap_or((last.bid, last.bid_qty));
        let (ask, ask_qty) = ask.unwrap_or((last.ask, last.ask_qty));
        if bid_qty.0 > 0 && ask_qty.0 > 0 && bid >= ask {
            return BestStep::Strange;
        }
        self.on_best(Best { update_id, bid, bid_qty, ask, ask_qty, exch_at })
    }
}
