//! Trades a model's predictions. One is taken if it is fresh, confident, of a traded horizon and expects a move worth trading;
//! every other is refused with a word that goes back to the model as feedback. A position leaves when the horizon is over, at a
//! stop, or on an opposite prediction, which is then taken if it still may be once the exit has filled. A stop that is refused
//! is sent again at the next price, or the position leaves where that has passed it.
//!
//! What became of a taken prediction, with the move over its whole horizon, is reported when that horizon is over.

mod admission;
mod outcome;
mod stops;
mod working;

use crate::driver::{Moment, moment, proven};
use crate::protection::Protection;
use crate::sizing::Budget;
use crate::state::kept_whole;
use crate::strategy::{Market, Strategy};
use admission::{Admitted, admit, share_pct, too_late_or_early};
use indicators::VarianceRate;
use model::params::PredictiveParams;
use model::{
    Action, Actions, Algorithm, Bar, Driver, Event, Fill, Money, OrderId, OrderRequest, OrderUpdate, ParentOrder,
    PredictionView, Price, Purpose, Qty, Side, StrategyParams, SymbolId, Ts, Worked,
};
use outcome::{Taken, refused};
use serde::{Deserialize, Serialize};
use stops::{stop_order, stop_price};
use working::{Task, WORKING_PART, algorithm};

/// Half-life of the measured volatility: seconds, or samples where those are rarer.
const VOLATILITY_HALF_LIFE: (f64, f64) = (300.0, 20.0);

/// An admitted prediction, ready to be traded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Plan {
    admitted: Admitted,
    algorithm: Algorithm,
    qty: Qty,
    /// Distance of the stop in bps.
    stop_bps: f64,
}

/// The prediction that is being traded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Trade {
    side: Side,
    until: Ts,
    stop: Price,
    /// Its parent order, once an event named it.
    parent: Option<OrderId>,
    is_working: bool,
    is_leaving: bool,
    /// What the exit order on its way has not filled yet.
    exit_left: Qty,
}

#[derive(Debug, Serialize, Deserialize)]
struct SymbolState {
    tick: Price,
    lot: Qty,
    last: Option<Moment>,
    variance: VarianceRate,
    position: Qty,
    is_stale: bool,
    protection: Protection,
    trade: Option<Trade>,
    /// An opposite prediction that waits for the exit.
    next: Option<Plan>,
    taken: Vec<Taken>,
}

/// The strategy.
#[derive(Debug, Serialize, Deserialize)]
pub struct Predictive {
    params: PredictiveParams,
    capital: Money,
    driver: Driver,
    /// Whether the instance trades one symbol alone, so that all of its parents are that symbol's.
    is_single: bool,
    symbols: Vec<Option<SymbolState>>,
}

impl SymbolState {
    /// Standard deviation of the price in bps per root second, and of its move over the horizon in bps; the model's own word on
    /// the latter counts first. `None` while neither is known.
    fn volatility(&self, admitted: &Admitted) -> Option<(f64, f64)> {
        let root_s = (admitted.horizon_ns as f64 * 1e-9).sqrt();
        let measured = self.variance.sigma().filter(|sigma| *sigma > 0.0);
        match (measured, admitted.volatility_bps) {
            (Some(sigma), said) => Some((sigma, said.unwrap_or(sigma * root_s))),
            (None, Some(said)) => Some((said / root_s, said)),
            (None, None) => None,
        }
    }

    fn task(&self, admitted: &Admitted, qty: Qty, price: Price, sigma_bps: f64) -> Task {
        let seconds = working_ns(admitted) as f64 * 1e-9;
        Task { side: admitted.side, qty, price, lot: self.lot, tick: self.tick, seconds, sigma_bps }
    }

    /// Sends the entry at `price`.
    fn enter(&mut self, symbol: SymbolId, plan: &Plan, now: Moment, actions: &mut Actions) {
        let Plan { admitted, qty, algorithm, stop_bps } = *plan;
        let until = now.at.plus_ns(admitted.horizon_ns);
        let order = OrderRequest {
            strength: admitted.confidence,
            ..OrderRequest::market(symbol, admitted.side, qty, now.price)
        };
        let horizon_ns = working_ns(&admitted);
        actions.push(Action::Execute(ParentOrder { order, algorithm, horizon_ns, limit: None }));
        self.taken.push(Taken::new(&admitted, now.price, until));
        self.trade = Some(Trade {
            side: admitted.side,
            until,
            stop: stop_price(now.price, admitted.side, stop_bps, self.tick),
            parent: None,
            is_working: true,
            is_leaving: false,
            exit_left: Qty::ZERO,
        });
    }

    fn wants_out(&self, now: Ts) -> bool {
        let is_due = self.trade.as_ref().is_some_and(|t| t.is_leaving || now >= t.until);
        is_due || self.next.is_some()
    }

