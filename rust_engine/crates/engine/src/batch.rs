//! Many parameter sets over one market, decoded once.
//!
//! The event form ([`crate::backtest::run`]) visits every bar. A batch looks only for the bars at which a parameter set acts,
//! with what the sets share computed once, and books those by the functions that the event form uses for prices, costs and
//! sizes. **Invariant:** the facts equal the event form's to the last unit.
//!
//! | strategy | shared by all sets | found for each set |
//! |---|---|---|
//! | `sma_cross` | running sums of closes | bars at which the averages cross |
//! | `momentum_scalping` | average true ranges of one window | bursts, and the bars that reach a stop or a target |
//!
//! What a batch does not do (limits, other strategies, numbers that do not fit its arithmetic) is played in the event form;
//! [`BacktestFacts::path`] says which it was.

mod account;
mod market;
mod momentum;
mod sma_cross;

use crate::backtest::{self, BacktestError, BacktestFacts, BacktestRequest, Curve, CurveRows, Path};
use crate::error::CoreError;
use crate::feed::{BarSource, Columns, FeedError};
use account::{Tape, Totals};
use market::{Market, Series};
use model::{Money, StrategyParams, SymbolSpec};
use momentum::Momentum;
use rayon::prelude::*;
use sim::CostRates;
use sma_cross::SmaCross;
use std::collections::BTreeMap;

/// Why a sweep was refused.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The bars themselves.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// A candidate, or the configuration that it shares with the others.
    #[error("candidate {n}: {source}")]
    Candidate {
        /// Its place in the list, from 0.
        n: usize,
        /// What is wrong.
        source: BacktestError,
    },
}

/// Plays each of `candidates` over the same bars on all cores and gives totals and days in the order of the candidates.
/// `request.params` is not looked at, and rows are not kept.
///
/// # Errors
/// The bars, or the first candidate that is refused.
pub fn sweep(
    request: &BacktestRequest<'_>,
    candidates: &[BTreeMap<String, f64>],
    columns: Columns<'_>,
) -> Result<Vec<BacktestFacts>, SweepError> {
    sweep_over(request, candidates, || columns.bars(request.symbols.len()))
}

/// The same over bars from anywhere; `bars` gives them from the first on, each time it is asked.
pub(crate) fn sweep_over<B: BarSource>(
    request: &BacktestRequest<'_>,
    candidates: &[BTreeMap<String, f64>],
    bars: impl Fn() -> B,
) -> Result<Vec<BacktestFacts>, SweepError> {
    let request = &BacktestRequest { keep_rows: false, ..request.clone() };
    let of = |n: usize| BacktestRequest { params: &candidates[n], ..request.clone() };
    let mut plans = Vec::with_capacity(candidates.len());
    for n in 0..candidates.len() {
        plans.push(backtest::check(&of(n), n == 0).map_err(|source| SweepError::Candidate { n, source })?);
    }
    let rates = CostRates::try_from(&request.costs)
        .map_err(|e| SweepError::Candidate { n: 0, source: CoreError::from(e).into() })?;
    let market = Market::build(bars(), request)?;
    let groups = Groups::new(request, &market, &plans);
    let field = Field { request, market, rates };
    let mut totals = field.play_group(&groups.crossings);
    let bursts: Vec<_> = groups.bursts.values().collect();
    totals.extend(bursts.par_iter().flat_map(|sets| field.play_group(sets)).collect::<Vec<_>>());
    let mut played: Vec<(usize, BacktestFacts)> =
        totals.par_iter().map(|(n, totals)| (*n, field.facts(&plans[*n], totals))).collect();
    drop(field);
    if !groups.rest.is_empty() {
        let bars = bars().load()?;
        let one = |&n: &usize| match backtest::run(&of(n), bars.as_slice()) {
            Ok(facts) => Ok((n, facts)),
            Err(source) => Err(SweepError::Candidate { n, source }),
        };
        played.extend(groups.rest.par_iter().map(one).collect::<Result<Vec<_>, _>>()?);
    }
    played.sort_unstable_by_key(|(n, _)| *n);
    Ok(played.into_iter().map(|(_, facts)| facts).collect())
}

