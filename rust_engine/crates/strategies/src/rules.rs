//! Follows a rule set: enters, leaves, sizes and stops as its expressions say. It decides on closed candles.
//!
//! An expression that is unknown, because an indicator is not warm or a divisor is zero, asks for nothing. A position
//! is entered only when its side's exit does not hold, and is left by its exit, its stop, its target or after
//! `max_hold` bars.
//!
//! A stop that is refused is sent again at the next price, or the position leaves where that has passed it.
//!
//! When another rule set takes its place, a position of the old one is left at the next bar: the new one may know no
//! exit for it.

mod feed;
#[cfg(test)]
mod generated;
mod program;
#[cfg(test)]
mod text_tests;

use crate::driver::{Moment, proven};
use crate::protection::{Protection, Remedy};
use crate::rules::program::{Memory, Program, Root, Values};
use crate::sizing::Budget;
use crate::state::kept_whole;
use crate::strategy::{Market, Strategy};
use model::params::RulesParams;
use model::rules::RuleError;
use model::{
    Action, Actions, Bar, CancelReason, Event, Fill, Money, OrderKind, OrderRequest, OrderUpdate, Price, Purpose, Qty,
    RuleSet, Side, SignalView, StrategyParams, SymbolId,
};
use serde::{Deserialize, Serialize};

/// Rules say yes or no: every entry is of middle strength.
const STRENGTH: f64 = 0.5;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SymbolState {
    tick: Price,
    lot: Qty,
    size: Budget,
    memory: Memory,
    position: Qty,
    protection: Protection,
    /// What is left of the market order under way; zero when there is none.
    ordered: Qty,
    /// Unit of stop and target as it was when the position was decided; zero without one.
    distance: Price,
    bars_held: u32,
    is_stale: bool,
    /// Whether the position, or the order that may become one, is that of a rule set that is gone.
    is_inherited: bool,
}

/// The strategy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rules {
    params: RulesParams,
    capital: Money,
    program: Program,
    symbols: Vec<Option<SymbolState>>,
}

impl Rules {
    /// Flat, with cold indicators. A market without a valid rule set gives a strategy that never acts; the engine
    /// refuses such a configuration at the start, with the reason.
    #[must_use]
    pub fn new(params: RulesParams, market: &Market) -> Self {
        let compiled = market.rules.as_ref().map(Program::compile).and_then(Result::ok);
        let program = compiled.unwrap_or_default();
        let symbols = market.per_symbol(|spec| SymbolState {
            tick: spec.tick,
            lot: spec.lot,
            size: Budget::new(market.capital, params.size, spec.lot),
            memory: Memory::new(&program),
            position: Qty::ZERO,
            protection: Protection::default(),
            ordered: Qty::ZERO,
            distance: Price::ZERO,
            bars_held: 0,
            is_stale: false,
            is_inherited: false,
        });
        Self { params, capital: market.capital, program, symbols }
    }

    fn state(&mut self, symbol: SymbolId) -> Option<&mut SymbolState> {
        self.symbols.get_mut(symbol.index()).and_then(Option::as_mut)
    }

    fn decide(&mut self, bar: &Bar, actions: &mut Actions) {
        let Self { params, program, symbols, .. } = self;
        let Some(Some(state)) = symbols.get_mut(bar.symbol.index()) else { return };
        let values = state.observe(program, bar);
        if state.ordered != Qty::ZERO {
            return;
        }
        if state.position == Qty::ZERO {
            enter(state, params, program, &values, bar, actions);
        } else {
            leave(state, params, &values, bar, actions);
        }
    }

    fn on_fill(&mut self, fill: &Fill, actions: &mut Actions) {
        let distances = Distances::from(&self.params);
        let symbol = fill.order.symbol;
        let Some(state) = self.state(symbol) else { return };
        state.position += fill.change();
        if matches!(fill.order.purpose, Purpose::Entry | Purpose::Exit) {
            // Advice may have made the order smaller than what was asked for.
            state.ordered = (state.ordered.min(fill.order.qty) - fill.qty).max(Qty::ZERO);
        }
        if state.position == Qty::ZERO {
            state.protection = Protection::default();
        }
        if fill.order.purpose == Purpose::Entry {
            state.stop_part(symbol, fill.price, fill.held(), distances, actions);
        } else if state.position == Qty::ZERO && state.distance > Price::ZERO {
            actions.push(Action::CancelAll(symbol));
        }
        state.is_inherited &= state.is_engaged();
    }