    /// Ends the entry and closes the position, as far as either is there; called again until both are gone.
    fn leave(&mut self, symbol: SymbolId, is_single: bool, actions: &mut Actions) {
        let Some(trade) = &mut self.trade else { return };
        let was_leaving = std::mem::replace(&mut trade.is_leaving, true);
        if trade.is_working {
            match trade.parent {
                _ if was_leaving => {}
                Some(id) => actions.push(Action::StopExecution(id)),
                None if is_single => actions.push(Action::StopExecution(OrderId(0))),
                // Its number is not known before its first child traded or ended; that event asks again.
                None => trade.is_leaving = false,
            }
            return;
        }
        let held = self.position.abs();
        if trade.exit_left == Qty::ZERO && held > Qty::ZERO {
            trade.exit_left = held;
            let side = if self.position > Qty::ZERO { Side::Sell } else { Side::Buy };
            let price = self.last.map_or(trade.stop, |m| m.price);
            let exit = OrderRequest::market(symbol, side, held, price);
            actions.push(Action::Submit(OrderRequest { reduce_only: true, purpose: Purpose::Exit, ..exit }));
        }
    }

    /// Clears a trade that is over and takes the prediction that waited for it, if it still may be taken.
    fn settle(&mut self, symbol: SymbolId, now: Ts, actions: &mut Actions) {
        let is_over = self.trade.as_ref().is_some_and(|t| !t.is_working && t.exit_left == Qty::ZERO);
        if !is_over || self.position != Qty::ZERO {
            return;
        }
        self.trade = None;
        actions.push(Action::CancelAll(symbol));
        let Some(plan) = self.next.take() else { return };
        let Admitted { number, at, expires_at, received_at, .. } = plan.admitted;
        let word = too_late_or_early(at, expires_at, now).or(self.is_stale.then_some("refused"));
        match (word, self.last) {
            (None, Some(last)) => self.enter(symbol, &plan, Moment { at: now, ..last }, actions),
            (word, _) => {
                let word = word.unwrap_or("refused");
                actions.push(Action::Feedback(refused(number, symbol, received_at, word)));
            }
        }
    }
}

fn working_ns(admitted: &Admitted) -> i64 {
    (admitted.horizon_ns / WORKING_PART).max(Ts::MS)
}

impl Predictive {
    /// Flat, before the first prediction.
    #[must_use]
    pub fn new(params: PredictiveParams, market: &Market) -> Self {
        let (seconds, samples) = VOLATILITY_HALF_LIFE;
        let symbols = market.per_symbol(|spec| SymbolState {
            tick: spec.tick,
            lot: spec.lot,
            last: None,
            variance: VarianceRate::new(seconds, samples),
            position: Qty::ZERO,
            is_stale: false,
            protection: Protection::default(),
            trade: None,
            next: None,
            taken: Vec::new(),
        });
        let is_single = market.symbols.len() == 1;
        Self { params, capital: market.capital, driver: market.driver, is_single, symbols }
    }

    fn state(&mut self, symbol: SymbolId) -> Option<&mut SymbolState> {
        self.symbols.get_mut(symbol.index()).and_then(Option::as_mut)
    }

    fn on_prediction(&mut self, view: &PredictionView<'_>, actions: &mut Actions) {
        let is_single = self.is_single;
        let planned = self.plan(view);
        let Some(state) = self.state(view.symbol) else { return };
        let answer = |word| Action::Feedback(refused(view.number, view.symbol, view.at, word));
        let (plan, price) = match planned {
            Ok(planned) => planned,
            Err(word) => return actions.push(answer(word)),
        };
        match &state.trade {
            None => state.enter(view.symbol, &plan, Moment { symbol: view.symbol, at: view.at, price }, actions),
            Some(trade) if trade.side == plan.admitted.side || state.next.is_some() => actions.push(answer("busy")),
            Some(_) => {
                state.next = Some(plan);
                state.leave(view.symbol, is_single, actions);
                state.settle(view.symbol, view.at, actions);
            }
        }
    }

