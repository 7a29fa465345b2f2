//! Buys and sells the same thing at once: one symbol on two venues, or a triangle of three symbols on one venue.
//!
//! It decides on quotes and books. A round goes out when the difference of prices, less the taker fees of all legs and
//! a buffer for latency, reaches `min_edge`; its size is the least of the quantities on offer, its budget and the room
//! below its inventory cap. All legs are immediate-or-cancel limits that pass the risk gate together or not at all. One
//! round is under way at a time. Where its legs do not fill alike, the difference is taken back at the market until
//! nothing is left of it, and the strategy pauses. Sizes are in the currency of the capital, which is taken for the one
//! that cycles start from.

mod cycle;
mod round;

use crate::micro_arbitrage::cycle::{Cycle, Offer, Plan, Terms};
use crate::micro_arbitrage::round::{Leg, Round};
use crate::state::kept_whole;
use crate::strategy::{Market, Strategy};
use model::params::MicroArbitrageParams;
use model::{
    Action, Actions, Bar, BookTop, Event, Fill, Money, OrderKind, OrderRequest, OrderUpdate, Price, Purpose, Qty,
    Quote, Side, Staleness, StrategyParams, SymbolId, TimeInForce, Ts,
};
use serde::{Deserialize, Serialize};

const MS_NS: f64 = 1e6;
const SECOND_NS: f64 = 1e9;
/// How long after an unwind was refused it is asked for again.
const UNWIND_RETRY_NS: i64 = 1_000_000_000;

/// The best prices of a symbol as last heard.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Top {
    at: Ts,
    bid: (Price, Qty),
    ask: (Price, Qty),
    /// A round was already sent against it.
    is_spent: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct SymbolState {
    lot: Qty,
    top: Top,
    position: Qty,
    is_stale: bool,
}

impl SymbolState {
    /// What an order of `side` meets, if it may be relied on.
    fn offer(&self, side: Side, now: Ts, max_age_ns: i64) -> Option<Offer> {
        let (price, qty) = if side == Side::Buy { self.top.ask } else { self.top.bid };
        let is_sound = self.top.bid.0 < self.top.ask.0 && price > Price::ZERO && qty > Qty::ZERO;
        let is_fresh = now.0 - self.top.at.0 <= max_age_ns && !self.is_stale && !self.top.is_spent;
        (is_sound && is_fresh).then_some(Offer { price, qty, position: self.position })
    }

    fn last_price(&self) -> Price {
        if self.top.bid.0 > Price::ZERO { self.top.bid.0 } else { self.top.ask.0 }
    }
}

/// The strategy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MicroArbitrage {
    params: MicroArbitrageParams,
    capital: Money,
    taker_fee_bps: f64,
    cycles: Vec<Cycle>,
    symbols: Vec<Option<SymbolState>>,
    round: Option<Round>,
    now: Ts,
    paused_until: Ts,
    unwind_from: Ts,
}

impl MicroArbitrage {
    /// Flat, without quotes. Symbols that name no base and quote currency take part in no cycle.
    #[must_use]
    pub fn new(params: MicroArbitrageParams, market: &Market) -> Self {
        Self {
            params,
            capital: market.capital,
            taker_fee_bps: market.costs.taker_fee_bps,
            cycles: cycle::find(&market.symbols),
            symbols: market.per_symbol(|spec| SymbolState { lot: spec.lot, ..SymbolState::default() }),
            round: None,
            now: Ts(i64::MIN),
            paused_until: Ts(i64::MIN),
            unwind_from: Ts(i64::MIN),
        }
    }

    fn state(&mut self, symbol: SymbolId) -> Option<&mut SymbolState> {
        self.symbols.get_mut(symbol.index()).and_then(Option::as_mut)
    }

    fn on_top(&mut self, symbol: SymbolId, top: Top, actions: &mut Actions) {
        let Some(state) = self.state(symbol) else { return };
        state.top = top;
        self.now = self.now.max(top.at);
        if self.round.is_some() {
            if self.now >= self.unwind_from {
                self.unwind(actions);
            }
        } else if self.now >= self.paused_until {
            self.look(symbol, actions);
        }
    }

    /// Sends the best round through `symbol`, if any pays.
    fn look(&mut self, symbol: SymbolId, actions: &mut Actions) {
        let share = |percent: f64| self.capital.times_rate((percent * 1e6).round() as i64);
        let terms = Terms {
            budget: share(self.params.size),
            inventory_cap: share(self.params.inventory_cap),
            taker_fee_bps: self.taker_fee_bps,
            latency_buffer_bps: self.params.latency_buffer,
            min_edge_bps: self.params.min_edge,
        };
        let max_age_ns = (self.params.max_quote_age * MS_NS) as i64;
        let mut best: Option<(&Cycle, Plan)> = None;
        for cycle in self.cycles.iter().filter(|cycle| cycle.contains(symbol)) {
            let mut offers = [Offer { price: Price::ZERO, qty: Qty::ZERO, position: Qty::ZERO }; 3];
            let offer = |step: &cycle::Step| {
                let state = self.symbols.get(step.symbol.index())?.as_ref()?;
                state.offer(step.side, self.now, max_age_ns)
            };
            let n = cycle.steps.len();
            if !cycle.steps.iter().zip(&mut offers).all(|(step, slot)| offer(step).map(|o| *slot = o).is_some()) {
                continue;
            }
            let Some(plan) = cycle.plan(&offers[..n], &terms) else { continue };
            if best.as_ref().is_none_or(|(_, known)| plan.edge_bps > known.edge_bps) {
                best = Some((cycle, plan));
            }
        }
        if let Some((cycle, plan)) = best {
            let cycle = cycle.clone();
            self.send(&cycle, &plan, actions);
        }
    }