/// One symbol of a market, as parameter sets of one group see it.
struct Place<'a, S> {
    series: &'a Series,
    spec: &'a SymbolSpec,
    /// What the group shares.
    shared: &'a S,
    rates: CostRates,
    capital: Money,
}

/// The parameters of one strategy, ready to be played without visiting every bar.
trait ParameterSet: Sync {
    /// What the sets of a group compute once in each symbol.
    type Shared: Sync;

    /// Computes it.
    fn share(&self, series: &Series) -> Self::Shared;

    /// Trades one symbol from its first traded bar to its last bar.
    fn play<T: Tape>(&self, place: &Place<'_, Self::Shared>, totals: &mut Totals, tape: &mut T);
}

/// What the parameter sets of a sweep are played on.
struct Field<'a> {
    request: &'a BacktestRequest<'a>,
    market: Market,
    rates: CostRates,
}

impl Field<'_> {
    /// Plays sets that share, with their places in the list.
    fn play_group<P: ParameterSet>(&self, sets: &[(usize, P)]) -> Vec<(usize, Totals)> {
        let Some((_, first)) = sets.first() else { return Vec::new() };
        let shared: Vec<P::Shared> = self.market.series.iter().map(|series| first.share(series)).collect();
        sets.par_iter().map(|(n, set)| (*n, self.play(set, &shared, &mut ()))).collect()
    }

    fn play<P: ParameterSet>(&self, set: &P, shared: &[P::Shared], tape: &mut impl Tape) -> Totals {
        let mut totals = Totals::new(self.market.day_closes.len());
        for ((series, spec), shared) in self.market.series.iter().zip(self.request.symbols).zip(shared) {
            let place = Place { series, spec, shared, rates: self.rates, capital: self.request.capital };
            set.play(&place, &mut totals, tape);
        }
        totals
    }

    fn facts(&self, params: &StrategyParams, totals: &Totals) -> BacktestFacts {
        let mut facts = BacktestFacts {
            path: Path::Batch,
            n_bars: self.market.n_traded,
            n_fills: totals.n_fills,
            n_trades: totals.n_trades,
            n_wins: totals.n_wins,
            fees: totals.fees.to_f64(),
            slippage: totals.slippage.to_f64(),
            params_sha256: params.sha256(),
            ..BacktestFacts::default()
        };
        let mut curve = Curve::new(self.request, CurveRows::default());
        for (at, profit) in self.market.day_closes.iter().zip(&totals.marks) {
            curve.mark(*at, *profit, &mut facts);
        }
        curve.end(&mut facts);
        facts
    }
}

/// Parameter sets by what they share, each with its place in the list.
#[derive(Default)]
struct Groups {
    crossings: Vec<(usize, SmaCross)>,
    /// By window of the average true range.
    bursts: BTreeMap<usize, Vec<(usize, Momentum)>>,
    /// What has to be played in the event form.
    rest: Vec<usize>,
}

impl Groups {
    fn new(request: &BacktestRequest<'_>, market: &Market, plans: &[StrategyParams]) -> Self {
        let mut groups = Self::default();
        if request.limits.is_some() || market.overlaps {
            groups.rest = (0..plans.len()).collect();
            return groups;
        }
        for (n, params) in plans.iter().enumerate() {
            match params {
                StrategyParams::SmaCross(p) => match SmaCross::new(p, market) {
                    Some(set) => groups.crossings.push((n, set)),
                    None => groups.rest.push(n),
                },
                StrategyParams::MomentumScalping(p) => match Momentum::new(p, market) {
                    Some(set) => groups.bursts.entry(set.atr_window).or_default().push((n, set)),
                    None => groups.rest.push(n),
                },
                _ => groups.rest.push(n),
            }
        }
        groups
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
