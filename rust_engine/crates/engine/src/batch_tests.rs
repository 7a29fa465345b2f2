use super::account::Booked;
use super::*;
use crate::backtest::FillRow;
use crate::feed::BarSource;
use model::params::{MomentumScalpingParams, SmaCrossParams};
use model::{Bar, Costs, Price, Qty, RiskLimits, SymbolId, Ts};
use proptest::prelude::*;

const HOUR: i64 = 3_600_000_000_000;

/// One step of one symbol: gap before the open, then open to close, and how far the candle reaches beyond both, in ticks.
type Step = (i64, i64, i64, i64, bool);

#[derive(Clone, Debug)]
struct World {
    symbols: Vec<SymbolSpec>,
    bars: Vec<Bar>,
    costs: Costs,
    capital: Money,
    trade_from: Ts,
    day_offset_ns: i64,
}

impl World {
    fn request<'a>(&'a self, strategy: &'a str, params: &'a BTreeMap<String, f64>) -> BacktestRequest<'a> {
        BacktestRequest {
            symbols: &self.symbols,
            strategy,
            params,
            rules: None,
            capital: self.capital,
            costs: self.costs,
            limits: None,
            predictions: None,
            trade_from: self.trade_from,
            day_offset_ns: self.day_offset_ns,
            keep_rows: true,
        }
    }
}

/// Hourly candles of a coarse tick, so that opens, stops and targets often meet exactly; a step may miss its candle.
fn bars_of(tick: i64, steps: &[Vec<Step>]) -> Vec<Bar> {
    let mut bars = Vec::new();
    for (symbol, steps) in steps.iter().enumerate() {
        let mut last = 60_i64;
        for (n, (gap, move_, up, down, is_missing)) in steps.iter().enumerate() {
            let open = (last + gap).max(5);
            let close = (open + move_).max(5);
            last = close;
            if *is_missing {
                continue;
            }
            bars.push(Bar {
                symbol: SymbolId(symbol as u16),
                opened_at: Ts(n as i64 * HOUR),
                closed_at: Ts((n as i64 + 1) * HOUR),
                open: Price(open * tick),
                high: Price((open.max(close) + up) * tick),
                low: Price((open.min(close) - down.min(&4)) * tick),
                close: Price(close * tick),
                volume: Qty(1),
            });
        }
    }
    bars.sort_by_key(|bar| (bar.closed_at, bar.symbol));
    bars
}

fn step() -> impl Strategy<Value = Step> {
    let small = prop_oneof![6 => Just(0_i64), 3 => -1_i64..=1, 1 => -9_i64..=9];
    let move_ = prop_oneof![3 => Just(0_i64), 6 => -3_i64..=3, 1 => -12_i64..=12];
    (small, move_, 0_i64..3, 0_i64..3, prop::bool::weighted(0.05))
}

prop_compose! {
    fn world()(
        steps in prop::collection::vec(prop::collection::vec(step(), 0..260), 1..4),
        tick in prop_oneof![Just(1_000_000_i64), Just(37_i64), Just(50_000_000_000)],
        lot in prop_oneof![Just(1_000_000_i64), Just(100_000_000)],
        (maker, taker, slippage) in (-2_i32..6, 0_i32..12, 0_i32..5),
        capital in prop_oneof![Just(0.5_f64), Just(10_000.0), Just(3_000_000.0)],
        from_hour in prop_oneof![Just(-1_i64), 0_i64..90],
        offset_hours in 0_i64..24,
    ) -> World {
        let symbols = (0..steps.len()).map(|n| SymbolSpec::new(&format!("S{n}"), Price(tick), Qty(lot))).collect();
        World {
            symbols,
            bars: bars_of(tick, &steps),
            costs: Costs {
                maker_fee_bps: f64::from(maker) * 0.7,
                taker_fee_bps: f64::from(taker) * 0.9,
                slippage_bps: f64::from(slippage),
            },
            capital: Money::from_f64(capital).unwrap(),
            trade_from: Ts(from_hour * HOUR),
            day_offset_ns: offset_hours * HOUR,
        }
    }
}

