//! How long the engine takes, by stage.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

/// Quantiles that are told.
pub const QUANTILES: [(f64, &str); 3] = [(0.5, "p50"), (0.99, "p99"), (0.999, "p999")];
/// Figures are right to one part in a thousand.
const SIGNIFICANT_DIGITS: u8 = 3;

/// A stage between an event and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// An event is in: until the engine has decided on it.
    Decide,
    /// It is decided: until everything is durable and handed to the line.
    Send,
    /// It is sent: until the other side has acknowledged it.
    Ack,
    /// An order is sent: until its first fill.
    Fill,
    /// A signal of a model is in: until every strategy has decided on it.
    Signal,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 5] = [Self::Decide, Self::Send, Self::Ack, Self::Fill, Self::Signal];

    /// The stage's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decide => "decide",
            Self::Send => "send",
            Self::Ack => "ack",
            Self::Fill => "fill",
            Self::Signal => "signal",
        }
    }
}

/// Durations of one stage in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// How many were recorded.
    pub n: u64,
    /// Their sum.
    pub sum_ns: u128,
    /// The value below which that share of them lies, for 0.5, 0.99 and 0.999; empty without any.
    pub quantiles_ns: Vec<(f64, u64)>,
}

/// Histograms of every stage.
#[derive(Debug)]
pub struct LatencyBook {
    stages: [(Histogram<u64>, u128); Stage::ALL.len()],
}

impl LatencyBook {
    /// Empty histograms, which grow with the durations they get.
    ///
    /// # Errors
    /// Never with the number of digits used here.
    pub fn new() -> anyhow::Result<Self> {
        let histogram = Histogram::new(SIGNIFICANT_DIGITS)?;
        Ok(Self { stages: std::array::from_fn(|_| (histogram.clone(), 0)) })
    }

    /// Records a duration that `n` events took each.
    pub fn record(&mut self, stage: Stage, ns: u64, n: u64) {
        let (histogram, sum_ns) = &mut self.stages[stage as usize];
        // The histogram grows to any value of 64 bits but the largest few, which no duration is.
        if histogram.record_n(ns, n).is_ok() {
            *sum_ns += u128::from(ns) * u128::from(n);
        }
    }

    /// What one stage took.
    #[must_use]
    pub fn summary(&self, stage: Stage) -> Summary {
        let (histogram, sum_ns) = &self.stages[stage as usize];
        let quantile = |(q, _): (f64, &str)| (q, histogram.value_at_quantile(q));
        let n = histogram.len();
        let quantiles_ns = if n == 0 { Vec::new() } else { QUANTILES.map(quantile).to_vec() };
        Summary { n, sum_ns: *sum_ns, quantiles_ns }
    }

    /// `{"decide": {"n": 3, "p50_ns": …, "p99_ns": …, "p999_ns": …}, …}`; stages without a record are left out.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut told = Map::new();
        for stage in Stage::ALL {
            let summary = self.summary(stage);
            if summary.n > 0 {
                let mut figures = Map::from_iter([("n".to_owned(), json!(summary.n))]);
                for ((_, name), (_, ns)) in QUANTILES.iter().zip(summary.quantiles_ns) {
                    figures.insert(format!("{name}_ns"), json!(ns));
                }
                told.insert(stage.as_str().to_owned(), Value::Object(figures));
            }
        }
        Value::Object(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let mut book = LatencyBook::new().unwrap();
        (1..=1000).for_each(|us| book.record(Stage::Decide, us * 1000, 1));
        let summary = book.summary(Stage::Decide);
        assert_eq!((summary.n, summary.sum_ns), (1000, 500_500_000));
        for ((q, ns), expected) in summary.quantiles_ns.into_iter().zip([500_000_u64, 990_000, 999_000]) {
            assert!(ns.abs_diff(expected) * 1000 <= expected, "{q}: {ns}");
        }
        assert_eq!(book.summary(Stage::Fill), Summary::default());
    }

    #[test]
    fn any_duration_can_be_recorded_and_only_stages_with_records_are_told() {
        let mut book = LatencyBook::new().unwrap();
        for ns in [0, 1, 60_000_000_000, 3_600_000_000_000] {
            book.record(Stage::Ack, ns, 2);
        }
        let told = book.to_json();
        assert_eq!(told["ack"]["n"], 8);
        assert_eq!(told.as_object().unwrap().len(), 1);
    }
}
