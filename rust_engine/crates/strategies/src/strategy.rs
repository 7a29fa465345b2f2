//! What every strategy is.

use crate::{market_making::MarketMaking, momentum_scalping::MomentumScalping, sma_cross::SmaCross};
use model::{Actions, Bar, Event, Money, StrategyParams, SymbolId, SymbolSpec};

/// A strategy. It learns everything from events and answers with actions.
pub trait Strategy: Send {
    /// Feeds indicators with a closed bar and asks for nothing: the warm-up.
    fn observe(&mut self, bar: &Bar);

    /// Takes one event and may ask for actions.
    fn on_event(&mut self, event: Event<'_>, actions: &mut Actions);

    /// Changes parameters between two events; positions and the history of indicators stay. Parameters of another strategy
    /// are ignored: the engine checks the name before it calls.
    fn set_params(&mut self, params: &StrategyParams);
}

/// The market an instance may trade and the capital its sizes refer to.
#[derive(Clone, Debug)]
pub struct Market {
    /// Its symbols.
    pub symbols: Vec<(SymbolId, SymbolSpec)>,
    /// Its own capital in quote currency.
    pub capital: Money,
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
        StrategyParams::MarketMaking(p) => Box::new(MarketMaking::new(p.clone(), market)),
        StrategyParams::MomentumScalping(p) => Box::new(MomentumScalping::new(p.clone(), market)),
        StrategyParams::SmaCross(p) => Box::new(SmaCross::new(p.clone(), market)),
    }
}
