//! Long a fixed quantity while the fast average of closes is above the slow one, flat otherwise.
//!
//! Sums are integers, so the comparison is exact: the same trades as any correct implementation, on any machine.

use crate::history::Ring;
use crate::sizing::whole_lots;
use crate::state::kept_whole;
use crate::strategy::{Market, Strategy};
use model::params::SmaCrossParams;
use model::{Action, Actions, Bar, Event, OrderRequest, Price, Purpose, Qty, Side, StrategyParams, SymbolId};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct SymbolState {
    lot: Qty,
    size: Qty,
    closes: Ring<Price>,
    fast_sum: i128,
    slow_sum: i128,
    position: Qty,
    order_open: bool,
}

impl SymbolState {
    #[inline(always)]
    fn observe(&mut self, close: Price, fast: usize, slow: usize) {
        // Closes are above zero, so their difference fits, and a sum of them is at most 2^73.
        let change = |n: usize| close.0 - self.closes.back(n - 1).map_or(0, |leaving| leaving.0);
        self.fast_sum = self.fast_sum.wrapping_add(i128::from(change(fast)));
        self.slow_sum = self.slow_sum.wrapping_add(i128::from(change(slow)));
        self.closes.push(close);
    }

    fn rebuild(&mut self, fast: usize, slow: usize) {
        let sum = |n: usize| (0..n).filter_map(|b| self.closes.back(b)).map(|p| i128::from(p.0)).sum();
        (self.fast_sum, self.slow_sum) = (sum(fast), sum(slow));
    }

    /// Whether the fast average is above the slow one; `None` until the slow window is full.
    fn is_above(&self, fast: usize, slow: usize) -> Option<bool> {
        // At most 2^73 times 2^10: it cannot wrap, and says so to the compiler.
        let scaled = |sum: i128, n: usize| sum.wrapping_mul(n as i128);
        (self.closes.len() >= slow).then(|| scaled(self.fast_sum, slow) > scaled(self.slow_sum, fast))
    }
}

/// The strategy.
#[derive(Debug, Serialize, Deserialize)]
pub struct SmaCross {
    fast: usize,
    slow: usize,
    symbols: Vec<Option<SymbolState>>,
}

impl SmaCross {
    /// Flat, without history.
    #[must_use]
    pub fn new(params: SmaCrossParams, market: &Market) -> Self {
        let symbols = market.per_symbol(|spec| SymbolState {
            lot: spec.lot,
            size: whole_lots(params.size, spec.lot),
            closes: Ring::new(),
            fast_sum: 0,
            slow_sum: 0,
            position: Qty::ZERO,
            order_open: false,
        });
        Self { fast: params.fast as usize, slow: params.slow as usize, symbols }
    }

    fn state(&mut self, symbol: SymbolId) -> Option<&mut SymbolState> {
        self.symbols.get_mut(symbol.index()).and_then(Option::as_mut)
    }

    fn decide(&mut self, bar: &Bar, actions: &mut Actions) {
        let (fast, slow) = (self.fast, self.slow);
        let Some(state) = self.state(bar.symbol) else { return };
        state.observe(bar.close, fast, slow);
        let Some(above) = state.is_above(fast, slow) else { return };
        let held = state.position > Qty::ZERO;
        if state.order_open || above == held {
            return;
        }
        let qty = if above { state.size } else { state.position };
        if qty == Qty::ZERO {
            return;
        }
        state.order_open = true;
        actions.push(Action::Submit(market_order(bar, qty, above)));
    }
}

fn market_order(bar: &Bar, qty: Qty, opens: bool) -> OrderRequest {
    let side = if opens { Side::Buy } else { Side::Sell };
    OrderRequest {
        reduce_only: !opens,
        purpose: if opens { Purpose::Entry } else { Purpose::Exit },
        strength: 0.5,
        ..OrderRequest::market(bar.symbol, side, qty, bar.close)
    }
}

impl Strategy for SmaCross {
    kept_whole!();

    fn observe(&mut self, bar: &Bar) {
        let (fast, slow) = (self.fast, self.slow);
        if let Some(state) = self.state(bar.symbol) {
            state.observe(bar.close, fast, slow);
        }
    }

    // Into the loop of `on_bars`, where the event is known to be a bar.
    #[inline(always)]
    fn on_event(&mut self, event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Bar(bar) => self.decide(bar, actions),
            Event::Fill(fill) => {
                if let Some(state) = self.state(fill.order.symbol) {
                    state.position.0 += fill.order.side.sign() * fill.qty.0;
                    state.order_open = false;
                }
            }
            Event::OrderUpdate(update) => {
                if let Some(state) = self.state(update.order.symbol) {
                    state.order_open = false;
                }
            }
            _ => {}
        }
    }

    fn set_params(&mut self, params: &StrategyParams) {
        let StrategyParams::SmaCross(p) = params else { return };
        (self.fast, self.slow) = (p.fast as usize, p.slow as usize);
        for state in self.symbols.iter_mut().flatten() {
            state.size = whole_lots(p.size, state.lot);
            state.rebuild(self.fast, self.slow);
        }
    }
}

#[cfg(test)]
#[path = "sma_cross_tests.rs"]
mod tests;
