//! One instance over an array of bars: the live loop with a recorder that only counts what was asked for.

mod counter;
mod curve;
mod predictions;

pub use curve::CurveRows;
pub(crate) use curve::{Curve, day_ends, day_of};

use crate::core::{Core, Setup};
use crate::error::CoreError;
use crate::feed::{BarSource, Chunk, FeedError};
use counter::Counter;
use model::message::Prediction;
use model::{
    Costs, Fill, InstanceConfig, Liquidity, Mode, Money, OrderRequest, Price, Purpose, Qty, RiskLimits, RuleSet, Side,
    StrategyParams, SymbolId, SymbolSpec, Ts,
};
use predictions::{Waiting, check_strategy};
use std::collections::BTreeMap;

/// Why a backtest was refused.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// The configuration or a bar in its context.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// A bar by itself.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// A strategy that bars tell nothing.
    #[error("'{strategy}' decides on {decides_on}, which bars do not hold: a backtest over bars says nothing about it")]
    NotOnBars {
        /// The strategy.
        strategy: String,
        /// What it needs.
        decides_on: String,
    },
    /// A prediction that cannot be handed over in its place.
    #[error("prediction {n}: {problem}")]
    Prediction {
        /// Its place, from 0.
        n: usize,
        /// What is wrong.
        problem: String,
    },
}

/// What to run.
#[derive(Clone, Debug)]
pub struct BacktestRequest<'a> {
    /// Symbols of the bars; the strategy trades all of them.
    pub symbols: &'a [SymbolSpec],
    /// Strategy.
    pub strategy: &'a str,
    /// Parameters by name.
    pub params: &'a BTreeMap<String, f64>,
    /// The program of strategy `rules`; no other strategy has one.
    pub rules: Option<&'a RuleSet>,
    /// Capital that sizes refer to.
    pub capital: Money,
    /// What trading costs.
    pub costs: Costs,
    /// Hard limits, if the account has any.
    pub limits: Option<RiskLimits>,
    /// What models said meanwhile, oldest first, where that is known; only strategies that decide on predictions take any.
    pub predictions: Option<&'a [Prediction]>,
    /// Bars closed at or before this warm up indicators and are not traded.
    pub trade_from: Ts,
    /// Where a day starts, as nanoseconds east of UTC.
    pub day_offset_ns: i64,
    /// Whether fills, round trips and the equity curve are kept, or only totals and days.
    pub keep_rows: bool,
}

/// One fill: what results need of it, in a third of the memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FillRow {
    /// When.
    pub at: Ts,
    /// At which price.
    pub price: Price,
    /// How much.
    pub qty: Qty,
    /// Venue fee.
    pub fee: Money,
    /// Slippage.
    pub slippage: Money,
    /// Symbol.
    pub symbol: SymbolId,
    /// Side.
    pub side: Side,
    /// Why the order was sent.
    pub purpose: Purpose,
    /// Maker or taker.
    pub liquidity: Liquidity,
}

impl From<&Fill> for FillRow {
    fn from(fill: &Fill) -> Self {
        let Fill { order, at, price, qty, fee, slippage, liquidity, .. } = *fill;
        let OrderRequest { symbol, side, purpose, .. } = order;
        Self { at, price, qty, fee, slippage, symbol, side, purpose, liquidity }
    }
}

/// One closed round trip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TradeRow {
    /// Entry and exit.
    pub at: (Ts, Ts),
    /// Symbol index.
    pub symbol: u16,
    /// Side of the entry.
    pub side: Side,
    /// Why it was closed.
    pub exit_reason: Purpose,
    /// Quantity.
    pub qty: f64,
    /// Entry and exit price.
    pub price: (f64, f64),
    /// Before costs.
    pub gross_pnl: f64,
    /// After costs.
    pub net_pnl: f64,
}

