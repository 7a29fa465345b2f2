//! The loop. One bar in, everything it causes out, in one fixed order and on one thread.
//!
//! Inside one bar: what rests is matched and fills reach their strategies; the bar marks prices; each strategy sees the closed
//! bar; its orders pass the risk gate, large openings wait for advice, the rest goes to the venue for the **next** bar.

use crate::account::Account;
use crate::advice::{AdviceDesk, Held};
use crate::error::CoreError;
use crate::instance::Instance;
use crate::recorder::{Ask, Recorder, Wish};
use model::config::{AdvicePolicy, EngineConfig};
use model::{
    Action, Actions, Bar, CancelReason, Costs, Event, InstanceConfig, InstanceId, Money, OrderRequest, OrderUpdate,
    Price, Purpose, Qty, RiskLimits, SymbolSpec, Ts,
};
use risk::{RiskApproved, RiskGate};
use sim::{CostRates, Matched, Venue};
use std::collections::{BTreeMap, VecDeque};

/// Actions that may follow from one event before its strategy counts as looping.
const MAX_REACTIONS: usize = 4096;

/// What a core is made from.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// Symbols; a bar's symbol is an index into this list.
    pub symbols: &'a [SymbolSpec],
    /// What runs.
    pub instances: &'a [InstanceConfig],
    /// What trading costs.
    pub costs: Costs,
    /// Hard limits; `None` in backtests, where only the grid is checked.
    pub limits: Option<RiskLimits>,
    /// The advisor; `None` in backtests.
    pub advice: Option<AdvicePolicy>,
}

impl<'a> From<&'a EngineConfig> for Setup<'a> {
    fn from(config: &'a EngineConfig) -> Self {
        Self {
            symbols: &config.symbols,
            instances: &config.instances,
            costs: config.costs,
            limits: Some(config.limits.clone()),
            advice: Some(config.advice.clone()),
        }
    }
}

/// Prices and time as the events told them.
pub(crate) struct Clockwork {
    pub(crate) last: Vec<Price>,
    pub(crate) last_closed: Vec<Ts>,
    pub(crate) now: Ts,
    pub(crate) bars: u64,
}

/// The engine: instances, the risk gate and one simulated venue. No clock, no I/O, no randomness.
pub struct Core<R: Recorder> {
    pub(crate) symbols: Vec<SymbolSpec>,
    pub(crate) instances: Vec<Instance<R::Tag>>,
    watchers: Vec<Vec<usize>>,
    pub(crate) gate: RiskGate,
    pub(crate) venue: Venue<R::Tag>,
    rates: CostRates,
    pub(crate) market: Clockwork,
    pub(crate) desk: AdviceDesk<R::Tag>,
    pub(crate) commands: BTreeMap<String, model::message::CommandAck>,
    pub(crate) recorder: R,
    matched: Vec<Matched<R::Tag>>,
    actions: Actions,
    pub(crate) notices: VecDeque<OrderUpdate>,
}

fn check_symbols(symbols: &[SymbolSpec]) -> Result<(), CoreError> {
    let refuse = |what: String, problem: &str| Err(CoreError::Setup { what, problem: problem.to_owned() });
    if symbols.is_empty() || symbols.len() > usize::from(u16::MAX) {
        return refuse("symbols".to_owned(), "needs 1 to 65535 of them");
    }
    for (i, spec) in symbols.iter().enumerate() {
        if spec.tick <= Price::ZERO || spec.lot <= Qty::ZERO {
            return refuse(format!("symbol '{}'", spec.name), "tick and lot must be above zero");
        }
        if symbols[..i].iter().any(|s| s.name == spec.name) {
            return refuse(format!("symbol '{}'", spec.name), "is configured twice; remove one");
        }
    }
    Ok(())
}

impl<R: Recorder> Core<R> {
    /// A core in state `Active` that has seen nothing.
    ///
    /// # Errors
    /// The first thing in the configuration that cannot be.
    pub fn new(setup: &Setup<'_>, recorder: R) -> Result<Self, CoreError> {
        check_symbols(setup.symbols)?;
        let n = setup.symbols.len();
        let mut instances: Vec<Instance<R::Tag>> = Vec::new();
        let mut watchers = vec![Vec::new(); n];
        for (i, config) in setup.instances.iter().enumerate() {
            if instances.iter().any(|other| other.identity.instance_id == config.instance_id) {
                let what = format!("instance '{}'", config.instance_id);
                return Err(CoreError::Setup { what, problem: "is configured twice; rename one".to_owned() });
            }
            let instance = Instance::new(i, config, setup.symbols)?;
            instance.symbols.iter().for_each(|symbol| watchers[symbol.index()].push(i));
            instances.push(instance);
        }
        Ok(Self {
            symbols: setup.symbols.to_vec(),
            instances,
            watchers,
            gate: RiskGate::new(setup.limits.clone(), setup.symbols)?,
            venue: Venue::new(n),
            rates: CostRates::try_from(&setup.costs)?,
            market: Clockwork {
                last: vec![Price::ZERO; n],
                last_closed: vec![Ts(i64::MIN); n],
                now: Ts(i64::MIN),
                bars: 0,
            },
            desk: AdviceDesk::new(setup.advice.clone()),
            commands: BTreeMap::new(),
            recorder,
            matched: Vec::new(),
            actions: Actions::default(),
            notices: VecDeque::new(),
        })
    }

