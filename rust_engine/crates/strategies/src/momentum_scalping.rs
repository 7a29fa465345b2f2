//! Follows a burst: a move over `lookback` bars beyond `entry_threshold` average true ranges. The position leaves at a stop or
//! a target, both in ATRs of the entry decision, or on a burst the other way.
//!
//! Candles feed the indicators whatever it decides on. With `trail` above zero the stop also follows the chandelier exit at
//! every close, only ever towards the price: the new stop is sent before the old one is cancelled, and both may only reduce, so
//! there is no moment without one. Where a stop is refused all the same, it is sent again at the next price, as tight as the
//! tightest of the position was, or the position leaves where the price has passed that.

use crate::driver::{Moment, moment, proven};
use crate::history::{Candle, Ring};
use crate::protection::{Protection, Remedy};
use crate::sizing::Budget;
use crate::state::kept_whole;
use crate::strategy::{Market, Strategy};
use indicators::{Atr, Chandelier};
use model::params::MomentumScalpingParams;
use model::{
    Action, Actions, Bar, CancelReason, Driver, Event, Fill, Money, OrderKind, OrderRequest, OrderUpdate, Price,
    Purpose, Qty, Resting, Side, SignalView, StrategyParams, SymbolId,
};
use serde::{Deserialize, Serialize};

/// What a position stands on: where it was entered, and how far one ATR was when that was decided.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Entry {
    price: Price,
    atr: f64,
}

#[derive(Debug, Serialize, Deserialize)]
struct SymbolState {
    tick: Price,
    lot: Qty,
    size: Budget,
    history: Ring<Candle>,
    atr: Atr,
    /// Only where the stop trails.
    chandelier: Option<Chandelier>,
    last: Price,
    position: Qty,
    entry: Entry,
    pending: bool,
    /// Triggers of the stops that stand.
    stops: Vec<Price>,
    protection: Protection,
    /// Side of the burst under way, so that one burst over many prints is one signal.
    bursting: Option<Side>,
    /// Side of an entry that was refused in this burst.
    refused: Option<Side>,
    is_stale: bool,
}

impl SymbolState {
    fn observe(&mut self, bar: &Bar) {
        let (high, low, close) = (bar.high.to_f64(), bar.low.to_f64(), bar.close.to_f64());
        self.atr.update(high, low, close);
        if let Some(chandelier) = &mut self.chandelier {
            chandelier.update(high, low, close);
        }
        self.history.push(Candle::from(bar));
        self.last = bar.close;
    }

    fn rebuild(&mut self, params: &MomentumScalpingParams) {
        self.atr = Atr::new(params.atr_window as usize);
        self.chandelier = chandelier(params);
        for candle in self.history.oldest_first() {
            let (high, low, close) = (candle.high.to_f64(), candle.low.to_f64(), candle.close.to_f64());
            self.atr.update(high, low, close);
            if let Some(chandelier) = &mut self.chandelier {
                chandelier.update(high, low, close);
            }
        }
    }

    /// The move to the last price since the close `bars_back` closed bars ago, in average true ranges; `None` until both are
    /// known, or while nothing moves.
    fn burst(&self, bars_back: usize) -> Option<f64> {
        let before = self.history.back(bars_back)?;
        let atr = self.atr.value().filter(|atr| *atr > 0.0)?;
        Some((self.last - before.close).to_f64() / atr)
    }

    fn order(&self, symbol: SymbolId, side: Side, kind: OrderKind, purpose: Purpose) -> OrderRequest {
        let order = OrderRequest::market(symbol, side, self.position.abs(), self.last);
        OrderRequest { kind, reduce_only: true, purpose, ..order }
    }

    fn exit_side(&self) -> Side {
        if self.position > Qty::ZERO { Side::Sell } else { Side::Buy }
    }

    /// Of two stops the one that is hit first.
    fn tighter(&self, a: Price, b: Price) -> Price {
        if self.position > Qty::ZERO { a.max(b) } else { a.min(b) }
    }

    /// The price `distance` ATRs beyond the entry against (`-1`) or with (`1`) the position, rounded away from the entry.
    fn exit_price(&self, distance: f64, direction: i64) -> Price {
        let towards = direction * self.position.0.signum();
        exit_price(self.entry.price, distance * self.entry.atr, towards, self.tick)
    }
}

fn chandelier(params: &MomentumScalpingParams) -> Option<Chandelier> {
    (params.trail > 0.0).then(|| Chandelier::new(params.atr_window as usize, params.trail))
}

/// The price `away` above (`towards` = 1) or below (-1) an entry, rounded away from it to a tick, at least one tick. A distance
/// that fits no price counts as the entry price itself.
#[must_use]
#[inline]
pub fn exit_price(entry: Price, away: f64, towards: i64, tick: Price) -> Price {
    let away = Price::from_f64(away).unwrap_or(entry);
    let exact = Price(entry.0 + towards * away.0);
    let price = if towards > 0 { exact.round_up(tick) } else { exact.round_down(tick) };
    price.max(tick)
}

