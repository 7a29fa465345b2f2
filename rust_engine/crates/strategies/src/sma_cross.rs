//! Long a fixed quantity while the fast average of closes is above the slow one, flat otherwise. The quantity is that of the
//! whole capital: a part of the capital buys that part of it.
//!
//! The averages are compared through integers, so the comparison is exact: the same trades as any correct implementation, on any machine.

use crate::history::Ring;
use crate::sizing::whole_lots;
use crate::state::kept_whole;
use crate::strategy::{Market, Strategy};
use model::params::SmaCrossParams;
use model::{Action, Actions, Bar, Event, Money, OrderRequest, Price, Purpose, Qty, Side, StrategyParams, SymbolId};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct SymbolState {
    lot: Qty,
    size: Qty,
    closes: Ring<Price>,
    /// The slow window times the sum of the fast one, less the fast window times the sum of the slow one: above zero
    /// exactly where the fast average is above the slow one.
    lead: i128,
    position: Qty,
    order_open: bool,
}

impl SymbolState {
    #[inline(always)]
    fn observe(&mut self, close: Price, fast: usize, slow: usize) {
        // Closes are above zero, so their difference fits; times a window it is below 2^74, and so is every lead.
        let change = |n: usize| close.0.wrapping_sub(self.closes.back(n - 1).map_or(0, |leaving| leaving.0));
        let weighed = |change: i64, window: usize| i128::from(change).wrapping_mul(i128::from(window as i64));
        let gained = weighed(change(fast), slow).wrapping_sub(weighed(change(slow), fast));
        self.lead = self.lead.wrapping_add(gained);
        self.closes.push(close);
    }

    fn rebuild(&mut self, fast: usize, slow: usize) {
        let sum = |n: usize| (0..n).filter_map(|b| self.closes.back(b)).map(|p| i128::from(p.0)).sum::<i128>();
        self.lead = sum(fast) * slow as i128 - sum(slow) * fast as i128;
    }

    /// Whether the fast average is above the slow one; `None` until the slow window is full.
    fn is_above(&self, slow: usize) -> Option<bool> {
        (self.closes.len() >= slow).then_some(self.lead > 0)
    }

    /// Takes a close and gives the order that it asks for.
    #[inline(always)]
    fn decide(&mut self, bar: &Bar, fast: usize, slow: usize) -> Option<OrderRequest> {
        self.observe(bar.close, fast, slow);
        let above = self.is_above(slow)?;
        if self.order_open || above == (self.position > Qty::ZERO) { None } else { self.turn(bar, above) }
    }

    fn turn(&mut self, bar: &Bar, above: bool) -> Option<OrderRequest> {
        let qty = if above { self.size } else { self.position };
        self.order_open = qty > Qty::ZERO;
        self.order_open.then(|| market_order(bar, qty, above))
    }
}

/// The strategy.
#[derive(Debug, Serialize, Deserialize)]
pub struct SmaCross {
    fast: usize,
    slow: usize,
    /// Quantity on the whole capital, in base units.
    quantity: f64,
    whole: Money,
    capital: Money,
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
            lead: 0,
            position: Qty::ZERO,
            order_open: false,
        });
        let (fast, slow) = (params.fast as usize, params.slow as usize);
        Self { fast, slow, quantity: params.size, whole: market.capital, capital: market.capital, symbols }
    }

    fn resize(&mut self) {
        let share = if self.capital == self.whole { 1.0 } else { self.capital.to_f64() / self.whole.to_f64() };
        for state in self.symbols.iter_mut().flatten() {
            state.size = whole_lots(self.quantity * share, state.lot);
        }
    }

    fn state(&mut self, symbol: SymbolId) -> Option<&mut SymbolState> {
        self.symbols.get_mut(symbol.index()).and_then(Option::as_mut)
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

    // The symbol is looked up once.
    fn on_bars(&mut self, bars: &[Bar], actions: &mut Actions) -> usize {
        let (fast, slow) = (self.fast, self.slow);
        let Some(state) = bars.first().and_then(|first| self.state(first.symbol)) else { return bars.len() };
        for (n, bar) in bars.iter().enumerate() {
            if let Some(order) = state.decide(bar, fast, slow) {
                actions.push(Action::Submit(order));
                return n + 1;
            }
        }
        bars.len()
    }

    fn on_event(&mut self, event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Bar(bar) => {
                self.on_bars(std::slice::from_ref(bar), actions);
            }
            Event::Fill(fill) => {
                if let Some(state) = self.state(fill.order.symbol) {
                    state.position += fill.change();
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
        (self.fast, self.slow, self.quantity) = (p.fast as usize, p.slow as usize, p.size);
        self.resize();
        for state in self.symbols.iter_mut().flatten() {
            state.rebuild(self.fast, self.slow);
        }
    }

    fn set_capital(&mut self, capital: Money) {
        self.capital = capital;
        self.resize();
    }
}

#[cfg(test)]
#[path = "sma_cross_tests.rs"]
mod tests;
