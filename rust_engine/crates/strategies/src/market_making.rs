//! Quotes both sides of the market, leans against its inventory and never quotes past its cap.
//!
//! Layer `k` of `order_layers` stands `spread/2 + k * spread` from a centre. In mode 0 the spread is `spread_threshold` and the
//! centre gives way by `inventory_skew` half spreads at full inventory. In modes 1 and 2 both follow [`quoting`], from the
//! volatility of the prices it decides on and from the order arrivals that it measures, and `spread_threshold` is the least
//! spread. On candles every quote is replaced at every close; on prints, quotes and books only when its aim moved by a tick or a
//! quote filled, and quotes that are still right stay. While data are stale nothing is quoted.

mod ladder;
pub mod quoting;

use crate::driver::{Moment, moment, proven};
use crate::sizing::Budget;
use crate::state::kept_whole;
use crate::strategy::{Market, Strategy};
use indicators::{ArrivalIntensity, Intensity, VarianceRate};
use ladder::{Aim, Ladder};
use model::params::MarketMakingParams;
use model::{
    Action, Actions, Bar, Driver, Event, Fill, Money, OrderKind, OrderRequest, OrderUpdate, Price, Purpose, Qty, Side,
    Staleness, StrategyParams, SymbolSpec, TimeInForce,
};
use quoting::Quoting;
use serde::{Deserialize, Serialize};

/// Half-life of the volatility: seconds, or samples where those are rarer.
const VOLATILITY_HALF_LIFE: (f64, f64) = (300.0, 20.0);
/// Prints between two fits of the order arrivals.
const REFIT_EVERY: u32 = 100;

/// What the market looks like beyond its last price.
#[derive(Debug, Serialize, Deserialize)]
struct View {
    variance: VarianceRate,
    arrivals: ArrivalIntensity,
    fitted: Option<Intensity>,
    prints: u32,
    mid: Option<Price>,
    is_stale: bool,
}

impl View {
    fn new() -> Self {
        let (seconds, samples) = VOLATILITY_HALF_LIFE;
        Self {
            variance: VarianceRate::new(seconds, samples),
            arrivals: ArrivalIntensity::default(),
            fitted: None,
            prints: 0,
            mid: None,
            is_stale: false,
        }
    }