fn sma() -> impl Strategy<Value = SmaCrossParams> {
    (2_i32..12, 1_i32..20, prop_oneof![Just(0.001_f64), Just(0.5), Just(2.0)])
        .prop_map(|(fast, gap, size)| SmaCrossParams { fast: f64::from(fast), slow: f64::from(fast + gap), size })
}

fn momentum() -> impl Strategy<Value = MomentumScalpingParams> {
    (2_i32..30, 5_i32..30, 5_i32..40, 5_i32..12, 1_i32..9, 1_i32..50).prop_map(
        |(entry, stop, target, window, back, size)| MomentumScalpingParams {
            entry_threshold: f64::from(entry) * 0.1,
            stop_loss: f64::from(stop) * 0.1,
            take_profit: f64::from(target) * 0.1,
            atr_window: f64::from(window),
            lookback: f64::from(back),
            size: f64::from(size),
            ..MomentumScalpingParams::default()
        },
    )
}

impl Tape for Vec<Booked> {
    fn booked(&mut self, booked: &Booked) {
        self.push(*booked);
    }
}

/// Plays `set` as a sweep does, with a tape for each symbol.
fn batch<P: ParameterSet>(
    request: &BacktestRequest<'_>,
    market: Market,
    set: &P,
    params: &StrategyParams,
) -> (Vec<Vec<Booked>>, BacktestFacts) {
    let rates = CostRates::try_from(&request.costs).unwrap();
    let field = Field { request, market, rates };
    let mut totals = Totals::new(field.market.day_closes.len());
    let mut tapes = Vec::new();
    for (series, spec) in field.market.series.iter().zip(request.symbols) {
        let mut tape = Vec::new();
        let place = Place { series, spec, shared: &set.share(series), rates, capital: request.capital };
        set.play(&place, &mut totals, &mut tape);
        tapes.push(tape);
    }
    (tapes, field.facts(params, &totals))
}

fn same_fill(fill: &FillRow, booked: &Booked, bars: &[Bar]) -> Result<(), TestCaseError> {
    let deal = booked.deal;
    let bar = &bars[deal.bar];
    let at = if deal.price == bar.open { bar.opened_at } else { bar.closed_at };
    prop_assert_eq!((fill.at, fill.side, fill.purpose), (at, deal.side, deal.purpose));
    prop_assert_eq!((fill.price, fill.qty, fill.liquidity), (deal.price, deal.qty, deal.liquidity));
    prop_assert_eq!((fill.fee, fill.slippage), (booked.fee, booked.slippage));
    Ok(())
}

/// The event form and the batch agree in every fill of every symbol and in all facts.
fn same<P: ParameterSet>(
    world: &World,
    params: &StrategyParams,
    make: impl Fn(&Market) -> Option<P>,
) -> Result<u64, TestCaseError> {
    let values = params.values();
    let request = world.request(params.strategy(), &values);
    let event = backtest::run(&request, world.bars.as_slice()).unwrap();
    let market = Market::build(world.bars.as_slice(), &request).unwrap();
    let set = make(&market).unwrap();
    let totals_only = BacktestRequest { keep_rows: false, ..request.clone() };
    let (tapes, facts) = batch(&totals_only, market, &set, params);
    for (n, tape) in tapes.iter().enumerate() {
        let fills: Vec<&FillRow> = event.fills.iter().filter(|f| f.symbol.index() == n).collect();
        let bars: Vec<Bar> = world.bars.iter().filter(|b| b.symbol.index() == n).copied().collect();
        prop_assert_eq!(fills.len(), tape.len());
        for (fill, booked) in fills.iter().zip(tape) {
            same_fill(fill, booked, &bars)?;
        }
    }
    let event =
        BacktestFacts { path: Path::Batch, fills: vec![], trades: vec![], equity: vec![], equity_at: vec![], ..event };
    prop_assert_eq!(&facts, &event);
    Ok(event.n_trades)
}

proptest! {
    #[test]
    fn crossings_are_the_event_forms_fill_by_fill(world in world(), params in sma()) {
        same(&world, &StrategyParams::SmaCross(params.clone()), |market| SmaCross::new(&params, market))?;
    }

    #[test]
    fn bursts_are_the_event_forms_fill_by_fill(world in world(), params in momentum()) {
        same(&world, &StrategyParams::MomentumScalping(params.clone()), |market| Momentum::new(&params, market))?;
    }
}