    fn on_update(&mut self, update: &OrderUpdate, actions: &mut Actions) {
        let Some(state) = self.state(update.order.symbol) else { return };
        // An operator or new parameters cancelled what rests: a position never stays without its stop.
        let swept = matches!(update.reason, CancelReason::Requested | CancelReason::Halted);
        match update.order.purpose {
            Purpose::Entry | Purpose::Exit => state.ordered = Qty::ZERO,
            Purpose::StopLoss | Purpose::TakeProfit if swept && state.position != Qty::ZERO => {
                let qty = update.order.qty.min(state.position.abs());
                actions.push(Action::Submit(OrderRequest { qty, ..update.order }));
            }
            Purpose::StopLoss => state.protection.lost(&update.order, state.position),
            _ => {}
        }
        state.is_inherited &= state.is_engaged();
    }
}

/// Stop and target in the unit of the rule set; `None` where there is none.
#[derive(Clone, Copy)]
struct Distances {
    stop: f64,
    target: Option<f64>,
}

impl From<&RulesParams> for Distances {
    fn from(params: &RulesParams) -> Self {
        Self { stop: params.stop, target: Some(params.target).filter(|target| *target > 0.0) }
    }
}

fn enter(
    state: &mut SymbolState,
    params: &RulesParams,
    program: &Program,
    values: &Values,
    bar: &Bar,
    actions: &mut Actions,
) {
    let long = values.holds(Root::EntryLong) && !values.holds(Root::ExitLong);
    let short = values.holds(Root::EntryShort) && !values.holds(Root::ExitShort);
    let side = match (long, short) {
        (false, false) => return,
        (false, true) => Side::Sell,
        _ => Side::Buy,
    };
    let skip = |skipped| SignalView { symbol: bar.symbol, side, strength: STRENGTH, price: bar.close, skipped };
    let entry = if long && short {
        Err("both_sides_at_once")
    } else if state.is_stale {
        Err("stale_data")
    } else {
        entry(state, params, program, values, bar)
    };
    match entry {
        Err(reason) => actions.push(Action::Skip(skip(reason))),
        Ok(Entry { qty, distance }) => {
            (state.ordered, state.distance) = (qty, distance);
            let order = OrderRequest::market(bar.symbol, side, qty, bar.close);
            actions.push(Action::Submit(OrderRequest { strength: STRENGTH, ..order }));
        }
    }
}

struct Entry {
    qty: Qty,
    distance: Price,
}

/// How much to enter with and how far one stop distance is, or why not.
fn entry(
    state: &SymbolState,
    params: &RulesParams,
    program: &Program,
    values: &Values,
    bar: &Bar,
) -> Result<Entry, &'static str> {
    let distance = if program.has_stop {
        let units = values.number(Root::Stop).ok_or("stop_unknown")?;
        // So that the farthest of stop and target stays a price.
        let farthest = units * params.stop.max(params.target).max(1.0);
        if units < 1.0 || farthest > bar.close.0 as f64 * 100.0 {
            Err("stop_out_of_range")
        } else {
            Ok(Price(units as i64))
        }
    } else {
        Ok(Price::ZERO)
    }?;
    let whole = state.size.qty_at(bar.close);
    let qty = if program.has_sizing {
        const PARTS: f64 = 1e9;
        let share = values.number(Root::Sizing).ok_or("sizing_unknown")?;
        let share = Some(share).filter(|s| (0.0..=1.0).contains(s)).ok_or("sizing_out_of_range")?;
        let parts = i128::from(whole.0) * (share * PARTS) as i128 / PARTS as i128;
        Qty(i64::try_from(parts).unwrap_or(0)).round_down(state.lot)
    } else {
        whole
    };
    if qty == Qty::ZERO { Err("size_below_one_lot") } else { Ok(Entry { qty, distance }) }
}

fn leave(state: &mut SymbolState, params: &RulesParams, values: &Values, bar: &Bar, actions: &mut Actions) {
    let exit = if state.position > Qty::ZERO { Root::ExitLong } else { Root::ExitShort };
    let is_overdue = params.max_hold > 0.0 && f64::from(state.bars_held) >= params.max_hold;
    if !values.holds(exit) && !is_overdue && !state.is_inherited {
        return;
    }
    state.close(bar.symbol, bar.close, actions);
}

impl SymbolState {
    /// Whether there is a position, or an order that may become or end one.
    fn is_engaged(&self) -> bool {
        self.position != Qty::ZERO || self.ordered != Qty::ZERO
    }

    fn exit_side(&self) -> Side {
        if self.position > Qty::ZERO { Side::Sell } else { Side::Buy }
    }