/// The strategy.
#[derive(Debug, Serialize, Deserialize)]
pub struct MomentumScalping {
    params: MomentumScalpingParams,
    capital: Money,
    driver: Driver,
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
            chandelier: chandelier(&params),
            last: Price::ZERO,
            position: Qty::ZERO,
            entry: Entry { price: Price::ZERO, atr: 0.0 },
            pending: false,
            stops: Vec::new(),
            protection: Protection::default(),
            bursting: None,
            refused: None,
            is_stale: false,
        });
        Self { params, capital: market.capital, driver: market.driver, symbols }
    }

    fn close_bar(&mut self, bar: &Bar, actions: &mut Actions) {
        let Some(Some(state)) = self.symbols.get_mut(bar.symbol.index()) else { return };
        state.observe(bar);
        if state.position != Qty::ZERO {
            trail(state, bar.symbol, actions);
        }
    }

    fn decide(&mut self, now: Moment, actions: &mut Actions) {
        let (threshold, lookback) = (self.params.entry_threshold, self.params.lookback as usize);
        let on_bars = self.driver == Driver::Bars;
        let Some(Some(state)) = self.symbols.get_mut(now.symbol.index()) else { return };
        state.last = now.price;
        // Between closes the bar that is being made counts as the newest of the lookback.
        let bars_back = if on_bars { lookback } else { lookback - 1 };
        let Some(burst) = state.burst(bars_back).filter(|b| b.abs() > threshold) else {
            (state.bursting, state.refused) = (None, None);
            return;
        };
        let side = if burst > 0.0 { Side::Buy } else { Side::Sell };
        let is_new = state.bursting.replace(side) != Some(side);
        let strength = (burst.abs() / (2.0 * threshold)).min(1.0);
        let mut skip = |skipped| {
            if on_bars || is_new {
                let view = SignalView { symbol: now.symbol, side, strength, price: now.price, skipped };
                actions.push(Action::Skip(view));
            }
        };
        if state.pending {
            skip("order_pending");
        } else if !on_bars && !is_new && state.refused == Some(side) && state.position == Qty::ZERO {
            // What was refused in this burst would be refused at every quote of it.
        } else if state.position == Qty::ZERO {
            let qty = state.size.qty_at(now.price);
            if qty == Qty::ZERO || state.is_stale {
                skip(if state.is_stale { "stale" } else { "size_below_one_lot" });
                return;
            }
            state.pending = true;
            state.entry.atr = state.atr.value().unwrap_or(0.0);
            let entry = state.order(now.symbol, side, OrderKind::Market, Purpose::Entry);
            actions.push(Action::Submit(OrderRequest { qty, reduce_only: false, strength, ..entry }));
        } else if state.position.0.signum() == side.sign() {
            skip("position_open");
        } else {
            state.pending = true;
            actions.push(Action::Submit(state.order(now.symbol, side, OrderKind::Market, Purpose::Exit)));
        }
    }

    fn on_fill(&mut self, fill: &Fill, actions: &mut Actions) {
        let (stop_loss, take_profit) = (self.params.stop_loss, self.params.take_profit);
        let symbol = fill.order.symbol;
        let Some(Some(state)) = self.symbols.get_mut(symbol.index()) else { return };
        state.position += fill.change();
        if matches!(fill.order.purpose, Purpose::Entry | Purpose::Exit) {
            state.pending = false;
        }
        if state.position == Qty::ZERO {
            state.stops.clear();
            state.protection = Protection::default();
            actions.push(Action::CancelAll(symbol));
        } else if fill.order.purpose == Purpose::Entry && fill.held() > Qty::ZERO {
            // Each part of an entry gets a stop and a target of its own size.
            state.entry.price = fill.price;
            stop_at(state, symbol, state.exit_price(stop_loss, -1), fill.held(), actions);
            target_at(state, symbol, state.exit_price(take_profit, 1), fill.held(), actions);
        }
    }

    fn on_update(&mut self, update: &OrderUpdate, actions: &mut Actions) {
        let (stop_loss, take_profit) = (self.params.stop_loss, self.params.take_profit);
        let order = &update.order;
        let Some(Some(state)) = self.symbols.get_mut(order.symbol.index()) else { return };
        // An operator or new parameters cancelled what rests: a position never stays without its stop.
        let swept = matches!(update.reason, CancelReason::Requested | CancelReason::Halted);
        let qty = order.qty.min(state.position.abs());
        match order.purpose {
            Purpose::Entry | Purpose::Exit => {
                state.pending = false;
                let is_refused = order.purpose == Purpose::Entry && update.reason == CancelReason::Refused;
                state.refused = is_refused.then_some(order.side);
            }
            Purpose::StopLoss => {
                let stood = state.stops.iter().position(|trigger| Some(*trigger) == order.named_price());
                // One that does not count any more was replaced by a tighter one.
                let Some(i) = stood else { return };
                let old = state.stops.swap_remove(i);
                if !swept {
                    state.protection.lost(order, state.position);
                } else if qty > Qty::ZERO {
                    let fresh = state.exit_price(stop_loss, -1);
                    let trigger = if state.chandelier.is_some() { state.tighter(old, fresh) } else { fresh };
                    if state.chandelier.is_none() {
                        // New parameters may have moved it.
                        state.protection.measured_anew();
                    }
                    stop_at(state, order.symbol, trigger, qty, actions);
                }
            }
            Purpose::TakeProfit if swept && qty > Qty::ZERO => {
                target_at(state, order.symbol, state.exit_price(take_profit, 1), qty, actions);
            }
            _ => {}
        }
    }
}

