//! The registry: every column with its name, meaning and formula, and the hash by which models know it.

use super::columns;
use super::engine::Engine;
use super::graph::{Graph, Series};
use super::input::{INPUTS, Source};
use super::op::Kind;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// What a name that is no column's was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownColumn(pub String);

impl std::fmt::Display for UnknownColumn {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "'{}' is no feature and no indicator", self.0)
    }
}

impl std::error::Error for UnknownColumn {}

/// What makes a column comparable between symbols and times.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Normaliser {
    /// A share or a quotient, or its logarithm.
    Ratio,
    /// Deviations from a mean.
    Z,
    /// Place among the last values.
    Rank,
    /// An oscillator between fixed ends.
    Bounded,
    /// A difference of shares, or a change.
    Difference,
    /// A dimensionless coefficient: correlation, moment, regression.
    Coefficient,
    /// A number of the calendar, or an age.
    Plain,
    /// None: a raw indicator, which is no feature.
    None,
}

/// One column.
#[derive(Clone, Debug, Serialize)]
pub struct FeatureSpec {
    /// Its name; windows are in bars.
    pub name: String,
    /// What it is about.
    pub group: &'static str,
    /// Inputs read.
    pub inputs: Vec<&'static str>,
    /// Bars of a run before its first value, counted from the first that has its inputs.
    pub warmup_bars: usize,
    /// How far back it looks.
    pub kind: Kind,
    /// What makes it comparable.
    pub normaliser: Normaliser,
    /// Unit of its numbers.
    pub unit: &'static str,
    /// What it is, in terms of the inputs.
    pub formula: String,
}

/// One input.
#[derive(Clone, Debug, Serialize)]
pub struct InputSpec {
    /// Its name.
    pub name: &'static str,
    /// Where it comes from.
    pub source: Source,
    /// What it is, with its unit.
    pub about: &'static str,
}

/// What is written to `ml/features/registry.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Registry {
    /// Hash of inputs and features.
    pub schema_sha256: String,
    /// Inputs in the order in which a bar brings them.
    pub inputs: Vec<InputSpec>,
    /// Features in the order of a whole vector.
    pub features: Vec<FeatureSpec>,
}

/// Columns as they are defined: features for models, and raw indicators, which share their parts.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    pub(crate) graph: Graph,
    features: Vec<Column>,
    indicators: Vec<Column>,
    group: &'static str,
}

#[derive(Clone, Debug)]
struct Column {
    name: String,
    group: &'static str,
    normaliser: Normaliser,
    unit: &'static str,
    series: Series,
}

impl Columns {
    /// All columns there are.
    #[must_use]
    pub fn new() -> Self {
        let mut columns = Self::default();
        columns::define(&mut columns);
        columns
    }

    pub(crate) fn group(&mut self, group: &'static str) -> &mut Self {
        self.group = group;
        self
    }

    pub(crate) fn feature(&mut self, name: impl Into<String>, as_: Normaliser, unit: &'static str, series: Series) {
        let column = Column { name: name.into(), group: self.group, normaliser: as_, unit, series };
        self.features.push(column);
    }

    pub(crate) fn indicator(&mut self, name: impl Into<String>, series: Series) {
        let name = format!("raw.{}", name.into());
        let column = Column { name, group: "indicator", normaliser: Normaliser::None, unit: "", series };
        self.indicators.push(column);
    }

    fn spec(&self, column: &Column) -> FeatureSpec {
        FeatureSpec {
            name: column.name.clone(),
            group: column.group,
            inputs: self.graph.inputs(column.series).into_iter().map(|input| input.name()).collect(),
            warmup_bars: self.graph.warmup(column.series),
            kind: self.graph.kind(column.series),
            normaliser: column.normaliser,
            unit: column.unit,
            formula: self.graph.formula(column.series),
        }
    }

    /// The registry of the features.
    #[must_use]
    pub fn registry(&self) -> Registry {
        let inputs: Vec<_> = INPUTS
            .iter()
            .map(|input| InputSpec { name: input.name(), source: input.source(), about: input.about() })
            .collect();
        let features: Vec<_> = self.features.iter().map(|column| self.spec(column)).collect();
        let mut hash = Sha256::new();
        for input in &inputs {
            hash.update(format!("input {} {:?}\n", input.name, input.source));
        }
        for f in &features {
            hash.update(format!("{} {} {:?} {:?} {}\n", f.name, f.warmup_bars, f.kind, f.normaliser, f.unit));
            hash.update(format!("{}\n", f.formula));
        }
        Registry { schema_sha256: hex::encode(hash.finalize()), inputs, features }
    }

    /// The raw indicators, which are no features: price levels and cumulative sums among them.
    #[must_use]
    pub fn indicators(&self) -> Vec<FeatureSpec> {
        self.indicators.iter().map(|column| self.spec(column)).collect()
    }

    /// Names of the features, in the order of a whole vector.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.features.iter().map(|column| column.name.as_str()).collect()
    }

    /// The kernels of the columns named, and their formulas.
    pub(crate) fn engine(&self, names: &[&str]) -> Result<(Engine, Vec<String>), UnknownColumn> {
        let all: std::collections::HashMap<_, _> =
            self.features.iter().chain(&self.indicators).map(|column| (column.name.as_str(), column.series)).collect();
        let series = names
            .iter()
            .map(|name| all.get(name).copied().ok_or_else(|| UnknownColumn((*name).to_owned())))
            .collect::<Result<Vec<_>, _>>()?;
        let formulas = series.iter().map(|series| self.graph.formula(*series)).collect();
        Ok((Engine::new(&self.graph, &series), formulas))
    }
}