/// How a result was found. Both ways give the same facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Path {
    /// Every bar was played through the loop that also runs live.
    #[default]
    Event,
    /// Only the bars at which something happens were looked for, in a sweep.
    Batch,
}

impl Path {
    /// Its name in facts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Batch => "batch",
        }
    }
}

/// What happened. Amounts are in quote currency; judgements are made elsewhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BacktestFacts {
    /// How it was found.
    pub path: Path,
    /// Every fill, oldest first, if rows are kept.
    pub fills: Vec<FillRow>,
    /// Every closed round trip, oldest exit first, if rows are kept.
    pub trades: Vec<TradeRow>,
    /// Times of the equity curve: every distinct close, if rows are kept.
    pub equity_at: Vec<i64>,
    /// Capital plus profit after costs at those times.
    pub equity: Vec<f64>,
    /// Days that hold a traded bar, as numbers since 1970-01-01 in the offset's zone.
    pub days: Vec<i64>,
    /// Change of equity over each of those days.
    pub daily_pnl: Vec<f64>,
    /// Bars traded.
    pub n_bars: u64,
    /// Fills.
    pub n_fills: u64,
    /// Closed round trips.
    pub n_trades: u64,
    /// Round trips with a profit after costs.
    pub n_wins: u64,
    /// Fees paid.
    pub fees: f64,
    /// Slippage paid.
    pub slippage: f64,
    /// Profit after costs, open positions at the last price.
    pub net_pnl: f64,
    /// Hash of the parameters.
    pub params_sha256: String,
}

/// Checks what a backtest is asked for without playing it: the parameters, and with `whole` the configuration around them.
///
/// # Errors
/// As [`run`], bars apart.
pub(crate) fn check(request: &BacktestRequest<'_>, whole: bool) -> Result<StrategyParams, BacktestError> {
    check_strategy(request)?;
    let instances = [setup_instance(request)];
    if whole {
        predictions::check(request)?;
        Core::new(&setup(request, &instances), Counter::default())?;
    }
    let refused = |source| CoreError::Params { instance: instances[0].instance_id.clone(), source };
    Ok(StrategyParams::validate(request.strategy, request.params).map_err(refused)?)
}

/// Plays bars, which are sorted by close and symbol, and tells what happened.
///
/// # Errors
/// The configuration or the first bad bar.
pub fn run(request: &BacktestRequest<'_>, bars: impl BarSource) -> Result<BacktestFacts, BacktestError> {
    let n = if request.keep_rows { bars.expected() } else { 0 };
    let (mut at, mut equity) = (vec![0; n], vec![0.0; n]);
    let (mut facts, n_marks) = run_into(request, bars, CurveRows::new(Some(&mut at), &mut equity))?;
    at.truncate(n_marks);
    equity.truncate(n_marks);
    (facts.equity_at, facts.equity) = (at, equity);
    Ok(facts)
}

/// As [`run`], with the equity curve written to `rows`; gives how many marks it has beside the other facts.
///
/// # Errors
/// As [`run`].
pub fn run_into(
    request: &BacktestRequest<'_>,
    mut bars: impl BarSource,
    rows: CurveRows<'_>,
) -> Result<(BacktestFacts, usize), BacktestError> {
    check_strategy(request)?;
    predictions::check(request)?;
    let instances = [setup_instance(request)];
    let counter = if request.keep_rows { Counter::keeping(bars.expected()) } else { Counter::default() };
    let mut core = Core::new(&setup(request, &instances), counter)?;
    let mut facts = BacktestFacts { params_sha256: core.params_sha256(0), ..BacktestFacts::default() };
    let mut curve = Curve::new(request, rows);
    play(&mut core, request, &mut bars, &mut curve, &mut facts)?;
    let n_marks = curve.end(&mut facts);
    let (fees, slippage) = core.costs_paid(0);
    (facts.fees, facts.slippage) = (fees.to_f64(), slippage.to_f64());
    facts.n_bars = core.bars();
    let Counter { fills, trades, n_fills, n_trades, n_wins, .. } = core.into_recorder();
    Ok((BacktestFacts { fills, trades, n_fills, n_trades, n_wins, ..facts }, n_marks))
}