    /// Shows a closed bar to indicators and strategies; no order comes of it.
    ///
    /// # Errors
    /// As [`Core::on_bar`].
    pub fn warm_up(&mut self, bar: &Bar) -> Result<(), CoreError> {
        self.check_bar(bar)?;
        self.accept(bar);
        for &i in &self.watchers[bar.symbol.index()] {
            self.instances[i].strategy.observe(bar);
        }
        Ok(())
    }

    /// Plays one closed bar.
    ///
    /// # Errors
    /// A bar that is not sound, goes back in time or is of an unknown symbol is refused and changes nothing; so is any bar
    /// while an order waits for advice.
    pub fn on_bar(&mut self, bar: &Bar) -> Result<(), CoreError> {
        self.check_bar(bar)?;
        if !self.desk.held.is_empty() {
            return Err(CoreError::AdvicePending { n: self.desk.held.len() });
        }
        self.fill_from(bar)?;
        self.accept(bar);
        self.desk.started_at(bar.closed_at);
        self.market.bars += 1;
        let symbol = bar.symbol.index();
        for k in 0..self.watchers[symbol].len() {
            let i = self.watchers[symbol][k];
            self.deliver(i, Event::Bar(bar), bar.closed_at)?;
        }
        Ok(())
    }

    fn check_bar(&self, bar: &Bar) -> Result<(), CoreError> {
        let (at, i) = (bar.closed_at, bar.symbol.index());
        if i >= self.symbols.len() {
            return Err(CoreError::UnknownSymbol { symbol: bar.symbol.0, at, known: self.symbols.len() });
        }
        let symbol = || self.symbols[i].name.clone();
        if !bar.is_sound() {
            return Err(CoreError::Unsound { symbol: symbol(), at });
        }
        let known = self.market.last_closed[i];
        if bar.opened_at < known || at < self.market.now {
            let known = known.max(self.market.now);
            return Err(CoreError::BackInTime { symbol: symbol(), opened_at: bar.opened_at, closed_at: at, known });
        }
        Ok(())
    }

    fn accept(&mut self, bar: &Bar) {
        let i = bar.symbol.index();
        self.market.last[i] = bar.close;
        self.market.last_closed[i] = bar.closed_at;
        self.market.now = bar.closed_at;
        self.recorder.observed(bar);
    }

    fn fill_from(&mut self, bar: &Bar) -> Result<(), CoreError> {
        if self.venue.is_quiet(bar.symbol) {
            return Ok(());
        }
        let mut matched = std::mem::take(&mut self.matched);
        self.venue.match_bar(bar, &mut matched);
        for order in matched.drain(..) {
            let i = order.instance().index();
            let position = self.instances[i].ledger.position(bar.symbol.index());
            match order.into_fill(bar, position, &self.rates) {
                Ok((fill, tag)) => {
                    self.recorder.filled(&fill);
                    let Instance { ledger, identity, .. } = &mut self.instances[i];
                    let recorder = &mut self.recorder;
                    ledger.apply(&fill, tag, |trade| recorder.closed(identity, &trade));
                    self.deliver(i, Event::Fill(&fill), fill.at)?;
                }
                Err(update) => {
                    self.notices.push_back(update);
                    self.deliver_notices(bar.closed_at)?;
                }
            }
        }
        self.matched = matched;
        Ok(())
    }

    /// Tells instance `i` of one event and does what it asks, until nobody asks for more.
    pub(crate) fn deliver(&mut self, i: usize, event: Event<'_>, at: Ts) -> Result<(), CoreError> {
        let mut actions = std::mem::take(&mut self.actions);
        self.instances[i].strategy.on_event(event, &mut actions);
        if !actions.is_empty() {
            for action in actions.as_slice() {
                self.act(i, action, at);
            }
            actions.clear();
        }
        self.actions = actions;
        if self.notices.is_empty() { Ok(()) } else { self.deliver_notices(at) }
    }