    fn send(&mut self, cycle: &Cycle, plan: &Plan, actions: &mut Actions) {
        let floor_bps = self.params.min_edge.max(1.0);
        let strength = (plan.edge_bps / (2.0 * floor_bps)).clamp(0.0, 1.0);
        let mut legs = Vec::with_capacity(plan.legs.len());
        // Two or three.
        actions.push(Action::Together(plan.legs.len() as u8));
        for (step, (price, qty)) in cycle.steps.iter().zip(&plan.legs) {
            let order = OrderRequest::market(step.symbol, step.side, *qty, *price);
            actions.push(Action::Submit(OrderRequest {
                kind: OrderKind::Limit { price: *price },
                tif: TimeInForce::Ioc,
                purpose: Purpose::Arbitrage,
                strength,
                ..order
            }));
            if let Some(state) = self.state(step.symbol) {
                state.top.is_spent = true;
                legs.push(Leg::new(step.symbol, step.side, state.lot, *qty));
            }
        }
        self.round = Some(Round::new(legs));
    }

    fn on_fill(&mut self, fill: &Fill, actions: &mut Actions) {
        let Some(state) = self.state(fill.order.symbol) else { return };
        state.position += fill.change();
        self.now = self.now.max(fill.at);
        let is_complete = is_ours(&fill.order) && self.round.as_mut().is_some_and(|round| round.on_fill(fill));
        self.after_answer(is_complete, actions);
    }

    fn on_end(&mut self, update: &OrderUpdate, actions: &mut Actions) {
        if !is_ours(&update.order) {
            return;
        }
        if update.order.purpose == Purpose::Unwind {
            self.unwind_from = Ts(self.now.0.saturating_add(UNWIND_RETRY_NS));
        }
        let is_complete = self.round.as_mut().is_some_and(|round| round.on_end(&update.order));
        self.after_answer(is_complete, actions);
    }

    fn after_answer(&mut self, is_complete: bool, actions: &mut Actions) {
        let Some(round) = &self.round else { return };
        if is_complete && !round.is_whole() {
            let pause_ns = (self.params.cooldown * SECOND_NS) as i64;
            self.paused_until = Ts(self.now.0.saturating_add(pause_ns));
            self.unwind_from = self.now;
            self.unwind(actions);
        }
        if self.round.as_ref().is_some_and(Round::is_done) {
            self.round = None;
        }
    }

    fn unwind(&mut self, actions: &mut Actions) {
        let Self { round: Some(round), symbols, .. } = self else { return };
        let known = |symbol: SymbolId| {
            let state = symbols.get(symbol.index()).and_then(Option::as_ref);
            state.map_or((Qty::ZERO, Price::ZERO), |s| (s.position, s.last_price()))
        };
        round.unwinds(known, |order| actions.push(Action::Submit(order)));
    }

    fn on_staleness(&mut self, news: &Staleness) {
        if let Some(state) = self.state(news.symbol) {
            state.is_stale = news.is_stale;
        }
    }
}

fn is_ours(order: &OrderRequest) -> bool {
    matches!(order.purpose, Purpose::Arbitrage | Purpose::Unwind)
}

fn of_quote(quote: &Quote) -> Top {
    Top { at: quote.at, bid: (quote.bid, quote.bid_qty), ask: (quote.ask, quote.ask_qty), is_spent: false }
}

fn of_book(book: &BookTop) -> Top {
    Top { at: book.at, bid: book.bids[0], ask: book.asks[0], is_spent: false }
}

impl Strategy for MicroArbitrage {
    fn observe(&mut self, _: &Bar) {}

    fn on_event(&mut self, event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Quote(quote) => self.on_top(quote.symbol, of_quote(quote), actions),
            Event::Book(book) => self.on_top(book.symbol, of_book(book), actions),
            Event::Fill(fill) => self.on_fill(fill, actions),
            Event::OrderUpdate(update) => self.on_end(update, actions),
            Event::Staleness(news) => self.on_staleness(news),
            _ => {}
        }
    }

    fn set_params(&mut self, params: &StrategyParams) {
        let StrategyParams::MicroArbitrage(p) = params else { return };
        self.params = p.clone();
    }

    fn set_capital(&mut self, capital: Money) {
        self.capital = capital;
    }

    kept_whole!();
}

#[cfg(test)]
#[path = "micro_arbitrage_tests.rs"]
mod tests;
