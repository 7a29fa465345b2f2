//! Where a trade's stop stands, and what becomes of the position when that stop ends without a fill.

use super::SymbolState;
use crate::driver::Moment;
use crate::protection::Remedy;
use model::{Action, Actions, CancelReason, OrderKind, OrderRequest, OrderUpdate, Price, Purpose, Qty, Side, SymbolId};

/// `stop_bps` from the price against the position, rounded away from it, at least one tick.
pub(super) fn stop_price(price: Price, side: Side, stop_bps: f64, tick: Price) -> Price {
    let exact = Price((price.0 as f64 * (1.0 - side.sign() as f64 * stop_bps * 1e-4)) as i64);
    let rounded = match side {
        Side::Buy => exact.round_down(tick),
        Side::Sell => exact.round_up(tick),
    };
    rounded.max(tick)
}

/// The stop of `qty` of a trade on `side`.
pub(super) fn stop_order(symbol: SymbolId, side: Side, trigger: Price, qty: Qty, price: Price) -> OrderRequest {
    let order = OrderRequest::market(symbol, side.opposite(), qty, price);
    let kind = OrderKind::Stop { trigger };
    OrderRequest { kind, purpose: Purpose::StopLoss, reduce_only: true, ..order }
}

impl SymbolState {
    /// What an operator or new parameters cancelled is put up at once; what was refused, at the next price.
    pub(super) fn stop_ended(&mut self, update: &OrderUpdate, actions: &mut Actions) {
        let swept = matches!(update.reason, CancelReason::Requested | CancelReason::Halted);
        let qty = update.order.qty.min(self.position.abs());
        let is_same = self.trade.as_ref().is_some_and(|t| t.side == update.order.side.opposite());
        if !is_same || qty == Qty::ZERO {
            return;
        }
        if swept {
            actions.push(Action::Submit(OrderRequest { qty, ..update.order }));
        } else {
            self.protection.lost(&update.order, self.position);
        }
    }

    /// Gives the position its stop back, or leaves where the price has passed it.
    pub(super) fn protect(&mut self, now: Moment, is_single: bool, actions: &mut Actions) {
        // An exit under way takes the whole position, and on some accounts first what its stops lock.
        let Some(trade) = self.trade.as_ref().filter(|t| t.exit_left == Qty::ZERO) else { return };
        match self.protection.remedy(self.position, now) {
            Some(Remedy::Stop { trigger, qty }) => {
                actions.push(Action::Submit(stop_order(now.symbol, trade.side, trigger, qty, now.price)));
            }
            Some(Remedy::Exit) => self.leave(now.symbol, is_single, actions),
            None => {}
        }
    }
}