    /// The trade that a prediction comes to and the price it is decided at, or why it comes to none.
    fn plan(&self, view: &PredictionView<'_>) -> Result<(Plan, Price), &'static str> {
        let Some(Some(state)) = self.symbols.get(view.symbol.index()) else { return Err("refused") };
        let admitted = admit(view.prediction, view.number, view.at, &self.params)?;
        let (Some(last), false) = (state.last, state.is_stale) else { return Err("refused") };
        let (sigma_bps, volatility_bps) = state.volatility(&admitted).ok_or("refused")?;
        let share = share_pct(&self.params, admitted.confidence, volatility_bps);
        let qty = Budget::new(self.capital, share, state.lot).qty_at(last.price);
        if qty == Qty::ZERO {
            return Err("refused");
        }
        let task = state.task(&admitted, qty, last.price, sigma_bps);
        let algorithm = algorithm(view.prediction, &self.params, &task);
        Ok((Plan { admitted, algorithm, qty, stop_bps: self.params.stop_loss * volatility_bps }, last.price))
    }

    fn on_moment(&mut self, now: Moment, actions: &mut Actions) {
        let is_single = self.is_single;
        let Some(state) = self.state(now.symbol) else { return };
        state.last = Some(now);
        state.variance.update(now.at.0, now.price.to_f64());
        state.taken.retain_mut(|taken| match taken.feedback(now) {
            Some(view) => {
                actions.push(Action::Feedback(view));
                false
            }
            None => true,
        });
        if state.wants_out(now.at) {
            state.leave(now.symbol, is_single, actions);
            state.settle(now.symbol, now.at, actions);
        }
    }

    fn on_fill(&mut self, fill: &Fill, actions: &mut Actions) {
        let is_single = self.is_single;
        let order = &fill.order;
        let Some(state) = self.state(order.symbol) else { return };
        state.position += fill.change();
        let Some(trade) = &mut state.trade else { return };
        match order.purpose {
            Purpose::Entry => {
                trade.parent = Some(order.parent);
                if fill.held() > Qty::ZERO {
                    let stop = stop_order(order.symbol, trade.side, trade.stop, fill.held(), fill.price);
                    actions.push(Action::Submit(stop));
                }
            }
            Purpose::Exit => trade.exit_left = (trade.exit_left - fill.qty).max(Qty::ZERO),
            _ => {}
        }
        if state.position == Qty::ZERO {
            // A venue fills of a reducing order what there is to reduce; the rest of it may end without a word.
            trade.exit_left = Qty::ZERO;
            state.protection = Protection::default();
        }
        let is_stopped = order.purpose != Purpose::Entry;
        if is_stopped || state.wants_out(fill.at) {
            state.leave(order.symbol, is_single, actions);
            state.settle(order.symbol, fill.at, actions);
        }
    }

    fn on_worked(&mut self, worked: &Worked, actions: &mut Actions) {
        let is_single = self.is_single;
        let symbol = worked.parent.order.symbol;
        let Some(state) = self.state(symbol) else { return };
        if let Some(taken) = state.taken.iter_mut().find(|t| t.is_open()) {
            taken.worked(worked);
        }
        let Some(trade) = &mut state.trade else { return };
        trade.is_working = false;
        if trade.is_leaving {
            state.leave(symbol, is_single, actions);
        }
        state.settle(symbol, worked.at, actions);
    }

    fn on_update(&mut self, update: &OrderUpdate, actions: &mut Actions) {
        let order = &update.order;
        let Some(state) = self.state(order.symbol) else { return };
        let Some(trade) = &mut state.trade else { return };
        match order.purpose {
            // A child ended; its parent goes on or is reported as worked.
            Purpose::Entry if order.parent != OrderId(0) => trade.parent = Some(order.parent),
            // The whole entry was refused or vetoed before it began.
            Purpose::Entry => {
                state.trade = None;
                if let Some(i) = state.taken.iter().position(Taken::is_open) {
                    let taken = state.taken.remove(i);
                    actions.push(Action::Feedback(taken.not_begun(order.symbol)));
                }
            }
            // Tried again at the next price, unless the position went otherwise.
            Purpose::Exit => {
                trade.exit_left = Qty::ZERO;
                let now = state.last.map_or(order.decided_at, |m| m.at);
                state.settle(order.symbol, now, actions);
            }
            Purpose::StopLoss => state.stop_ended(update, actions),
            _ => {}
        }
    }
}

impl Strategy for Predictive {
    kept_whole!();

    fn observe(&mut self, bar: &Bar) {
        if self.driver == Driver::Bars
            && let Some(state) = self.state(bar.symbol)
        {
            state.last = Some(Moment { symbol: bar.symbol, at: bar.closed_at, price: bar.close });
            state.variance.update(bar.closed_at.0, bar.close.to_f64());
        }
    }

    fn works_orders(&self) -> bool {
        true
    }

    fn on_event(&mut self, event: Event<'_>, actions: &mut Actions) {
        match &event {
            Event::Prediction(view) => self.on_prediction(view, actions),
            Event::Fill(fill) => self.on_fill(fill, actions),
            Event::Worked(worked) => self.on_worked(worked, actions),
            Event::OrderUpdate(update) => self.on_update(update, actions),
            Event::Staleness(word) => {
                if let Some(state) = self.state(word.symbol) {
                    state.is_stale = word.is_stale;
                }
            }
            _ => {
                if let Some(now) = moment(self.driver, &event) {
                    self.on_moment(now, actions);
                }
                let is_single = self.is_single;
                if let Some(now) = proven(&event)
                    && let Some(state) = self.state(now.symbol)
                {
                    state.protect(now, is_single, actions);
                }
            }
        }
    }

    fn set_params(&mut self, params: &StrategyParams) {
        let StrategyParams::Predictive(p) = params else { return };
        self.params = p.clone();
    }

    fn set_capital(&mut self, capital: Money) {
        self.capital = capital;
    }
}

#[cfg(test)]
#[path = "predictive_tests.rs"]
mod tests;
