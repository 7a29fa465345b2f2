//! The engine's state, and how it is made. What happens to it is in [`crate::flow`] (the market in), [`crate::orders`]
//! (requests out) and [`crate::control`] (people and models in between).

use crate::advice::AdviceDesk;
use crate::error::CoreError;
use crate::exchange::Exchange;
use crate::external::Sight;
use crate::flatten::Flattening;
use crate::instance::Instance;
use crate::kept::KeptBars;
use crate::ledger::Holding;
use crate::models::PredictionBook;
use crate::recorder::Recorder;
use crate::share;
use model::config::{AdvicePolicy, EngineConfig};
use model::{
    Actions, Costs, InstanceConfig, Mode, Money, OrderUpdate, Price, Qty, RiskLimits, SymbolId, SymbolSpec, Ts,
    VenueConfig, VenueModel,
};
use risk::RiskGate;
use serde::{Deserialize, Serialize};
use sim::{CostRates, FeeSchedule, Matched, VenueOutcome};
use std::collections::{BTreeMap, VecDeque};

/// What a core is made from.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// The engine's name; empty in backtests.
    pub engine_id: &'a str,
    /// Symbols; a bar's symbol is an index into this list.
    pub symbols: &'a [SymbolSpec],
    /// What runs.
    pub instances: &'a [InstanceConfig],
    /// What trading costs.
    pub costs: Costs,
    /// How the simulated venue fills.
    pub venue: VenueConfig,
    /// Hard limits; `None` in backtests, where only the grid is checked.
    pub limits: Option<RiskLimits>,
    /// The advisor; `None` in backtests.
    pub advice: Option<AdvicePolicy>,
}

impl<'a> From<&'a EngineConfig> for Setup<'a> {
    fn from(config: &'a EngineConfig) -> Self {
        Self {
            engine_id: &config.engine_id,
            symbols: &config.symbols,
            instances: &config.instances,
            costs: config.costs,
            venue: config.venue.clone(),
            limits: Some(config.limits.clone()),
            advice: Some(config.advice.clone()),
        }
    }
}

/// What tells a symbol's last price; a later one outranks those before it for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Source {
    /// Prints and closes.
    Deals,
    /// A book, which says what can be had between two deals.
    Book,
    /// Quotes, which exchanges send sooner than the book around them.
    Quotes,
}

/// Prices and time as the events told them.
#[derive(Serialize, Deserialize)]
pub(crate) struct Clockwork {
    pub(crate) last: Vec<Price>,
    pub(crate) last_closed: Vec<Ts>,
    /// Half the distance between the best prices; zero while nobody told them.
    half_spread: Vec<Price>,
    /// What the last price is from.
    source: Vec<Source>,
    pub(crate) stale: Vec<bool>,
    pub(crate) now: Ts,
    pub(crate) bars: u64,
    /// When the account's equity was last looked at.
    pub(crate) looked_at: Ts,
}

impl Clockwork {
    /// Takes the price of a print or a candle.
    pub(crate) fn tell_deal(&mut self, symbol: SymbolId, price: Price) {
        if self.source[symbol.index()] == Source::Deals {
            self.last[symbol.index()] = price;
        }
    }

    /// Takes the best prices of both sides, unless a better source tells those of this symbol. What is crossed tells nothing.
    pub(crate) fn tell_sides(&mut self, symbol: SymbolId, bid: Price, ask: Price, source: Source) {
        let i = symbol.index();
        if bid <= Price::ZERO || bid >= ask || source < self.source[i] {
            return;
        }
        let half = Price((ask.0 - bid.0) / 2);
        (self.source[i], self.half_spread[i], self.last[i]) = (source, half, bid + half);
    }

    /// What an order that leaves now is compared with.
    pub(crate) fn sight(&self, symbol: SymbolId) -> Sight {
        Sight { price: self.last[symbol.index()], half_spread: self.half_spread[symbol.index()] }
    }
}