/// Bars as the columns that Python sends.
struct Table {
    symbol: Vec<i16>,
    times: [Vec<i64>; 2],
    prices: [Vec<f64>; 5],
}

impl Table {
    fn new(bars: &[Bar]) -> Self {
        let prices = |pick: fn(&Bar) -> f64| bars.iter().map(pick).collect();
        Self {
            symbol: bars.iter().map(|b| b.symbol.0 as i16).collect(),
            times: [bars.iter().map(|b| b.opened_at.0).collect(), bars.iter().map(|b| b.closed_at.0).collect()],
            prices: [
                prices(|b| b.open.to_f64()),
                prices(|b| b.high.to_f64()),
                prices(|b| b.low.to_f64()),
                prices(|b| b.close.to_f64()),
                prices(|b| b.volume.to_f64()),
            ],
        }
    }

    fn columns(&self) -> Columns<'_> {
        let [opened_at_ns, closed_at_ns] = &self.times;
        let [open, high, low, close, volume] = &self.prices;
        Columns { symbol: &self.symbol, opened_at_ns, closed_at_ns, open, high, low, close, volume }
    }
}

/// A market of the generator: two symbols over four days of minutes.
fn generated() -> World {
    let symbol = |price: f64| sim::market::MarketSymbol {
        tick: Price(1_000_000),
        lot: Qty(100_000),
        start_price: Price::from_f64(price).unwrap(),
    };
    let spec = sim::market::MarketSpec {
        seed: 7,
        n_bars: 4 * 1440,
        bar_ns: 60_000_000_000,
        start_at: Ts(1_700_000_000_000_000_000),
        symbols: vec![symbol(64_000.0), symbol(150.0)],
        volatility_bps: 12.0,
        bounce_bps: 8.0,
        burst_strength: 2.2,
        turn: None,
    };
    World {
        symbols: vec![
            SymbolSpec::new("A", Price(1_000_000), Qty(100_000)),
            SymbolSpec::new("B", Price(1_000_000), Qty(100_000)),
        ],
        bars: sim::market::generate(&spec).unwrap(),
        costs: Costs { maker_fee_bps: 2.0, taker_fee_bps: 5.0, slippage_bps: 2.0 },
        capital: Money::from_f64(10_000.0).unwrap(),
        trade_from: Ts(1_700_000_000_000_000_000 + 300 * 60_000_000_000),
        day_offset_ns: 9 * HOUR,
    }
}

fn values(params: &StrategyParams, name: &str, value: f64) -> BTreeMap<String, f64> {
    let mut values = params.values();
    values.insert(name.to_owned(), value);
    values
}

/// Sweeps over the generated market and compares with one backtest after another; says how many round trips there were.
fn check_sweep(strategy: &str, name: &str, choices: &[f64], path: Path) -> u64 {
    let world = generated();
    let defaults = StrategyParams::defaults(strategy).unwrap();
    let candidates: Vec<_> = choices.iter().map(|value| values(&defaults, name, *value)).collect();
    let none = BTreeMap::new();
    let table = Table::new(&world.bars);
    let swept = sweep(&world.request(strategy, &none), &candidates, table.columns()).unwrap();
    assert_eq!(swept.len(), candidates.len());
    for (facts, params) in swept.iter().zip(&candidates) {
        let request = BacktestRequest { keep_rows: false, ..world.request(strategy, params) };
        let event = backtest::run(&request, world.bars.as_slice()).unwrap();
        assert_eq!(facts, &BacktestFacts { path, ..event });
    }
    swept.iter().map(|facts| facts.n_trades).sum()
}

#[test]
fn a_sweep_gives_what_single_backtests_give_in_their_order() {
    assert!(check_sweep("sma_cross", "slow", &[50.0, 21.0, 200.0, 30.0], Path::Batch) > 200);
    assert!(check_sweep("momentum_scalping", "atr_window", &[14.0, 7.0, 40.0, 14.0], Path::Batch) > 200);
    assert!(check_sweep("market_making", "spread_threshold", &[10.0, 60.0], Path::Event) > 50);
}

