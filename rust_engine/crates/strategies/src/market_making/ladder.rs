//! The quotes that stand, and the fewest orders and cancels that make them the wanted ones. A quote that is still right is
//! left alone: its place in the queue is worth money.

use model::{Action, Actions, CancelReason, OrderRequest, Price, Purpose, Qty, Resting, Side, SymbolId};
use serde::{Deserialize, Serialize};

/// One quote at the venue, or on its way there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    side: Side,
    price: Price,
    left: Qty,
    /// Its cancel was asked for and is not yet confirmed, so it may still fill.
    leaving: bool,
}

/// Best bid and ask as wanted, before they are rounded to ticks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Aim {
    pub(crate) bid: f64,
    pub(crate) ask: f64,
}

/// The quotes of one symbol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ladder {
    standing: Vec<Standing>,
    aim: Option<Aim>,
}

impl Ladder {
    /// Whether the quotes must be looked at for this aim: it moved by a tick or more since they last were, or something happened
    /// to one of them. If so, they are looked at.
    pub(crate) fn takes_aim(&mut self, aim: Aim, tick: Price) -> bool {
        let tick = tick.0 as f64;
        let is_due = self.aim.is_none_or(|old| (old.bid - aim.bid).abs() >= tick || (old.ask - aim.ask).abs() >= tick);
        if is_due {
            self.aim = Some(aim);
        }
        is_due
    }

    /// Asks for what turns the standing quotes into `wanted`, cancels first. No two wanted quotes share side and price. A quote
    /// on its way out may still fill, so it takes `room` (of bids, of asks) until its end is confirmed.
    pub(crate) fn change_to(
        &mut self,
        symbol: SymbolId,
        wanted: &[OrderRequest],
        (room_to_buy, room_to_sell): (Qty, Qty),
        actions: &mut Actions,
    ) {
        let place = |o: &OrderRequest| (o.side, o.named_price());
        for quote in self.standing.iter_mut().filter(|s| !s.leaving) {
            if !wanted.iter().any(|o| place(o) == (quote.side, Some(quote.price))) {
                quote.leaving = true;
                let (side, price) = (quote.side, quote.price);
                actions.push(Action::CancelAt(Resting { symbol, side, purpose: Purpose::Quote, price }));
            }
        }
        for order in wanted {
            let Some(price) = order.named_price() else { continue };
            let room = if order.side == Side::Buy { room_to_buy } else { room_to_sell };
            let is_standing = self.standing.iter().any(|s| (s.side, s.price) == (order.side, price));
            if !is_standing && self.committed(order.side) + order.qty <= room {
                self.standing.push(Standing { side: order.side, price, left: order.qty, leaving: false });
                actions.push(Action::Submit(*order));
            }
        }
    }

    fn committed(&self, side: Side) -> Qty {
        Qty(self.standing.iter().filter(|s| s.side == side).map(|s| s.left.0).sum())
    }

    /// Asks for every quote to end.
    pub(crate) fn clear(&mut self, symbol: SymbolId, actions: &mut Actions) {
        if self.standing.iter().any(|s| !s.leaving) {
            actions.push(Action::CancelAll(symbol));
        }
        self.abandon();
    }

    /// Takes every quote for cancelled.
    pub(crate) fn abandon(&mut self) {
        self.aim = None;
        self.standing.iter_mut().for_each(|s| s.leaving = true);
    }

    /// Looks at the quotes again at the next price, whatever it is.
    pub(crate) fn reconsider(&mut self) {
        self.aim = None;
    }

    pub(crate) fn on_fill(&mut self, order: &OrderRequest, qty: Qty) {
        self.aim = None;
        if let Some(i) = self.find(order) {
            self.standing[i].left -= qty;
            if self.standing[i].left <= Qty::ZERO {
                self.standing.remove(i);
            }
        }
    }

    pub(crate) fn on_ended(&mut self, order: &OrderRequest, reason: CancelReason) {
        if let Some(i) = self.find(order) {
            let ended = self.standing.remove(i);
            // What the venue or a limit refused would be refused again: it waits for the price to move.
            if ended.leaving || reason == CancelReason::Requested {
                self.aim = None;
            }
        }
    }

    // Of two quotes at one price the one that leaves is the older, which fills and ends first.
    fn find(&self, order: &OrderRequest) -> Option<usize> {
        let is_it = |s: &Standing| (s.side, Some(s.price)) == (order.side, order.named_price());
        self.standing.iter().position(|s| s.leaving && is_it(s)).or_else(|| self.standing.iter().position(is_it))
    }
}
