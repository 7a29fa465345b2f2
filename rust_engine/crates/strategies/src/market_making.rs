//! Quotes both sides around the last close, leans against its inventory and never quotes past its cap.
//!
//! Layer `k` of `order_layers` stands `spread/2 + k * spread` from the centre; the centre is the close, shifted against the
//! inventory by `inventory_skew` half spreads at full inventory. Quotes are replaced at every close.

use crate::sizing::Budget;
use crate::strategy::{Market, Strategy};
use model::params::MarketMakingParams;
use model::{
    Action, Actions, Bar, Event, InstanceId, Money, OrderId, OrderKind, OrderRequest, Price, Purpose, Qty, Side,
    StrategyParams, SymbolSpec, Ts,
};

#[derive(Debug)]
struct SymbolState {
    tick: Price,
    lot: Qty,
    quote: Budget,
    cap: Budget,
    position: Qty,
}

impl SymbolState {
    fn new(spec: &SymbolSpec, params: &MarketMakingParams, capital: Money) -> Self {
        Self {
            tick: spec.tick,
            lot: spec.lot,
            quote: Budget::new(capital, params.order_size, spec.lot),
            cap: Budget::new(capital, params.inventory_cap, spec.lot),
            position: Qty::ZERO,
        }
    }
}

/// The strategy.
#[derive(Debug)]
pub struct MarketMaking {
    params: MarketMakingParams,
    capital: Money,
    symbols: Vec<Option<SymbolState>>,
}

impl MarketMaking {
    /// Flat, without quotes.
    #[must_use]
    pub fn new(params: MarketMakingParams, market: &Market) -> Self {
        let symbols = market.per_symbol(|spec| SymbolState::new(spec, &params, market.capital));
        Self { params, capital: market.capital, symbols }
    }

    fn requote(&self, bar: &Bar, actions: &mut Actions) {
        let Some(Some(state)) = self.symbols.get(bar.symbol.index()) else { return };
        actions.push(Action::CancelAll(bar.symbol));
        let (qty, cap) = (state.quote.qty_at(bar.close), state.cap.qty_at(bar.close));
        if qty == Qty::ZERO || cap == Qty::ZERO {
            return;
        }
        let close = bar.close.0 as f64;
        let spread = close * self.params.spread_threshold * 1e-4;
        let inventory = (state.position.0 as f64 / cap.0 as f64).clamp(-1.0, 1.0);
        let centre = close - self.params.inventory_skew * inventory * spread / 2.0;
        let layers = self.params.order_layers as i64;
        for (side, room) in [(Side::Buy, cap - state.position), (Side::Sell, cap + state.position)] {
            let mut room = room;
            for layer in 0..layers {
                if room < qty {
                    break;
                }
                let away = spread * (layer as f64 + 0.5) * side.sign() as f64;
                let exact = Price((centre - away) as i64);
                let price = match side {
                    Side::Buy => exact.round_down(state.tick),
                    Side::Sell => exact.round_up(state.tick),
                };
                if price > Price::ZERO {
                    actions.push(Action::Submit(quote(bar, side, price, qty)));
                    room -= qty;
                }
            }
        }
    }
}

fn quote(bar: &Bar, side: Side, price: Price, qty: Qty) -> OrderRequest {
    OrderRequest {
        id: OrderId(0),
        instance: InstanceId(0),
        symbol: bar.symbol,
        side,
        kind: OrderKind::Limit { price },
        qty,
        reduce_only: false,
        purpose: Purpose::Quote,
        strength: 0.0,
        decision_price: bar.close,
        decided_at: Ts(0),
    }
}

impl Strategy for MarketMaking {
    fn observe(&mut self, _: &Bar) {}

    fn on_event(&mut self, event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Bar(bar) => self.requote(bar, actions),
            Event::Fill(fill) => {
                if let Some(Some(state)) = self.symbols.get_mut(fill.order.symbol.index()) {
                    state.position.0 += fill.order.side.sign() * fill.qty.0;
                }
            }
            Event::OrderUpdate(_) => {}
        }
    }

    fn set_params(&mut self, params: &StrategyParams) {
        let StrategyParams::MarketMaking(p) = params else { return };
        self.params = p.clone();
        for state in self.symbols.iter_mut().flatten() {
            state.quote = Budget::new(self.capital, p.order_size, state.lot);
            state.cap = Budget::new(self.capital, p.inventory_cap, state.lot);
        }
    }
}

#[cfg(test)]
#[path = "market_making_tests.rs"]
mod tests;