    /// Tells strategies of orders that ended, and of what follows from that.
    pub(crate) fn deliver_notices(&mut self, at: Ts) -> Result<(), CoreError> {
        let mut actions = std::mem::take(&mut self.actions);
        let mut reactions = 0;
        while let Some(update) = self.notices.pop_front() {
            let i = update.order.instance.index();
            self.instances[i].strategy.on_event(Event::OrderUpdate(&update), &mut actions);
            reactions += actions.as_slice().len();
            for action in actions.as_slice() {
                self.act(i, action, at);
            }
            actions.clear();
            if reactions > MAX_REACTIONS {
                let instance = self.instances[i].identity.instance_id.clone();
                return Err(CoreError::Runaway { instance, limit: MAX_REACTIONS });
            }
        }
        self.actions = actions;
        Ok(())
    }

    fn act(&mut self, i: usize, action: &Action, at: Ts) {
        let id = InstanceId(i as u16);
        let notices = &mut self.notices;
        let mut ended = |order| notices.push_back(OrderUpdate { order, reason: CancelReason::Requested });
        match action {
            Action::Submit(order) => self.submit(i, *order, at),
            Action::Cancel(order) => self.venue.cancel(id, *order, ended),
            Action::CancelAll(symbol) => self.venue.cancel_where(id, *symbol, |_| true, &mut ended),
            Action::Skip(view) => {
                let wish = Wish {
                    symbol: view.symbol,
                    side: view.side,
                    strength: view.strength,
                    price: view.price,
                    qty: Qty::ZERO,
                    at,
                };
                self.recorder.wished(&self.instances[i].identity, &wish, view.skipped);
            }
        }
    }

    pub(crate) fn submit(&mut self, i: usize, mut order: OrderRequest, at: Ts) {
        let instance = &mut self.instances[i];
        (order.id, order.instance, order.decided_at) = (instance.next_order_id(), InstanceId(i as u16), at);
        let Some(approved) = self.approve(order) else { return };
        let instance = &self.instances[i];
        let tag = self.recorder.tag(&instance.identity, &order);
        if !self.desk.wants(instance.identity.mode, &order) {
            self.place(approved, tag);
            return;
        }
        let pending = self.desk.next_request(&instance.identity.instance_id, at);
        let ask = Ask {
            advice_id: pending.advice_id.clone(),
            order,
            deadline: pending.deadline,
            krw_per_quote: self.desk.rate_at(at),
            equity: instance.capital + instance.ledger.profit(&self.market.last),
            position: instance.ledger.position(order.symbol.index()),
        };
        self.recorder.asked(&instance.identity, &ask);
        self.desk.held.push(Held { pending, order, tag });
    }

    /// Passes an order through the gate; a refusal is recorded and its strategy is told.
    pub(crate) fn approve(&mut self, order: OrderRequest) -> Option<RiskApproved<OrderRequest>> {
        let account = Account { instances: &self.instances, venue: &self.venue, last: &self.market.last };
        match self.gate.approve(order, &account) {
            Ok(approved) => Some(approved),
            Err(refused) => {
                self.end_unsent(&refused.order, CancelReason::Refused, refused.rule.as_str());
                None
            }
        }
    }

    /// Sends an approved order to the venue.
    pub(crate) fn place(&mut self, approved: RiskApproved<OrderRequest>, tag: R::Tag) {
        let order = *approved.get();
        self.record_wish(&order, "taken");
        self.recorder.sent(&order);
        self.venue.send(approved, tag);
    }

    /// Ends an order that never reached the venue.
    pub(crate) fn end_unsent(&mut self, order: &OrderRequest, reason: CancelReason, outcome: &str) {
        self.record_wish(order, outcome);
        self.notices.push_back(OrderUpdate { order: *order, reason });
    }

    // Quotes are renewed at every bar and say nothing about a market view: only entries are signals.
    fn record_wish(&mut self, order: &OrderRequest, outcome: &str) {
        if order.purpose == Purpose::Entry && !order.reduce_only {
            let identity = &self.instances[order.instance.index()].identity;
            self.recorder.wished(identity, &Wish::from(order), outcome);
        }
    }

    /// Close of the last bar; the smallest time before the first one.
    #[must_use]
    pub fn now(&self) -> Ts {
        self.market.now
    }

    /// Bars traded so far, without the warm-up.
    #[must_use]
    pub fn bars(&self) -> u64 {
        self.market.bars
    }

    /// Profit of one instance after costs, open positions at the last prices.
    #[must_use]
    pub fn profit(&self, instance: usize) -> Money {
        self.instances[instance].ledger.profit(&self.market.last)
    }

    /// The recorder, when the run is over.
    pub fn into_recorder(self) -> R {
        self.recorder
    }
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
