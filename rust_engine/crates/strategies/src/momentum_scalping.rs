//! Follows a burst: a move over `lookback` bars beyond `entry_threshold` average true ranges. The position leaves at a stop or
//! a target, both in ATRs of the entry decision, or on a burst the other way.

use crate::history::{Candle, Ring};
use crate::sizing::Budget;
use crate::strategy::{Market, Strategy};
use indicators::Atr;
use model::params::MomentumScalpingParams;
use model::{
    Action, Actions, Bar, CancelReason, Event, Fill, InstanceId, Money, OrderId, OrderKind, OrderRequest, OrderUpdate,
    Price, Purpose, Qty, Side, SignalView, StrategyParams, SymbolId, Ts,
};

/// What a position stands on: where it was entered, and how far one ATR was when that was decided.
#[derive(Clone, Copy, Debug)]
struct Entry {
    price: Price,
    atr: f64,
}

#[derive(Debug)]
struct SymbolState {
    tick: Price,
    lot: Qty,
    size: Budget,
    history: Ring<Candle>,
    atr: Atr,
    position: Qty,
    entry: Entry,
    pending: bool,
}

impl SymbolState {
    fn observe(&mut self, bar: &Bar) {
        self.atr.update(bar.high.to_f64(), bar.low.to_f64(), bar.close.to_f64());
        self.history.push(Candle::from(bar));
    }

    fn rebuild(&mut self, window: usize) {
        self.atr = Atr::new(window);
        for candle in self.history.oldest_first() {
            self.atr.update(candle.high.to_f64(), candle.low.to_f64(), candle.close.to_f64());
        }
    }

    /// The move over `lookback` bars in average true ranges; `None` until both are known, or while nothing moves.
    fn burst(&self, lookback: usize) -> Option<f64> {
        let (now, before) = self.history.back(0).zip(self.history.back(lookback))?;
        let atr = self.atr.value().filter(|atr| *atr > 0.0)?;
        Some((now.close - before.close).to_f64() / atr)
    }

    fn order(&self, symbol: SymbolId, side: Side, kind: OrderKind, purpose: Purpose) -> OrderRequest {
        OrderRequest {
            id: OrderId(0),
            instance: InstanceId(0),
            symbol,
            side,
            kind,
            qty: self.position.abs(),
            reduce_only: true,
            purpose,
            strength: 0.0,
            decision_price: self.history.back(0).map_or(self.entry.price, |c| c.close),
            decided_at: Ts(0),
        }
    }

    /// The price `distance` ATRs beyond the entry against (`-1`) or with (`1`) the position, rounded away from the entry.
    fn exit_price(&self, distance: f64, direction: i64) -> Price {
        let towards = direction * self.position.0.signum();
        let away = Price::from_f64(distance * self.entry.atr).unwrap_or(self.entry.price);
        let exact = Price(self.entry.price.0 + towards * away.0);
        let price = if towards > 0 { exact.round_up(self.tick) } else { exact.round_down(self.tick) };
        price.max(self.tick)
    }
}

/// The strategy.
#[derive(Debug)]
pub struct MomentumScalping {
    params: MomentumScalpingParams,
    capital: Money,
    symbols: Vec<Option<SymbolState>>,
}

impl MomentumScalping {
    /// Flat, without history.
    #[must_use]
    pub fn new(params: MomentumScalpingParams, market: &Market) -> Self {
        let symbols = market.per_symbol(|spec| SymbolState {
            tick: spec.tick,
            lot: spec.lot,
            size: Budget::new(market.capital, params.size, spec.lot),
            history: Ring::new(),
            atr: Atr::new(params.atr_window as usize),
            position: Qty::ZERO,
            entry: Entry { price: Price::ZERO, atr: 0.0 },
            pending: false,
        });
        Self { params, capital: market.capital, symbols }
    }