    /// Leaves at the market.
    fn close(&mut self, symbol: SymbolId, price: Price, actions: &mut Actions) {
        self.ordered = self.position.abs();
        let order = OrderRequest::market(symbol, self.exit_side(), self.ordered, price);
        let order = OrderRequest { reduce_only: true, purpose: Purpose::Exit, strength: STRENGTH, ..order };
        actions.push(Action::Submit(order));
    }

    /// Gives the position its stop back, or leaves where the price has passed it.
    fn protect(&mut self, now: Moment, actions: &mut Actions) {
        // An exit under way takes the whole position, and on some accounts first what its stops lock.
        if self.ordered != Qty::ZERO {
            return;
        }
        match self.protection.remedy(self.position, now) {
            Some(Remedy::Stop { trigger, qty }) => {
                let order = OrderRequest::market(now.symbol, self.exit_side(), qty, now.price);
                let (kind, purpose) = (OrderKind::Stop { trigger }, Purpose::StopLoss);
                actions.push(Action::Submit(OrderRequest { kind, purpose, reduce_only: true, ..order }));
            }
            Some(Remedy::Exit) => self.close(now.symbol, now.price, actions),
            None => {}
        }
    }

    /// Takes a bar, decided on or missed: a position ages with both.
    fn observe(&mut self, program: &Program, bar: &Bar) -> Values {
        self.bars_held = if self.position == Qty::ZERO { 0 } else { self.bars_held.saturating_add(1) };
        self.memory.update(program, bar)
    }

    /// Stop and target of a part of the position that was just entered at `price`.
    fn stop_part(&self, symbol: SymbolId, price: Price, qty: Qty, distances: Distances, actions: &mut Actions) {
        if self.distance == Price::ZERO || self.position == Qty::ZERO || qty == Qty::ZERO {
            return;
        }
        let side = self.exit_side();
        let at = |distance: f64, towards: i64| {
            let away = (distance * self.distance.0 as f64) as i64;
            let exact = Price(price.0 + towards * self.position.0.signum() * away);
            // Away from the entry, so that neither is nearer than asked.
            let rounded = if exact > price { exact.round_up(self.tick) } else { exact.round_down(self.tick) };
            rounded.max(self.tick)
        };
        let order = OrderRequest { reduce_only: true, ..OrderRequest::market(symbol, side, qty, price) };
        let stop = OrderKind::Stop { trigger: at(distances.stop, -1) };
        actions.push(Action::Submit(OrderRequest { kind: stop, purpose: Purpose::StopLoss, ..order }));
        if let Some(target) = distances.target {
            let kind = OrderKind::Limit { price: at(target, 1) };
            actions.push(Action::Submit(OrderRequest { kind, purpose: Purpose::TakeProfit, ..order }));
        }
    }
}

impl Strategy for Rules {
    fn observe(&mut self, bar: &Bar) {
        let Self { program, symbols, .. } = self;
        if let Some(Some(state)) = symbols.get_mut(bar.symbol.index()) {
            state.observe(program, bar);
        }
    }

    fn on_event(&mut self, event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Bar(bar) => self.decide(bar, actions),
            Event::Fill(fill) => self.on_fill(fill, actions),
            Event::OrderUpdate(update) => self.on_update(update, actions),
            Event::Staleness(news) => {
                if let Some(state) = self.state(news.symbol) {
                    state.is_stale = news.is_stale;
                }
            }
            _ => {}
        }
        if let Some(now) = proven(&event)
            && let Some(state) = self.state(now.symbol)
        {
            state.protect(now, actions);
        }
    }

    fn set_params(&mut self, params: &StrategyParams) {
        let StrategyParams::Rules(p) = params else { return };
        self.params = p.clone();
        for state in self.symbols.iter_mut().flatten() {
            state.size = Budget::new(self.capital, p.size, state.lot);
        }
    }

    fn set_rules(&mut self, rules: &RuleSet, kept: &[Bar]) -> Result<(), RuleError> {
        let program = Program::compile(rules)?;
        for state in self.symbols.iter_mut().flatten() {
            state.memory = Memory::new(&program);
            state.is_inherited = state.is_engaged();
        }
        for bar in kept {
            if let Some(state) = self.state(bar.symbol) {
                state.memory.update(&program, bar);
            }
        }
        self.program = program;
        Ok(())
    }

    fn set_capital(&mut self, capital: Money) {
        self.capital = capital;
        for state in self.symbols.iter_mut().flatten() {
            state.size = Budget::new(capital, self.params.size, state.lot);
        }
    }

    kept_whole!();
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