fn setup<'a>(request: &BacktestRequest<'a>, instances: &'a [InstanceConfig]) -> Setup<'a> {
    Setup {
        engine_id: "",
        symbols: request.symbols,
        instances,
        costs: request.costs,
        venue: model::VenueConfig::default(),
        limits: request.limits.clone(),
        advice: None,
    }
}

fn play(
    core: &mut Core<Counter>,
    request: &BacktestRequest<'_>,
    bars: &mut impl BarSource,
    curve: &mut Curve<'_>,
    facts: &mut BacktestFacts,
) -> Result<(), BacktestError> {
    let has_one_symbol = core.n_symbols() == 1;
    let mut waiting = Waiting::new(request);
    let mut marked = None;
    loop {
        let mut chunk = bars.next_chunk()?;
        if chunk.bars.is_empty() {
            break;
        }
        while let Some(bar) = chunk.bars.first().filter(|bar| bar.closed_at <= request.trade_from) {
            core.warm_up(bar)?;
            chunk.bars = &chunk.bars[1..];
        }
        if has_one_symbol {
            play_until_told(core, chunk, &mut waiting, curve, facts)?;
            continue;
        }
        for bar in chunk.bars {
            if let Some(at) = marked.filter(|at| *at != bar.closed_at) {
                curve.mark(at, core.profit(0), facts);
                waiting.hand_over(core, at)?;
            }
            core.on_bar(bar)?;
            marked = Some(bar.closed_at);
        }
    }
    if let Some(at) = marked {
        curve.mark(at, core.profit(0), facts);
    }
    Ok(())
}

/// Plays one symbol from prediction to prediction.
fn play_until_told(
    core: &mut Core<Counter>,
    mut chunk: Chunk<'_>,
    waiting: &mut Waiting<'_>,
    curve: &mut Curve<'_>,
    facts: &mut BacktestFacts,
) -> Result<(), BacktestError> {
    while let Some(at) = waiting.next_at() {
        let n_before = chunk.bars.partition_point(|bar| bar.closed_at.0 < at);
        let Some(told_at) = chunk.bars.get(n_before).map(|bar| bar.closed_at) else { break };
        let (bars, rest) = chunk.bars.split_at(n_before + 1);
        play_one_symbol(core, Chunk { bars, ..chunk }, curve, facts)?;
        waiting.hand_over(core, told_at)?;
        chunk.bars = rest;
    }
    play_one_symbol(core, chunk, curve, facts)
}

/// Every bar of one symbol has a close of its own, so that equity can be marked at once.
fn play_one_symbol(
    core: &mut Core<Counter>,
    mut chunk: Chunk<'_>,
    curve: &mut Curve<'_>,
    facts: &mut BacktestFacts,
) -> Result<(), BacktestError> {
    while !chunk.bars.is_empty() {
        let before = core.holding(0);
        let (played, rest) = chunk.bars.split_at(core.on_bars(chunk)?);
        if let Some((last, earlier)) = played.split_last() {
            curve.mark_all(earlier, before, facts);
            curve.mark(last.closed_at, core.holding(0).profit(last.close), facts);
        }
        chunk.bars = rest;
    }
    Ok(())
}

fn setup_instance(request: &BacktestRequest<'_>) -> InstanceConfig {
    InstanceConfig {
        instance_id: "backtest".to_owned(),
        strategy: request.strategy.to_owned(),
        symbols: request.symbols.iter().map(|s| s.name.clone()).collect(),
        capital: request.capital,
        capital_share: 1.0,
        mode: Mode::Shadow,
        version: 1,
        params: request.params.clone(),
        driver: model::Driver::Bars,
        rules: request.rules.cloned(),
    }
}
