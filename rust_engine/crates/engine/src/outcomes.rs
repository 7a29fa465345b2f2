//! What a simulated exchange answered.

use crate::core::Core;
use crate::error::CoreError;
use crate::recorder::Recorder;
use model::{CancelReason, Fill, OrderRequest, OrderUpdate, Qty};
use sim::VenueOutcome;

impl<R: Recorder> Core<R> {
    /// Books what filled and tells what ended, in order.
    ///
    /// # Errors
    /// [`CoreError::Runaway`].
    pub(crate) fn apply_outcomes(&mut self, mut outcomes: Vec<VenueOutcome<R::Tag>>) -> Result<(), CoreError> {
        for outcome in outcomes.drain(..) {
            match outcome {
                VenueOutcome::Ended { order, reason, at } => {
                    self.market.now = self.market.now.max(at);
                    self.end(order, reason)?;
                }
                VenueOutcome::Fill {
                    order,
                    qty: told,
                    price,
                    liquidity,
                    arrival,
                    half_spread,
                    at,
                    remaining,
                    tag,
                    ..
                } => {
                    self.market.now = self.market.now.max(at);
                    let qty = self.fillable(&order, told);
                    if qty > Qty::ZERO {
                        let notional = price * qty;
                        let fees = &mut self.fees[self.exchange.account(order.instance)];
                        let fee = fees.fee(at, notional, liquidity);
                        fees.traded(at, notional);
                        let free = Fill::free(order, at, price, qty, liquidity);
                        let fill = Fill { fee, arrival_price: arrival, half_spread, ..free };
                        self.book_fill(&fill, tag)?;
                    }
                    // The exchange says no more of an order that filled whole, and its strategy was told of less.
                    if qty < told && remaining == Qty::ZERO {
                        self.end(order, CancelReason::NothingToReduce)?;
                    }
                }
            }
        }
        self.outcomes = outcomes;
        Ok(())
    }

    fn end(&mut self, order: OrderRequest, reason: CancelReason) -> Result<(), CoreError> {
        self.notices.push_back(OrderUpdate { order, reason });
        self.settle_all(self.market.now)
    }

    /// How much of a fill counts: a reduce-only order never opens or turns, so what is beyond the position is cancelled.
    fn fillable(&mut self, order: &OrderRequest, qty: Qty) -> Qty {
        if !order.reduce_only {
            return qty;
        }
        let position = self.instances[order.instance.index()].ledger.position(order.symbol.index());
        let reducible = Qty((-order.side.sign() * position.0).max(0));
        if qty > reducible {
            self.exchange.cancel(order.instance, order.id, self.market.now, |_| {});
        }
        qty.min(reducible)
    }
}

#[cfg(test)]
#[path = "outcomes_tests.rs"]
mod tests;