    fn learn(&mut self, event: &Event<'_>, seen: Price) {
        match event {
            Event::Trade(trade) => {
                let Some(mid) = self.mid else { return };
                self.arrivals.update(trade.at.0, seen.to_f64(), mid.to_f64());
                self.prints += 1;
                if self.prints >= REFIT_EVERY {
                    self.prints = 0;
                    self.fitted = self.arrivals.fit().or(self.fitted);
                }
            }
            Event::Quote(_) | Event::Book(_) => self.mid = Some(seen),
            _ => {}
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct SymbolState {
    tick: Price,
    lot: Qty,
    quote: Budget,
    cap: Budget,
    position: Qty,
    view: View,
    ladder: Ladder,
}

/// Centre and distance between the innermost quotes, in units of [`Price`].
#[derive(Clone, Copy, Debug)]
struct Target {
    centre: f64,
    spread: f64,
}

impl SymbolState {
    fn new(spec: &SymbolSpec, params: &MarketMakingParams, capital: Money) -> Self {
        Self {
            tick: spec.tick,
            lot: spec.lot,
            quote: Budget::new(capital, params.order_size, spec.lot),
            cap: Budget::new(capital, params.inventory_cap, spec.lot),
            position: Qty::ZERO,
            view: View::new(),
            ladder: Ladder::default(),
        }
    }

    /// Where to quote when one quote is `qty` and the inventory at most `cap`; `None` until the volatility is known.
    fn target(&self, params: &MarketMakingParams, price: Price, qty: Qty, cap: Qty) -> Option<Target> {
        let price = price.0 as f64;
        let least = price * params.spread_threshold * 1e-4;
        if params.mode == 0.0 {
            let inventory = (self.position.0 as f64 / cap.0 as f64).clamp(-1.0, 1.0);
            return Some(Target { centre: price - params.inventory_skew * inventory * least / 2.0, spread: least });
        }
        let quoting = self.quoting(params)?;
        let held = self.position.0 as f64 / qty.0 as f64;
        let centre = price * (1.0 - held * quoting.skew * 1e-4);
        Some(Target { centre, spread: (price * 2.0 * quoting.half_spread * 1e-4).max(least) })
    }

    /// The model's distances in bps.
    fn quoting(&self, params: &MarketMakingParams) -> Option<Quoting> {
        let sigma = self.view.variance.sigma()?;
        let assumed = Intensity { a: params.arrival_rate, k: params.arrival_decay };
        let Intensity { a, k } = self.view.fitted.unwrap_or(assumed);
        let gamma = params.risk_aversion;
        Some(if params.mode == 1.0 {
            quoting::avellaneda_stoikov(gamma, sigma, params.horizon, k)
        } else {
            quoting::glft(gamma, sigma, a, k, 1.0)
        })
    }

    /// The quotes of both sides, inner layers first, as far as the cap has room.
    fn wanted(
        &self,
        now: Moment,
        target: Target,
        layers: i64,
        (qty, cap): (Qty, Qty),
        mut want: impl FnMut(OrderRequest),
    ) {
        for (side, room) in [(Side::Buy, cap - self.position), (Side::Sell, cap + self.position)] {
            let mut room = room;
            for layer in 0..layers {
                if room < qty {
                    break;
                }
                let away = target.spread * (layer as f64 + 0.5) * side.sign() as f64;
                let exact = Price((target.centre - away) as i64);
                let price = match side {
                    Side::Buy => exact.round_down(self.tick),
                    Side::Sell => exact.round_up(self.tick),
                };
                if price > Price::ZERO {
                    let order = OrderRequest::market(now.symbol, side, qty, now.price);
                    want(OrderRequest { kind: OrderKind::Limit { price }, purpose: Purpose::Quote, ..order });
                    room -= qty;
                }
            }
        }
    }
}

/// The strategy.
#[derive(Debug, Serialize, Deserialize)]
pub struct MarketMaking {
    params: MarketMakingParams,
    capital: Money,
    driver: Driver,
    symbols: Vec<Option<SymbolState>>,
}

impl MarketMaking {
    /// Flat, without quotes.
    #[must_use]
    pub fn new(params: MarketMakingParams, market: &Market) -> Self {
        let symbols = market.per_symbol(|spec| SymbolState::new(spec, &params, market.capital));
        Self { params, capital: market.capital, driver: market.driver, symbols }
    }

    fn quote(&mut self, now: Moment, actions: &mut Actions) {
        let (params, driver) = (&self.params, self.driver);
        let Some(Some(state)) = self.symbols.get_mut(now.symbol.index()) else { return };
        state.view.variance.update(now.at.0, now.price.to_f64());
        if state.view.is_stale {
            return;
        }
        let sizes = (state.quote.qty_at(now.price), state.cap.qty_at(now.price));
        let is_tradable = sizes.0 > Qty::ZERO && sizes.1 > Qty::ZERO;
        let target = if is_tradable { state.target(params, now.price, sizes.0, sizes.1) } else { None };
        let layers = params.order_layers as i64;
        if driver == Driver::Bars {
            actions.push(Action::CancelAll(now.symbol));
            if let Some(target) = target {
                state.wanted(now, target, layers, sizes, |order| actions.push(Action::Submit(order)));
            }
            return;
        }
        let Some(target) = target else { return state.ladder.clear(now.symbol, actions) };
        let aim = Aim { bid: target.centre - target.spread / 2.0, ask: target.centre + target.spread / 2.0 };
        if !state.ladder.takes_aim(aim, state.tick) {
            return;
        }
        let mut orders = Vec::new();
        let resting = |order| OrderRequest { tif: TimeInForce::PostOnly, ..order };
        state.wanted(now, target, layers, sizes, |order| orders.push(resting(order)));
        let room = (sizes.1 - state.position, sizes.1 + state.position);
        state.ladder.change_to(now.symbol, &orders, room, actions);
    }

    fn state(&mut self, symbol: model::SymbolId) -> Option<&mut SymbolState> {
        self.symbols.get_mut(symbol.index()).and_then(Option::as_mut)
    }

    fn on_fill(&mut self, fill: &Fill) {
        if let Some(state) = self.state(fill.order.symbol) {
            state.position += fill.change();
            state.ladder.on_fill(&fill.order, fill.qty);
        }
    }

    fn on_update(&mut self, update: &OrderUpdate) {
        if let Some(state) = self.state(update.order.symbol) {
            state.ladder.on_ended(&update.order, update.reason);
        }
    }

    fn on_staleness(&mut self, staleness: &Staleness, actions: &mut Actions) {
        let Some(state) = self.state(staleness.symbol) else { return };
        state.view.is_stale = staleness.is_stale;
        if staleness.is_stale {
            state.ladder.abandon();
            actions.push(Action::CancelAll(staleness.symbol));
        }
    }
}

impl Strategy for MarketMaking {
    kept_whole!();

    fn observe(&mut self, bar: &Bar) {
        if self.driver == Driver::Bars
            && let Some(state) = self.state(bar.symbol)
        {
            state.view.variance.update(bar.closed_at.0, bar.close.to_f64());
        }
    }

    fn on_event(&mut self, event: Event<'_>, actions: &mut Actions) {
        match &event {
            Event::Fill(fill) => return self.on_fill(fill),
            Event::OrderUpdate(update) => return self.on_update(update),
            Event::Staleness(staleness) => return self.on_staleness(staleness, actions),
            _ => {}
        }
        if let Some(seen) = proven(&event)
            && let Some(state) = self.state(seen.symbol)
        {
            state.view.learn(&event, seen.price);
        }
        if let Some(now) = moment(self.driver, &event) {
            self.quote(now, actions);
        }
    }

    fn set_params(&mut self, params: &StrategyParams) {
        let StrategyParams::MarketMaking(p) = params else { return };
        self.params = p.clone();
        self.set_capital(self.capital);
    }

    fn set_capital(&mut self, capital: Money) {
        self.capital = capital;
        for state in self.symbols.iter_mut().flatten() {
            state.quote = Budget::new(capital, self.params.order_size, state.lot);
            state.cap = Budget::new(capital, self.params.inventory_cap, state.lot);
            state.ladder.reconsider();
        }
    }
}

#[cfg(test)]
#[path = "market_making_tests.rs"]
mod tests;
