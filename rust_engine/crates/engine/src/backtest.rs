//! One instance over an array of bars: the live loop with a recorder that only counts what was asked for.

use crate::core::{Core, Setup};
use crate::error::CoreError;
use crate::feed::{BarSource, FeedError};
use crate::ledger::Closed;
use crate::recorder::{Ask, Identity, Recorder, Wish};
use model::message::Message;
use model::{Bar, Costs, Fill, InstanceConfig, Mode, Money, OrderRequest, Purpose, RiskLimits, Side, SymbolSpec, Ts};
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
    /// Capital that sizes refer to.
    pub capital: Money,
    /// What trading costs.
    pub costs: Costs,
    /// Hard limits, if the account has any.
    pub limits: Option<RiskLimits>,
    /// Bars closed at or before this warm up indicators and are not traded.
    pub trade_from: Ts,
    /// Where a day starts, as nanoseconds east of UTC.
    pub day_offset_ns: i64,
    /// Whether fills, round trips and the equity curve are kept, or only totals and days.
    pub keep_rows: bool,
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

/// What happened. Amounts are in quote currency; judgements are made elsewhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BacktestFacts {
    /// Every fill, oldest first, if rows are kept.
    pub fills: Vec<Fill>,
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

#[derive(Debug, Default)]
struct Counter {
    keep_rows: bool,
    fills: Vec<Fill>,
    trades: Vec<TradeRow>,
    n_fills: u64,
    n_trades: u64,
    n_wins: u64,
}

impl Recorder for Counter {
    type Tag = ();

    fn observed(&mut self, _: &Bar) {}
    fn tag(&mut self, _: &Identity, _: &OrderRequest) {}
    fn advised(&mut self, (): &mut (), _: &str) {}
    fn sent(&mut self, _: &OrderRequest) {}
    fn wished(&mut self, _: &Identity, _: &Wish, _: &str) {}
    fn asked(&mut self, _: &Identity, _: &Ask) {}
    fn said(&mut self, _: Message) {}

    fn filled(&mut self, fill: &Fill) {
        self.n_fills += 1;
        if self.keep_rows {
            self.fills.push(*fill);
        }
    }

    fn closed(&mut self, _: &Identity, trade: &Closed<'_, ()>) {
        let net = trade.net_pnl();
        self.n_trades += 1;
        self.n_wins += u64::from(net > Money::ZERO);
        if self.keep_rows {
            self.trades.push(TradeRow {
                at: (trade.entry.at, trade.exit.at),
                symbol: trade.entry.order.symbol.0,
                side: trade.entry.order.side,
                exit_reason: trade.exit.order.purpose,
                qty: trade.qty.to_f64(),
                price: (trade.entry.price.to_f64(), trade.exit.price.to_f64()),
                gross_pnl: trade.gross_pnl().to_f64(),
                net_pnl: net.to_f64(),
            });
        }
    }

    fn drain(&mut self) -> Vec<Message> {
        Vec::new()
    }

    fn actions_sha256(&self) -> String {
        String::new()
    }
}

/// The equity curve and its change per day. A close at midnight belongs to the day that ends then.
struct Curve {
    capital: f64,
    offset_ns: i64,
    keep_rows: bool,
    day: i64,
    day_ends: i64,
    before: f64,
    latest: f64,
}

impl Curve {
    fn mark(&mut self, at: Ts, profit: Money, facts: &mut BacktestFacts) {
        let profit = profit.to_f64();
        if at.0 > self.day_ends {
            self.end_day(facts);
            self.day = (at.0 - 1 + self.offset_ns).div_euclid(Ts::DAY);
            self.day_ends = (self.day + 1) * Ts::DAY - self.offset_ns;
        }
        self.latest = profit;
        if self.keep_rows {
            facts.equity_at.push(at.0);
            facts.equity.push(self.capital + profit);
        }
    }

    fn end_day(&mut self, facts: &mut BacktestFacts) {
        if self.day_ends > i64::MIN {
            facts.days.push(self.day);
            facts.daily_pnl.push(self.latest - self.before);
            self.before = self.latest;
        }
    }
}

/// Plays bars, which are sorted by close and symbol, and tells what happened.
///
/// # Errors
/// The configuration or the first bad bar.
pub fn run(request: &BacktestRequest<'_>, mut bars: impl BarSource) -> Result<BacktestFacts, BacktestError> {
    let keep_rows = request.keep_rows;
    let instances = [setup_instance(request)];
    let setup = Setup {
        symbols: request.symbols,
        instances: &instances,
        costs: request.costs,
        limits: request.limits.clone(),
        advice: None,
    };
    let mut core = Core::new(&setup, Counter { keep_rows, ..Counter::default() })?;
    let mut facts = BacktestFacts { params_sha256: core.params_sha256(0), ..BacktestFacts::default() };
    if keep_rows {
        facts.equity.reserve_exact(bars.expected());
        facts.equity_at.reserve_exact(bars.expected());
    }
    let (capital, offset_ns) = (request.capital.to_f64(), request.day_offset_ns);
    let mut curve = Curve { capital, offset_ns, keep_rows, day: 0, day_ends: i64::MIN, before: 0.0, latest: 0.0 };
    play(&mut core, request.trade_from, &mut bars, &mut curve, &mut facts)?;
    let (fees, slippage) = core.costs_paid(0);
    (facts.fees, facts.slippage) = (fees.to_f64(), slippage.to_f64());
    (facts.n_bars, facts.net_pnl) = (core.bars(), curve.latest);
    let Counter { fills, trades, n_fills, n_trades, n_wins, .. } = core.into_recorder();
    Ok(BacktestFacts { fills, trades, n_fills, n_trades, n_wins, ..facts })
}

fn play(
    core: &mut Core<Counter>,
    trade_from: Ts,
    bars: &mut impl BarSource,
    curve: &mut Curve,
    facts: &mut BacktestFacts,
) -> Result<(), BacktestError> {
    let mut marked = None;
    loop {
        let chunk = bars.next_chunk()?;
        if chunk.is_empty() {
            break;
        }
        for bar in chunk {
            if bar.closed_at <= trade_from {
                core.warm_up(bar)?;
                continue;
            }
            if let Some(at) = marked.filter(|at| *at != bar.closed_at) {
                curve.mark(at, core.profit(0), facts);
            }
            core.on_bar(bar)?;
            marked = Some(bar.closed_at);
        }
    }
    if let Some(at) = marked {
        curve.mark(at, core.profit(0), facts);
        curve.end_day(facts);
    }
    Ok(())
}

fn setup_instance(request: &BacktestRequest<'_>) -> InstanceConfig {
    InstanceConfig {
        instance_id: "backtest".to_owned(),
        strategy: request.strategy.to_owned(),
        symbols: request.symbols.iter().map(|s| s.name.clone()).collect(),
        capital: request.capital,
        mode: Mode::Shadow,
        version: 1,
        params: request.params.clone(),
    }
}