#[test]
fn what_a_batch_cannot_do_is_played_in_the_event_form() {
    let world = generated();
    let params = StrategyParams::SmaCross(SmaCrossParams::default()).values();
    let table = Table::new(&world.bars);
    let most = Money::from_f64(1e7).unwrap();
    let limits = RiskLimits::basic(most, most, most, 500.0);
    let request = BacktestRequest { limits: Some(limits), ..world.request("sma_cross", &params) };
    let swept = sweep(&request, std::slice::from_ref(&params), table.columns()).unwrap();
    assert_eq!(swept[0].path, Path::Event);
    assert!(swept[0].n_trades > 0);
}

#[test]
fn prices_that_do_not_fit_the_fast_sums_are_left_to_the_event_form() {
    let bars = bars_of(50_000_000_000_000, &[vec![(0, 1, 0, 0, false); 8]]);
    let world = World { bars, ..generated() };
    let params = BTreeMap::new();
    let market = Market::build(world.bars.as_slice(), &world.request("sma_cross", &params)).unwrap();
    let wide = SmaCrossParams { fast: 200.0, slow: 1000.0, size: 1.0 };
    assert!(SmaCross::new(&wide, &market).is_none());
    assert!(SmaCross::new(&SmaCrossParams { fast: 2.0, slow: 3.0, size: 1.0 }, &market).is_some());
    assert!(Momentum::new(&MomentumScalpingParams::default(), &market).is_some());
}

#[test]
fn a_refusal_names_its_candidate_or_its_row() {
    let world = generated();
    let good = StrategyParams::SmaCross(SmaCrossParams::default());
    let candidates = [good.values(), values(&good, "fast", 1.0)];
    let none = BTreeMap::new();
    let table = Table::new(&world.bars);
    let error = sweep(&world.request("sma_cross", &none), &candidates, table.columns()).unwrap_err();
    assert!(error.to_string().contains("candidate 1: ") && error.to_string().contains("sma_cross.fast = 1"), "{error}");

    let mut broken = world.bars.clone();
    broken[9].low = Price::ZERO;
    let table = Table::new(&broken);
    let error = sweep(&world.request("sma_cross", &none), &candidates[..1], table.columns()).unwrap_err();
    assert!(error.to_string().starts_with("bars, row 9: "), "{error}");

    let overlapping: Vec<Bar> = world.bars.iter().map(|b| Bar { opened_at: b.opened_at.plus_ns(-1), ..*b }).collect();
    let table = Table::new(&overlapping);
    let error = sweep(&world.request("sma_cross", &none), &candidates[..1], table.columns()).unwrap_err();
    assert!(error.to_string().contains("goes back in time"), "{error}");
}

#[test]
fn no_candidates_and_no_bars_are_no_error() {
    let world = World { bars: Vec::new(), ..generated() };
    let params = StrategyParams::SmaCross(SmaCrossParams::default()).values();
    let table = Table::new(&world.bars);
    assert!(sweep(&world.request("sma_cross", &params), &[], table.columns()).unwrap().is_empty());
    let facts = sweep(&world.request("sma_cross", &params), std::slice::from_ref(&params), table.columns()).unwrap();
    assert_eq!((facts[0].n_bars, facts[0].days.len(), facts[0].net_pnl), (0, 0, 0.0));
    assert_eq!(world.bars.as_slice().expected(), 0);
}

#[test]
fn a_strategy_that_bars_tell_nothing_is_refused_with_what_it_needs() {
    let world = World {
        symbols: vec![SymbolSpec::new("AAA", Price(1), Qty(1))],
        bars: bars_of(1, &[vec![(0, 1, 1, 1, false); 20]]),
        costs: Costs::default(),
        capital: "1000".parse().unwrap(),
        trade_from: Ts(0),
        day_offset_ns: 0,
    };
    for (strategy, needs) in [("predictive", "predictions"), ("micro_arbitrage", "quotes"), ("liquidation", "loans")] {
        let params = StrategyParams::defaults(strategy).unwrap().values();
        let error = backtest::run(&world.request(strategy, &params), world.bars.as_slice()).unwrap_err().to_string();
        assert!(error.contains(strategy) && error.contains(&format!("decides on {needs}")), "{error}");
    }
}
