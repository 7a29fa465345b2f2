//! One running strategy with its parameters, books and order counter.

use crate::error::CoreError;
use crate::ledger::Ledger;
use crate::recorder::Identity;
use model::message::ParamsAck;
use model::{InstanceConfig, Money, OrderId, StrategyParams, SymbolId, SymbolSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use strategies::{Market, Strategy};

pub(crate) struct Instance<T> {
    pub(crate) identity: Identity,
    pub(crate) params: StrategyParams,
    pub(crate) symbols: Vec<SymbolId>,
    pub(crate) capital: Money,
    pub(crate) strategy: Box<dyn Strategy>,
    pub(crate) ledger: Ledger<T>,
    /// Updates that were applied, so that a repeat is answered again and has no second effect.
    pub(crate) applied: BTreeMap<String, ParamsAck>,
    index: u64,
    orders: u64,
}

impl<T> Instance<T> {
    pub(crate) fn new(index: usize, config: &InstanceConfig, specs: &[SymbolSpec]) -> Result<Self, CoreError> {
        let name = &config.instance_id;
        let setup = |problem: String| CoreError::Setup { what: format!("instance '{name}'"), problem };
        let params = StrategyParams::validate(&config.strategy, &config.params)
            .map_err(|source| CoreError::Params { instance: name.clone(), source })?;
        if config.capital <= Money::ZERO {
            return Err(setup(format!("capital {} must be above zero", config.capital)));
        }
        let mut symbols = BTreeSet::new();
        for symbol in &config.symbols {
            let found = specs.iter().position(|s| s.name == *symbol);
            let id = found.ok_or_else(|| setup(format!("symbol '{symbol}' is not one of the configured symbols")))?;
            symbols.insert(SymbolId(id as u16));
        }
        if symbols.is_empty() {
            return Err(setup("trades no symbol; name at least one".to_owned()));
        }
        let symbols: Vec<SymbolId> = symbols.into_iter().collect();
        let market = Market {
            symbols: symbols.iter().map(|id| (*id, specs[id.index()].clone())).collect(),
            capital: config.capital,
        };
        let identity = Identity {
            instance_id: name.clone(),
            strategy: params.strategy(),
            mode: config.mode,
            version: config.version,
            params_sha256: Arc::from(params.sha256()),
        };
        Ok(Self {
            identity,
            strategy: strategies::build(&params, &market),
            params,
            symbols,
            capital: config.capital,
            ledger: Ledger::new(specs.len()),
            applied: BTreeMap::new(),
            index: index as u64,
            orders: 0,
        })
    }

    /// The next order id: unique in a run, and the same on every replay.
    pub(crate) fn next_order_id(&mut self) -> OrderId {
        self.orders += 1;
        OrderId(self.index << 48 | self.orders)
    }
}
