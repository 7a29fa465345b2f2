//! The only place where parameter names, units, bounds and steps are written.
//!
//! A parameter is a number on a grid: `minimum + k * step`. The schema of each struct is exported to
//! `strategies/schemas/<strategy>.json`; [`StrategyParams::validate`] reads that same schema, so a bound is written once.
//! `x-risk` says what may be narrowed without evidence: `cap` (lower is never more exposed) or `none`. `x-decides-on` says what a
//! strategy cannot do without: `bars` (or another event of the market, by its driver), `quotes`, `predictions` or `loans`. Only
//! the first can be judged by a backtest over bars.

use crate::RuleSet;
use crate::rules::RuleError;
use schemars::{Schema, schema_for};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

mod liquidation;
mod market_making;
mod micro_arbitrage;
mod momentum_scalping;
mod predictive;
mod rules;
mod sma_cross;

pub use liquidation::LiquidationParams;
pub use market_making::MarketMakingParams;
pub use micro_arbitrage::MicroArbitrageParams;
pub use momentum_scalping::MomentumScalpingParams;
pub use predictive::PredictiveParams;
pub use rules::RulesParams;
pub use sma_cross::SmaCrossParams;

/// Why parameters were refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ParamError {
    /// No strategy of that name.
    #[error("unknown strategy '{0}': one of {1}")]
    UnknownStrategy(String, String),
    /// A key the strategy does not have.
    #[error("{strategy} has no parameter '{name}': it has {known}")]
    Unknown {
        /// The strategy.
        strategy: String,
        /// The key.
        name: String,
        /// What it has.
        known: String,
    },
    /// A key is missing.
    #[error("{strategy}: parameter '{name}' is missing")]
    Missing {
        /// The strategy.
        strategy: String,
        /// The key.
        name: String,
    },
    /// Outside the bounds, or not a number.
    #[error("{strategy}.{name} = {value} is outside {minimum} to {maximum} {unit}")]
    OutOfBounds {
        /// The strategy.
        strategy: String,
        /// The key.
        name: String,
        /// What was given.
        value: f64,
        /// Lower bound.
        minimum: f64,
        /// Upper bound.
        maximum: f64,
        /// Unit of all three.
        unit: String,
    },
    /// Between two grid points.
    #[error("{strategy}.{name} = {value} is not on its grid: {minimum} + k x {step} {unit}")]
    OffGrid {
        /// The strategy.
        strategy: String,
        /// The key.
        name: String,
        /// What was given.
        value: f64,
        /// Where the grid starts.
        minimum: f64,
        /// Its step.
        step: f64,
        /// Unit.
        unit: String,
    },
    /// Two parameters contradict each other.
    #[error("{strategy}: {rule}")]
    Contradiction {
        /// The strategy.
        strategy: String,
        /// The broken rule.
        rule: String,
    },
}

/// One parameter as its schema tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamSpec {
    /// Its name.
    pub name: String,
    /// Lower bound and start of the grid.
    pub minimum: f64,
    /// Upper bound.
    pub maximum: f64,
    /// Distance of two grid points.
    pub step: f64,
    /// Unit of the value.
    pub unit: String,
    /// `cap` where lower is never more exposed, else `none`.
    pub risk: String,
}

