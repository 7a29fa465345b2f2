//! What every strategy is.

use crate::state::StateError;
use crate::{
    liquidation::Liquidation, market_making::MarketMaking, micro_arbitrage::MicroArbitrage,
    momentum_scalping::MomentumScalping, predictive::Predictive, rules::Rules, sma_cross::SmaCross,
};
use model::rules::RuleError;
use model::{Actions, Bar, Costs, Driver, Event, Money, RuleSet, StrategyParams, SymbolId, SymbolSpec};

/// A strategy. It learns everything from events and answers with actions.
pub trait Strategy: Send {
    /// Feeds indicators with a closed bar and asks for nothing: the warm-up.
    fn observe(&mut self, bar: &Bar);

    /// Takes one event and may ask for actions.
    fn on_event(&mut self, event: Event<'_>, actions: &mut Actions);

    /// Takes closed bars of one symbol one after another, as [`Strategy::on_event`] does, up to the first that makes it ask for
    /// something; gives how many it took. One call costs less than many.
    fn on_bars(&mut self, bars: &[Bar], actions: &mut Actions) -> usize {
        for (n, bar) in bars.iter().enumerate() {
            self.on_event(Event::Bar(bar), actions);
            if !actions.is_empty() {
                return n + 1;
            }
        }
        bars.len()
    }

    /// Whether it may ask for `Action::Execute`; only then does the engine follow volumes for schedules.
    fn works_orders(&self) -> bool {
        false
    }

    /// Changes parameters between two events; positions and the history of indicators stay. Parameters of another strategy
    /// are ignored: the engine checks the name before it calls.
    fn set_params(&mut self, params: &StrategyParams);

    /// Follows another rule set between two events, with indicators as after `kept`, the bars of its symbols, oldest first in
    /// each. What the old rule set opened is left at the next bar. Only a follower of rules takes one: the engine checks the
    /// name before it calls.
    ///
    /// # Errors
    /// A rule set that [`RuleSet::validate`] refuses; nothing has changed then.
    fn set_rules(&mut self, _rules: &RuleSet, _kept: &[Bar]) -> Result<(), RuleError> {
        Ok(())
    }

    /// From now on sizes of new orders refer to this capital; open positions are the strategy's to close as they are.
    fn set_capital(&mut self, capital: Money);

    /// Everything it knows, for a snapshot.
    ///
    /// # Errors
    /// A value that has no form as bytes.
    fn save(&self) -> Result<Vec<u8>, StateError>;

    /// Goes on from what [`Strategy::save`] of the same strategy, built from the same configuration, wrote.
    ///
    /// # Errors
    /// The bytes are another strategy's or another build's; nothing has changed then.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError>;
}

/// The market an instance may trade and the capital its sizes refer to.
#[derive(Clone, Debug)]
pub struct Market {
    /// Its symbols.
    pub symbols: Vec<(SymbolId, SymbolSpec)>,
    /// Its own capital in quote currency, whole; see [`Strategy::set_capital`].
    pub capital: Money,
    /// Which events it decides on.
    pub driver: Driver,
    /// What its fills cost.
    pub costs: Costs,
    /// The program of strategy `rules`, validated.
    pub rules: Option<RuleSet>,
}

impl Market {
    /// One value per symbol, addressed by symbol id; `None` for symbols that are not traded.
    pub(crate) fn per_symbol<T>(&self, make: impl Fn(&SymbolSpec) -> T) -> Vec<Option<T>> {
        let length = self.symbols.iter().map(|(id, _)| id.index() + 1).max().unwrap_or(0);
        let mut slots: Vec<Option<T>> = (0..length).map(|_| None).collect();
        for (id, spec) in &self.symbols {
            slots[id.index()] = Some(make(spec));
        }
        slots
    }
}

/// The strategy that `params` belong to.
#[must_use]
pub fn build(params: &StrategyParams, market: &Market) -> Box<dyn Strategy> {
    match params {
        StrategyParams::Liquidation(p) => Box::new(Liquidation::new(p.clone(), market)),
        StrategyParams::MarketMaking(p) => Box::new(MarketMaking::new(p.clone(), market)),
        StrategyParams::MicroArbitrage(p) => Box::new(MicroArbitrage::new(p.clone(), market)),
        StrategyParams::MomentumScalping(p) => Box::new(MomentumScalping::new(p.clone(), market)),
        StrategyParams::Predictive(p) => Box::new(Predictive::new(p.clone(), market)),
        StrategyParams::Rules(p) => Box::new(Rules::new(p.clone(), market)),
        StrategyParams::SmaCross(p) => Box::new(SmaCross::new(p.clone(), market)),
    }
}