    fn decide(&mut self, bar: &Bar, actions: &mut Actions) {
        let (threshold, lookback) = (self.params.entry_threshold, self.params.lookback as usize);
        let Some(Some(state)) = self.symbols.get_mut(bar.symbol.index()) else { return };
        state.observe(bar);
        let Some(burst) = state.burst(lookback).filter(|b| b.abs() > threshold) else { return };
        let side = if burst > 0.0 { Side::Buy } else { Side::Sell };
        let strength = (burst.abs() / (2.0 * threshold)).min(1.0);
        let skip = |skipped| Action::Skip(SignalView { symbol: bar.symbol, side, strength, price: bar.close, skipped });
        if state.pending {
            actions.push(skip("order_pending"));
        } else if state.position == Qty::ZERO {
            let qty = state.size.qty_at(bar.close);
            if qty == Qty::ZERO {
                actions.push(skip("size_below_one_lot"));
                return;
            }
            state.pending = true;
            state.entry.atr = state.atr.value().unwrap_or(0.0);
            let entry = state.order(bar.symbol, side, OrderKind::Market, Purpose::Entry);
            actions.push(Action::Submit(OrderRequest { qty, reduce_only: false, strength, ..entry }));
        } else if state.position.0.signum() == side.sign() {
            actions.push(skip("position_open"));
        } else {
            state.pending = true;
            actions.push(Action::Submit(state.order(bar.symbol, side, OrderKind::Market, Purpose::Exit)));
        }
    }

    fn on_fill(&mut self, fill: &Fill, actions: &mut Actions) {
        let (stop_loss, take_profit) = (self.params.stop_loss, self.params.take_profit);
        let symbol = fill.order.symbol;
        let Some(Some(state)) = self.symbols.get_mut(symbol.index()) else { return };
        state.position.0 += fill.order.side.sign() * fill.qty.0;
        if matches!(fill.order.purpose, Purpose::Entry | Purpose::Exit) {
            state.pending = false;
        }
        if fill.order.purpose == Purpose::Entry {
            state.entry.price = fill.price;
            protect(state, symbol, Some(stop_loss), Some(take_profit), actions);
        } else if state.position == Qty::ZERO {
            actions.push(Action::CancelAll(symbol));
        }
    }

    fn on_update(&mut self, update: &OrderUpdate, actions: &mut Actions) {
        let (stop_loss, take_profit) = (self.params.stop_loss, self.params.take_profit);
        let symbol = update.order.symbol;
        let Some(Some(state)) = self.symbols.get_mut(symbol.index()) else { return };
        // An operator or new parameters cancelled what rests: a position never stays without its stop.
        let swept = matches!(update.reason, CancelReason::Requested | CancelReason::Halted);
        match update.order.purpose {
            Purpose::Entry | Purpose::Exit => state.pending = false,
            Purpose::StopLoss if swept => protect(state, symbol, Some(stop_loss), None, actions),
            Purpose::TakeProfit if swept => protect(state, symbol, None, Some(take_profit), actions),
            _ => {}
        }
    }
}

fn protect(state: &SymbolState, symbol: SymbolId, stop: Option<f64>, target: Option<f64>, actions: &mut Actions) {
    if state.position == Qty::ZERO {
        return;
    }
    let side = if state.position > Qty::ZERO { Side::Sell } else { Side::Buy };
    if let Some(distance) = stop {
        let kind = OrderKind::Stop { trigger: state.exit_price(distance, -1) };
        actions.push(Action::Submit(state.order(symbol, side, kind, Purpose::StopLoss)));
    }
    if let Some(distance) = target {
        let kind = OrderKind::Limit { price: state.exit_price(distance, 1) };
        actions.push(Action::Submit(state.order(symbol, side, kind, Purpose::TakeProfit)));
    }
}

impl Strategy for MomentumScalping {
    fn observe(&mut self, bar: &Bar) {
        if let Some(Some(state)) = self.symbols.get_mut(bar.symbol.index()) {
            state.observe(bar);
        }
    }

    fn on_event(&mut self, event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Bar(bar) => self.decide(bar, actions),
            Event::Fill(fill) => self.on_fill(fill, actions),
            Event::OrderUpdate(update) => self.on_update(update, actions),
        }
    }

    fn set_params(&mut self, params: &StrategyParams) {
        let StrategyParams::MomentumScalping(p) = params else { return };
        let window_changed = p.atr_window != self.params.atr_window;
        self.params = p.clone();
        for state in self.symbols.iter_mut().flatten() {
            state.size = Budget::new(self.capital, p.size, state.lot);
            if window_changed {
                state.rebuild(p.atr_window as usize);
            }
        }
    }
}

#[cfg(test)]
#[path = "momentum_scalping_tests.rs"]
mod tests;
