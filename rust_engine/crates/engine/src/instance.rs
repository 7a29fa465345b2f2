//! One running strategy with its parameters, books and order counter.

use crate::error::CoreError;
use crate::ledger::Ledger;
use crate::recorder::Identity;
use model::message::ParamsAck;
use model::{Costs, InstanceConfig, Money, OrderId, StrategyParams, SymbolId, SymbolSpec};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use strategies::state::{StateError, from_bytes, to_bytes};
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
    pub(crate) fn new(
        index: usize,
        config: &InstanceConfig,
        specs: &[SymbolSpec],
        costs: Costs,
    ) -> Result<Self, CoreError> {
        let name = &config.instance_id;
        let setup = |problem: String| CoreError::Setup { what: format!("instance '{name}'"), problem };
        let params = StrategyParams::validate(&config.strategy, &config.params)
            .map_err(|source| CoreError::Params { instance: name.clone(), source })?;
        if config.capital <= Money::ZERO {
            return Err(setup(format!("capital {} must be above zero", config.capital)));
        }
        match &config.rules {
            Some(rules) if config.strategy == "rules" => rules.validate().map_err(|e| setup(e.to_string()))?,
            Some(_) => return Err(setup(format!("'{}' takes no rules; remove them", config.strategy))),
            None if config.strategy == "rules" => return Err(setup("has no rules to follow; add `rules`".to_owned())),
            None => {}
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
            driver: config.driver,
            costs,
            rules: config.rules.clone(),
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

    /// What it knows beside its configuration.
    pub(crate) fn save(&self) -> Result<Vec<u8>, StateError>
    where
        T: Serialize,
    {
        let Self { identity, params, symbols: _, capital: _, strategy, ledger, applied, index: _, orders } = self;
        let strategy = ByteBuf::from(strategy.save()?);
        to_bytes(&(identity.version, params.values(), strategy, ledger, applied, orders))
    }

    /// Goes on from what [`Instance::save`] wrote.
    pub(crate) fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError>
    where
        T: DeserializeOwned,
    {
        let (version, values, strategy, ledger, applied, orders): (_, _, ByteBuf, _, _, _) = from_bytes(bytes)?;
        let name = self.identity.strategy;
        let params = StrategyParams::validate(name, &values).map_err(|e| StateError::new(name, &e))?;
        self.strategy.restore(&strategy)?;
        self.identity.version = version;
        self.identity.params_sha256 = Arc::from(params.sha256());
        (self.params, self.ledger, self.applied, self.orders) = (params, ledger, applied, orders);
        Ok(())
    }

    /// The next order id: unique in a run, and the same on every replay.
    pub(crate) fn next_order_id(&mut self) -> OrderId {
        self.orders += 1;
        OrderId(self.index << 48 | self.orders)
    }
}