fn stop_at(state: &mut SymbolState, symbol: SymbolId, trigger: Price, qty: Qty, actions: &mut Actions) {
    let stop = state.order(symbol, state.exit_side(), OrderKind::Stop { trigger }, Purpose::StopLoss);
    actions.push(Action::Submit(OrderRequest { qty, ..stop }));
    state.stops.push(trigger);
    state.protection.asked(stop.side, trigger);
}

fn target_at(state: &SymbolState, symbol: SymbolId, price: Price, qty: Qty, actions: &mut Actions) {
    let target = state.order(symbol, state.exit_side(), OrderKind::Limit { price }, Purpose::TakeProfit);
    actions.push(Action::Submit(OrderRequest { qty, ..target }));
}

/// Moves the stop to the chandelier exit where that is tighter by a tick or more.
fn trail(state: &mut SymbolState, symbol: SymbolId, actions: &mut Actions) {
    let Some(exit) = state.chandelier.as_ref().and_then(Chandelier::value) else { return };
    let is_long = state.position > Qty::ZERO;
    let exact = Price::from_f64(if is_long { exit.long } else { exit.short });
    let Ok(exact) = exact else { return };
    let trigger = if is_long { exact.round_down(state.tick) } else { exact.round_up(state.tick) }.max(state.tick);
    let Some(tightest) = state.protection.tightest() else { return };
    if trigger == tightest || state.tighter(trigger, tightest) != trigger {
        return;
    }
    let old = std::mem::take(&mut state.stops);
    state.protection.covered();
    stop_at(state, symbol, trigger, state.position.abs(), actions);
    let (side, purpose) = (state.exit_side(), Purpose::StopLoss);
    old.into_iter().for_each(|price| actions.push(Action::CancelAt(Resting { symbol, side, purpose, price })));
}

/// Gives the position its stop back, or leaves where the price has passed it.
fn protect(state: &mut SymbolState, now: Moment, actions: &mut Actions) {
    // An exit under way takes the whole position, and on some accounts first what its stops lock.
    if state.pending {
        return;
    }
    match state.protection.remedy(state.position, now) {
        Some(Remedy::Stop { trigger, qty }) => stop_at(state, now.symbol, trigger, qty, actions),
        Some(Remedy::Exit) => {
            state.pending = true;
            actions.push(Action::Submit(state.order(now.symbol, state.exit_side(), OrderKind::Market, Purpose::Exit)));
        }
        None => {}
    }
}

impl Strategy for MomentumScalping {
    kept_whole!();

    fn observe(&mut self, bar: &Bar) {
        if let Some(Some(state)) = self.symbols.get_mut(bar.symbol.index()) {
            state.observe(bar);
        }
    }

    fn on_event(&mut self, event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Bar(bar) => self.close_bar(bar, actions),
            Event::Fill(fill) => self.on_fill(fill, actions),
            Event::OrderUpdate(update) => self.on_update(update, actions),
            Event::Staleness(word) => {
                if let Some(Some(state)) = self.symbols.get_mut(word.symbol.index()) {
                    state.is_stale = word.is_stale;
                }
            }
            _ => {}
        }
        if let Some(now) = proven(&event)
            && let Some(Some(state)) = self.symbols.get_mut(now.symbol.index())
        {
            protect(state, now, actions);
        }
        if let Some(now) = moment(self.driver, &event) {
            self.decide(now, actions);
        }
    }

    fn set_params(&mut self, params: &StrategyParams) {
        let StrategyParams::MomentumScalping(p) = params else { return };
        let is_rebuilt = p.atr_window != self.params.atr_window || p.trail != self.params.trail;
        self.params = p.clone();
        for state in self.symbols.iter_mut().flatten() {
            state.size = Budget::new(self.capital, p.size, state.lot);
            if is_rebuilt {
                state.rebuild(p);
            }
        }
    }

    fn set_capital(&mut self, capital: Money) {
        self.capital = capital;
        for state in self.symbols.iter_mut().flatten() {
            state.size = Budget::new(capital, self.params.size, state.lot);
        }
    }
}

#[cfg(test)]
#[path = "momentum_scalping_tests.rs"]
mod tests;
