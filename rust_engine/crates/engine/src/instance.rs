//! One running strategy with its parameters, books and order counter.

use crate::core::Setup;
use crate::error::CoreError;
use crate::kept::KeptBars;
use crate::ledger::Ledger;
use crate::recorder::Identity;
use model::message::ParamsAck;
use model::{Driver, InstanceConfig, Money, OrderId, RuleSet, StrategyParams, SymbolId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use strategies::state::{StateError, from_bytes, to_bytes};
use strategies::{Market, Strategy};

/// Ids are kept in 80 characters: the rest is for the number.
const MAX_ORIGIN: usize = 60;

pub(crate) struct Instance<T> {
    pub(crate) identity: Identity,
    pub(crate) params: StrategyParams,
    /// The program of strategy `rules`: the configured one, until an update brings another.
    rules: Option<RuleSet>,
    pub(crate) symbols: Vec<SymbolId>,
    /// As configured: what a share of one is.
    pub(crate) capital: Money,
    pub(crate) capital_share: f64,
    pub(crate) strategy: Box<dyn Strategy>,
    pub(crate) ledger: Ledger<T>,
    /// Updates that were applied, so that a repeat is answered again and has no second effect.
    pub(crate) applied: BTreeMap<String, ParamsAck>,
    index: u64,
    orders: u64,
}

impl<T> Instance<T> {
    pub(crate) fn new(index: usize, config: &InstanceConfig, setup: &Setup<'_>) -> Result<Self, CoreError> {
        let (specs, costs, engine_id) = (setup.symbols, setup.costs, setup.engine_id);
        let name = &config.instance_id;
        let setup = |problem: String| CoreError::Setup { what: format!("instance '{name}'"), problem };
        let origin = origin_of(engine_id, name).map_err(setup)?;
        let params = StrategyParams::validate(&config.strategy, &config.params)
            .map_err(|source| CoreError::Params { instance: name.clone(), source })?;
        if config.capital <= Money::ZERO {
            return Err(setup(format!("capital {} must be above zero", config.capital)));
        }
        check_program(config).map_err(setup)?;
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
            origin,
            strategy: params.strategy(),
            mode: config.mode,
            version: config.version,
            params_sha256: Arc::from(params.sha256_with(config.rules.as_ref()).map_err(|e| setup(e.to_string()))?),
        };
        let mut instance = Self {
            identity,
            strategy: strategies::build(&params, &market),
            params,
            rules: market.rules,
            symbols,
            capital: config.capital,
            capital_share: 1.0,
            ledger: Ledger::new(specs.len()),
            applied: BTreeMap::new(),
            index: index as u64,
            orders: 0,
        };
        if config.capital_share != 1.0 {
            instance.set_share(config.capital_share);
        }
        Ok(instance)
    }

    /// The hash of this instance with other parameters and, where one is given, another rule set.
    pub(crate) fn sha256_of(&self, params: &StrategyParams, rules: Option<&RuleSet>) -> Result<String, String> {
        params.sha256_with(rules.or(self.rules.as_ref())).map_err(|e| e.to_string())
    }

    /// Whether it runs strategy `rules`.
    pub(crate) fn is_follower(&self) -> bool {
        self.rules.is_some()
    }

    /// Whether this is the rule set that runs.
    pub(crate) fn follows(&self, rules: &RuleSet) -> bool {
        self.rules.as_ref() == Some(rules)
    }

    /// Follows another rule set from now on. An error changes nothing.
    pub(crate) fn follow(&mut self, rules: RuleSet, kept: &KeptBars) -> Result<(), String> {
        self.strategy.set_rules(&rules, &kept.of(&self.symbols)).map_err(|e| e.to_string())?;
        self.rules = Some(rules);
        Ok(())
    }

    /// What it knows beside its configuration.
    pub(crate) fn save(&self) -> Result<Vec<u8>, StateError>
    where
        T: Serialize,
    {
        let Self {
            identity,
            params,
            rules,
            symbols: _,
            capital: _,
            capital_share,
            strategy,
            ledger,
            applied,
            index: _,
            orders,
        } = self;
        let running = (identity.version, &*identity.params_sha256, params.values(), capital_share);
        let name = identity.strategy;
        let rules = rules.as_ref().map(RuleSet::canonical_json).transpose().map_err(|e| StateError::new(name, &e))?;
        let strategy = ByteBuf::from(strategy.save()?);
        to_bytes(&(running, rules, strategy, ledger, applied, orders))
    }

    /// Goes on from what [`Instance::save`] wrote.
    pub(crate) fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError>
    where
        T: DeserializeOwned,
    {
        type Running<V, P> = (V, String, P, f64);
        type Parts<V, P, L, A, O> = (Running<V, P>, Option<String>, ByteBuf, L, A, O);
        let (running, rules, strategy, ledger, applied, orders): Parts<_, _, _, _, _> = from_bytes(bytes)?;
        let (version, sha256, values, capital_share) = running;
        let name = self.identity.strategy;
        let params = StrategyParams::validate(name, &values).map_err(|e| StateError::new(name, &e))?;
        let rules = rules.as_deref().map(RuleSet::parse).transpose().map_err(|e| StateError::new(name, &e))?;
        let found = params.sha256_with(rules.as_ref()).map_err(|e| StateError::new(name, &e))?;
        if found != sha256 {
            return Err(StateError::new(
                name,
                &format!("it is of {sha256}, and parameters with rules hash to {found}"),
            ));
        }
        self.strategy.restore(&strategy)?;
        (self.identity.version, self.capital_share) = (version, capital_share);
        self.identity.params_sha256 = Arc::from(sha256);
        (self.params, self.rules, self.ledger, self.applied, self.orders) = (params, rules, ledger, applied, orders);
        Ok(())
    }

    /// The next order id: unique in a run, and the same on every replay.
    pub(crate) fn next_order_id(&mut self) -> OrderId {
        self.orders += 1;
        OrderId(self.index << 48 | self.orders)
    }
}

/// What the instance's ids begin with.
fn origin_of(engine_id: &str, instance_id: &str) -> Result<String, String> {
    let origin = if engine_id.is_empty() { instance_id.to_owned() } else { format!("{engine_id}:{instance_id}") };
    let n = origin.chars().count();
    if n <= MAX_ORIGIN {
        return Ok(origin);
    }
    Err(format!(
        "'{origin}' begins every id and has {n} characters; shorten engine_id or the name to {MAX_ORIGIN} in all"
    ))
}

/// Whether the configuration gives the strategy what it decides on and by.
fn check_program(config: &InstanceConfig) -> Result<(), String> {
    match &config.rules {
        Some(rules) if config.strategy == "rules" => rules.validate().map_err(|e| e.to_string())?,
        Some(_) => return Err(format!("'{}' takes no rules; remove them", config.strategy)),
        None if config.strategy == "rules" => return Err("has no rules to follow; add `rules`".to_owned()),
        None => {}
    }
    let decides_on = StrategyParams::decides_on(&config.strategy).map_err(|e| e.to_string())?;
    match config.driver {
        Driver::Bars | Driver::Trades if decides_on == "quotes" => Err(format!(
            "'{}' decides on quotes and books, and bars and prints name no price on offer; set driver to quotes or book",
            config.strategy
        )),
        _ => Ok(()),
    }
}