macro_rules! strategy_params {
    ($($(#[$doc:meta])* $variant:ident($ty:ident) = $name:literal),+ $(,)?) => {
        /// The parameters of one strategy.
        #[derive(Clone, Debug, PartialEq)]
        pub enum StrategyParams {
            $($(#[$doc])* $variant($ty),)+
        }

        /// The strategies that exist, by name.
        pub const STRATEGIES: &[&str] = &[$($name),+];

        impl StrategyParams {
            /// The strategy's name.
            #[must_use]
            pub fn strategy(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)+ }
            }

            /// The values by name.
            #[must_use]
            pub fn values(&self) -> BTreeMap<String, f64> {
                let json = match self { $(Self::$variant(p) => serde_json::to_value(p),)+ };
                json.ok().and_then(|v| serde_json::from_value(v).ok()).unwrap_or_default()
            }

            /// The defaults of `strategy`.
            ///
            /// # Errors
            /// [`ParamError::UnknownStrategy`].
            pub fn defaults(strategy: &str) -> Result<Self, ParamError> {
                match strategy {
                    $($name => Ok(Self::$variant($ty::default())),)+
                    other => Err(unknown_strategy(other)),
                }
            }

            /// The JSON Schema of `strategy`.
            ///
            /// # Errors
            /// [`ParamError::UnknownStrategy`].
            pub fn schema(strategy: &str) -> Result<Schema, ParamError> {
                match strategy {
                    $($name => Ok(schema_for!($ty)),)+
                    other => Err(unknown_strategy(other)),
                }
            }

            fn build(strategy: &str, values: &BTreeMap<String, f64>) -> Result<Self, ParamError> {
                let json = serde_json::json!(values);
                let broken = |e: serde_json::Error| ParamError::Contradiction {
                    strategy: strategy.to_owned(), rule: e.to_string(),
                };
                match strategy {
                    $($name => serde_json::from_value(json).map(Self::$variant).map_err(broken),)+
                    other => Err(unknown_strategy(other)),
                }
            }
        }
    };
}

strategy_params! {
    /// Liquidates loans below water, on paper.
    Liquidation(LiquidationParams) = "liquidation",
    /// Quotes on both sides of the last price.
    MarketMaking(MarketMakingParams) = "market_making",
    /// Buys and sells the same thing at once, on two venues or round a triangle.
    MicroArbitrage(MicroArbitrageParams) = "micro_arbitrage",
    /// Follows short bursts with ATR stops.
    MomentumScalping(MomentumScalpingParams) = "momentum_scalping",
    /// Trades a model's predictions.
    Predictive(PredictiveParams) = "predictive",
    /// Follows a rule set given as data.
    Rules(RulesParams) = "rules",
    /// Two moving averages; the yardstick.
    SmaCross(SmaCrossParams) = "sma_cross",
}

fn unknown_strategy(name: &str) -> ParamError {
    ParamError::UnknownStrategy(name.chars().take(60).collect(), STRATEGIES.join(", "))
}

impl StrategyParams {
    /// The grid of `strategy`, in the order of names.
    ///
    /// # Errors
    /// [`ParamError::UnknownStrategy`].
    pub fn specs(strategy: &str) -> Result<Vec<ParamSpec>, ParamError> {
        let schema = Self::schema(strategy)?;
        let properties = schema.get("properties").and_then(|p| p.as_object()).cloned().unwrap_or_default();
        let number =
            |p: &serde_json::Value, key: &str| p.get(key).and_then(serde_json::Value::as_f64).unwrap_or(f64::NAN);
        let text =
            |p: &serde_json::Value, key: &str| p.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        let mut specs: Vec<ParamSpec> = properties
            .iter()
            .map(|(name, p)| ParamSpec {
                name: name.clone(),
                minimum: number(p, "minimum"),
                maximum: number(p, "maximum"),
                step: number(p, "x-step"),
                unit: text(p, "x-unit"),
                risk: text(p, "x-risk"),
            })
            .collect();
        specs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(specs)
    }

    /// What `strategy` cannot do without: `bars`, `quotes`, `predictions` or `loans`.
    ///
    /// # Errors
    /// [`ParamError::UnknownStrategy`].
    pub fn decides_on(strategy: &str) -> Result<String, ParamError> {
        let schema = Self::schema(strategy)?;
        Ok(schema.get("x-decides-on").and_then(|v| v.as_str()).unwrap_or_default().to_owned())
    }

    /// Turns named numbers into typed parameters: every key known and present, inside its bounds, on its grid.
    ///
    /// # Errors
    /// The first rule broken, in the order of parameter names.
    pub fn validate(strategy: &str, values: &BTreeMap<String, f64>) -> Result<Self, ParamError> {
        let specs = Self::specs(strategy)?;
        let owned = || strategy.to_owned();
        if let Some(name) = values.keys().find(|k| !specs.iter().any(|s| s.name == **k)) {
            let known = specs.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(ParamError::Unknown { strategy: owned(), name: name.chars().take(60).collect(), known });
        }
        for spec in &specs {
            let Some(&value) = values.get(&spec.name) else {
                return Err(ParamError::Missing { strategy: owned(), name: spec.name.clone() });
            };
            spec.check(strategy, value)?;
        }
        let params = Self::build(strategy, values)?;
        params.check_rules()?;
        Ok(params)
    }

    /// `sha256` over `strategy` and one `name=k` line per parameter, `k` its grid index: the same in every language.
    #[must_use]
    pub fn sha256(&self) -> String {
        let values = self.values();
        let mut text = format!("{}\n", self.strategy());
        for spec in Self::specs(self.strategy()).unwrap_or_default() {
            let value = values.get(&spec.name).copied().unwrap_or(f64::NAN);
            text.push_str(&format!("{}={}\n", spec.name, spec.grid_index(value)));
        }
        hex::encode(Sha256::digest(text.as_bytes()))
    }

    /// What identifies a strategy with a rule set: [`StrategyParams::sha256`] for one without, else the `sha256` over that and
    /// the rule set's own hash, each on its line. Another rule set is another strategy.
    ///
    /// # Errors
    /// A rule set that has no JSON form; [`RuleSet::validate`] refuses it before.
    pub fn sha256_with(&self, rules: Option<&RuleSet>) -> Result<String, RuleError> {
        let Some(rules) = rules else { return Ok(self.sha256()) };
        let text = format!("{}\nrules={}\n", self.sha256(), rules.sha256()?);
        Ok(hex::encode(Sha256::digest(text.as_bytes())))
    }

    fn check_rules(&self) -> Result<(), ParamError> {
        match self {
            Self::SmaCross(p) if p.fast >= p.slow => Err(ParamError::Contradiction {
                strategy: self.strategy().to_owned(),
                rule: format!("fast = {} must be below slow = {}", p.fast, p.slow),
            }),
            Self::Predictive(p) if p.min_horizon > p.max_horizon => Err(ParamError::Contradiction {
                strategy: self.strategy().to_owned(),
                rule: format!("min_horizon = {} s must not be above max_horizon = {} s", p.min_horizon, p.max_horizon),
            }),
            _ => Ok(()),
        }
    }
}

impl ParamSpec {
    /// The index of the grid point nearest to `value`.
    #[must_use]
    pub fn grid_index(&self, value: f64) -> i64 {
        ((value - self.minimum) / self.step).round() as i64
    }

    fn check(&self, strategy: &str, value: f64) -> Result<(), ParamError> {
        let tolerance = 1e-9 * self.step;
        let (strategy, name, unit) = (strategy.to_owned(), self.name.clone(), self.unit.clone());
        if !value.is_finite() || value < self.minimum - tolerance || value > self.maximum + tolerance {
            let (minimum, maximum) = (self.minimum, self.maximum);
            return Err(ParamError::OutOfBounds { strategy, name, value, minimum, maximum, unit });
        }
        let off = (value - self.minimum) / self.step - self.grid_index(value) as f64;
        if off.abs() > 1e-6 {
            let (minimum, step) = (self.minimum, self.step);
            return Err(ParamError::OffGrid { strategy, name, value, minimum, step, unit });
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "params_tests.rs"]
mod tests;
