//! A round under way: what each leg was sent for, what it filled, and what must be taken back.

use model::{Fill, OrderRequest, Price, Purpose, Qty, Side, SymbolId};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Leg {
    pub(super) symbol: SymbolId,
    side: Side,
    lot: Qty,
    qty: Qty,
    filled: Qty,
    /// What of that an exchange kept as its fee: it is not there to be taken back.
    kept_as_fee: Qty,
    is_open: bool,
    /// What must be taken back in all.
    excess: Qty,
    unwound: Qty,
    is_unwinding: bool,
}

impl Leg {
    pub(super) fn new(symbol: SymbolId, side: Side, lot: Qty, qty: Qty) -> Self {
        Self {
            symbol,
            side,
            lot,
            qty,
            filled: Qty::ZERO,
            kept_as_fee: Qty::ZERO,
            is_open: true,
            excess: Qty::ZERO,
            unwound: Qty::ZERO,
            is_unwinding: false,
        }
    }

    /// What is still to be taken back.
    fn rest(&self) -> Qty {
        (self.excess - self.unwound).max(Qty::ZERO)
    }

    /// The order that takes the rest back; reduce-only where it cannot open anything.
    fn unwind(&mut self, position: Qty, decision_price: Price) -> OrderRequest {
        self.is_unwinding = true;
        let rest = self.rest();
        let reduces = position.0.signum() == self.side.sign() && position.abs() >= rest;
        OrderRequest {
            reduce_only: reduces,
            purpose: Purpose::Unwind,
            strength: 1.0,
            ..OrderRequest::market(self.symbol, self.side.opposite(), rest, decision_price)
        }
    }
}

/// Two or three legs, each of another symbol.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Round {
    legs: Vec<Leg>,
}

impl Round {
    pub(super) fn new(legs: Vec<Leg>) -> Self {
        Self { legs }
    }

    fn leg(&mut self, order: &OrderRequest) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.symbol == order.symbol)
    }

    /// Takes a fill of one of the round's orders; says whether the legs' answers are now complete.
    pub(super) fn on_fill(&mut self, fill: &Fill) -> bool {
        let Some(leg) = self.leg(&fill.order) else { return false };
        if fill.order.purpose == Purpose::Unwind {
            leg.unwound += fill.qty;
            leg.is_unwinding &= leg.rest() > Qty::ZERO;
            return false;
        }
        leg.filled += fill.qty;
        leg.kept_as_fee += fill.base_fee;
        leg.is_open = leg.filled < leg.qty;
        self.settle()
    }

    /// Takes the end of one of the round's orders; says whether the legs' answers are now complete.
    pub(super) fn on_end(&mut self, order: &OrderRequest) -> bool {
        let Some(leg) = self.leg(order) else { return false };
        if order.purpose == Purpose::Unwind {
            leg.is_unwinding = false;
            return false;
        }
        leg.is_open = false;
        self.settle()
    }

    /// Once nothing is open, every leg keeps the share that the worst of them filled; the rest is excess.
    fn settle(&mut self) -> bool {
        if self.legs.iter().any(|leg| leg.is_open) {
            return false;
        }
        let share = |leg: &Leg| leg.filled.0 as f64 / leg.qty.0 as f64;
        let worst = self.legs.iter().min_by(|a, b| share(a).total_cmp(&share(b))).map(|leg| (leg.filled, leg.qty));
        let Some((filled, qty)) = worst else { return true };
        for leg in &mut self.legs {
            let exact = i128::from(leg.qty.0) * i128::from(filled.0) / i128::from(qty.0);
            // Not more than the leg filled, so it fits.
            let kept = Qty(exact.min(i128::from(leg.filled.0)) as i64);
            let excess = leg.filled - kept;
            let most = leg.filled - leg.kept_as_fee;
            leg.excess = if excess > Qty::ZERO { excess.round_up(leg.lot).min(most) } else { excess };
        }
        true
    }

    /// Whether every leg filled whole.
    pub(super) fn is_whole(&self) -> bool {
        self.legs.iter().all(|leg| leg.filled == leg.qty)
    }

    /// Whether nothing is open and nothing is left to take back.
    pub(super) fn is_done(&self) -> bool {
        self.legs.iter().all(|leg| !leg.is_open && leg.rest() == Qty::ZERO)
    }

    /// The orders that take back what is left, except those already under way. `state` gives position and last price.
    pub(super) fn unwinds(
        &mut self,
        mut state: impl FnMut(SymbolId) -> (Qty, Price),
        mut send: impl FnMut(OrderRequest),
    ) {
        if self.legs.iter().any(|leg| leg.is_open) {
            return;
        }
        for leg in self.legs.iter_mut().filter(|leg| leg.rest() > Qty::ZERO && !leg.is_unwinding) {
            let (position, price) = state(leg.symbol);
            send(leg.unwind(position, price));
        }
    }
}