/// The engine: instances, the risk gate and one simulated venue. No clock, no I/O, no randomness.
pub struct Core<R: Recorder> {
    pub(crate) symbols: Vec<SymbolSpec>,
    pub(crate) instances: Vec<Instance<R::Tag>>,
    pub(crate) watchers: Vec<Vec<usize>>,
    pub(crate) gate: RiskGate,
    pub(crate) exchange: Exchange<R::Tag>,
    pub(crate) rates: CostRates,
    /// By account of the exchange, so that no twin's volume moves the account's tier.
    pub(crate) fees: Vec<FeeSchedule>,
    pub(crate) market: Clockwork,
    pub(crate) desk: AdviceDesk<R::Tag>,
    pub(crate) parents: execution::Desk<R::Tag>,
    /// Whether a strategy may ask for orders to be worked, so that the desk must see the market at all.
    pub(crate) works_orders: bool,
    /// Whether the account has a limit on its losses, and whether a halt by one closes positions.
    pub(crate) limits_losses: bool,
    pub(crate) flattens: bool,
    pub(crate) flattening: Flattening,
    pub(crate) predictions: PredictionBook,
    pub(crate) commands: BTreeMap<String, model::message::CommandAck>,
    pub(crate) kept: KeptBars,
    pub(crate) recorder: R,
    pub(crate) matched: Vec<Matched<R::Tag>>,
    pub(crate) outcomes: Vec<VenueOutcome<R::Tag>>,
    pub(crate) actions: Actions,
    pub(crate) instructions: Vec<execution::Instruction<R::Tag>>,
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
        share::check_configured(setup.instances)?;
        let n = setup.symbols.len();
        let mut instances: Vec<Instance<R::Tag>> = Vec::new();
        let mut watchers = vec![Vec::new(); n];
        for (i, config) in setup.instances.iter().enumerate() {
            if instances.iter().any(|other| other.identity.instance_id == config.instance_id) {
                let what = format!("instance '{}'", config.instance_id);
                return Err(CoreError::Setup { what, problem: "is configured twice; rename one".to_owned() });
            }
            let instance = Instance::new(i, config, setup)?;
            instance.symbols.iter().for_each(|symbol| watchers[symbol.index()].push(i));
            instances.push(instance);
        }
        if setup.venue.simulated == VenueModel::External {
            let problem = "shadows and twins never leave the engine; set it to bars or book".to_owned();
            return Err(CoreError::Setup { what: "venue.simulated".to_owned(), problem });
        }
        let modes: Vec<Mode> = setup.instances.iter().map(|config| config.mode).collect();
        let works_orders = instances.iter().any(|instance| instance.strategy.works_orders());
        Ok(Self {
            symbols: setup.symbols.to_vec(),
            instances,
            watchers,
            gate: RiskGate::new(setup.limits.clone(), setup.symbols)?.with_modes(&modes),
            exchange: Exchange::new(&setup.venue, setup.symbols, &modes)?,
            rates: CostRates::try_from(&setup.costs)?,
            fees: vec![FeeSchedule::new(&setup.costs, &setup.venue.fee_tiers)?; 1 + modes.len()],
            market: Clockwork {
                last: vec![Price::ZERO; n],
                last_closed: vec![Ts(i64::MIN); n],
                half_spread: vec![Price::ZERO; n],
                source: vec![Source::Deals; n],
                stale: vec![false; n],
                now: Ts(i64::MIN),
                bars: 0,
                looked_at: Ts(i64::MIN),
            },
            desk: AdviceDesk::new(setup.advice.clone()),
            parents: execution::Desk::new(setup.venue.model == VenueModel::External),
            works_orders,
            limits_losses: setup.limits.as_ref().is_some_and(RiskLimits::limits_losses),
            flattens: setup.limits.as_ref().is_some_and(|limits| limits.flatten_on_halt),
            flattening: Flattening::default(),
            predictions: PredictionBook::default(),
            commands: BTreeMap::new(),
            kept: KeptBars::default(),
            recorder,
            matched: Vec::new(),
            outcomes: Vec::new(),
            actions: Actions::default(),
            instructions: Vec::new(),
            notices: VecDeque::new(),
        })
    }

    /// Close of the last bar; the smallest time before the first one.
    #[must_use]
    pub fn now(&self) -> Ts {
        self.market.now
    }

    /// When time must pass at the latest for schedules and a flatten to go on; `None` while only events can move them.
    #[must_use]
    pub fn next_due(&self) -> Option<Ts> {
        [self.parents.next_due(), self.exchange.next_due(), self.next_close()].into_iter().flatten().min()
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

    /// How many symbols are configured.
    #[must_use]
    pub fn n_symbols(&self) -> usize {
        self.symbols.len()
    }

    /// What one instance holds of the only symbol of a run with one symbol.
    #[must_use]
    pub fn holding(&self, instance: usize) -> Holding {
        self.instances[instance].ledger.holding()
    }

    /// The recorder, when the run is over.
    pub fn into_recorder(self) -> R {
        self.recorder
    }
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
