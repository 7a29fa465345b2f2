//! A run on live markets for the tests of this directory: a seeded market, every kind of event and input, turn by turn.

#[path = "../feed_file/mod.rs"]
mod feed_file;

use engine::feed::Row;
use engine::input::Input;
use engine::{Run, RunError, Veto};
use feed_file::write_rows;
use model::config::{AdvicePolicy, EngineConfig, Pace, StateConfig};
use model::message::{
    AdvanceTo, AdviceAnswer, Command, CommandAction, Message, ParamsUpdate, Prediction, RateUpdate, Recommendation,
};
use model::{
    Bar, CandleInterval, Costs, Depth, Driver, InstanceConfig, Level, MarketEvent, MarketFeedConfig, MarketStreams,
    MarketTrade, MarketVenue, Mode, Money, Price, Qty, Quote, RiskLimits, RuleSet, Side, Staleness, StrategyParams,
    SymbolId, SymbolSpec, Ts, VenueConfig, VenueModel,
};
use std::collections::BTreeMap;
use std::path::Path;

pub const SECOND: i64 = 1_000_000_000;
pub const MINUTE: i64 = 60 * SECOND;
const WARM_UP_BARS: i64 = 30;
/// Turns of one candle.
pub const CANDLE: i64 = 3;
/// One coin on two exchanges.
const SYMBOLS: [&str; 2] = ["BTCUSDT", "BTCUSDT-B"];
const RULES: &str = r#"{"name":"candles","entry_long":{"above":["close",{"highest":{"window":2}}]},
    "exit_long":{"below":["close",{"lowest":{"window":2}}]}}"#;
/// What `rules-1` follows in turn with [`RULES`].
const OTHER_RULES: &str = r#"{"name":"means","entry_long":{"crosses_above":["close",{"ema":{"window":3}}]},
    "exit_long":{"below":["close",{"ema":{"window":5}}]},"stop":{"atr":{"window":5}}}"#;
const TURN: i64 = 5 * SECOND;
pub const START: Ts = Ts(WARM_UP_BARS * MINUTE);

/// SplitMix64 (Steele, Lea and Flood 2014): the tests need the same numbers on every machine and nothing else.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

fn instance(name: &str, strategy: &str, driver: Driver, changes: &[(&str, f64)]) -> InstanceConfig {
    let mut params = StrategyParams::defaults(strategy).unwrap().values();
    params.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), *value)));
    InstanceConfig {
        instance_id: name.into(),
        strategy: strategy.into(),
        symbols: SYMBOLS.map(str::to_owned).to_vec(),
        capital: "10000".parse().unwrap(),
        capital_share: 1.0,
        mode: Mode::Live,
        version: 1,
        params,
        driver,
        rules: None,
    }
}

/// Thirty quiet minutes of both symbols.
fn write_warm_up(path: &Path) {
    let row = |i: i64, symbol: u16| Row {
        symbol,
        opened_at_ns: i * MINUTE,
        closed_at_ns: (i + 1) * MINUTE,
        open: 100.0,
        high: 100.5,
        low: 99.5,
        close: 100.0,
        volume: 10.0,
    };
    let rows: Vec<Row> = (0..WARM_UP_BARS).flat_map(|i| [row(i, 0), row(i, 1)]).collect();
    write_rows(path, &rows);
}

pub fn config(dir: &Path, venue: VenueModel, snapshot_every_s: u64) -> EngineConfig {
    let feed = dir.join("warm_up.npy");
    write_warm_up(&feed);
    let spec = |name: &str| SymbolSpec {
        venue: format!("exchange of {name}"),
        base: "BTC".into(),
        quote: "USDT".into(),
        ..SymbolSpec::new(name, "0.01".parse().unwrap(), "0.001".parse().unwrap())
    };
    let rules = InstanceConfig {
        rules: Some(RuleSet::parse(RULES).unwrap()),
        ..instance("rules-1", "rules", Driver::Bars, &[])
    };
    let slot = |name: &str, strategy: &str, driver: Driver| InstanceConfig {
        mode: Mode::Shadow,
        capital_share: 0.0,
        ..instance(name, strategy, driver, &[])
    };
    let limit: Money = "100000".parse().unwrap();
    let quoting = if venue == VenueModel::Book { Driver::Quotes } else { Driver::Bars };
    EngineConfig {
        engine_id: "live-1".into(),
        state_dir: dir.join("state").display().to_string(),
        feed: feed.display().to_string(),
        symbols: SYMBOLS.map(spec).to_vec(),
        markets: vec![MarketFeedConfig {
            venue: MarketVenue::BinanceSpot,
            symbols: SYMBOLS.iter().map(|s| ((*s).to_owned(), (*s).to_owned())).collect(),
            streams: MarketStreams {
                trades: true,
                quotes: true,
                candles: Some(CandleInterval::M1),
                ..MarketStreams::default()
            },
            ws_url: None,
            rest_url: None,
            stale_after_ms: 60_000,
        }],
        state: StateConfig {
            snapshot_every_s: Some(snapshot_every_s),
            segment_mib: 1,
            segment_minutes: 2,
            ..StateConfig::default()
        },
        pace: Pace::Realtime,
        trade_from_ns: START.0,
        instances: vec![
            instance("sma-1", "sma_cross", Driver::Bars, &[("fast", 2.0), ("slow", 5.0)]),
            instance("momentum-1", "momentum_scalping", Driver::Bars, &[]),
            instance("making-1", "market_making", quoting, &[]),
            instance("predictive-1", "predictive", Driver::Trades, &[]),
            instance("arbitrage-1", "micro_arbitrage", Driver::Quotes, &[]),
            rules,
            slot("making-1.shadow", "market_making", quoting),
            slot("predictive-1.shadow", "predictive", Driver::Trades),
        ],
        costs: Costs::default(),
        venue: VenueConfig {
            model: venue,
            order_latency_us: 50_000,
            feed_latency_us: 50_000,
            reject_rate: if venue == VenueModel::Book { 0.1 } else { 0.0 },
            reject_seed: 7,
            ..VenueConfig::default()
        },
        limits: RiskLimits::basic(limit, limit, limit, 500.0),
        advice: AdvicePolicy {
            enabled: true,
            min_strength: 0.9,
            min_notional_krw: 1e12,
            krw_per_quote: 1400.0,
            rate_max_age_ms: 86_400_000,
            deadline_ms: 950,
        },
        mark_interval_ms: 120_000,
        bridge_url: "ws://127.0.0.1:1/ai_bridge".into(),
        bridge_encoding: Default::default(),
        bridge_compression: Default::default(),
        bridge_tls: None,
        secret_file: "unused".into(),
        dead_man_ms: None,
        metrics_listen: None,
    }
}

fn price(cents: i64) -> Price {
    Price(cents * 1_000_000)
}

/// What happens in one turn; the same for the same seed and number.
pub struct Turn {
    pub events: Vec<MarketEvent>,
    pub inputs: Vec<Input>,
    pub wall: Ts,
}

/// The market of one symbol at a time in cents: waves of four minutes, far enough for every strategy to trade.
fn cents(n: i64, symbol: u16) -> i64 {
    let phase = (n % 48) as f64 / 48.0 * std::f64::consts::TAU + f64::from(symbol);
    10_000 + (600.0 * phase.sin()) as i64
}

/// Turn `n`: five seconds of market, and a candle at every third.
pub fn turn(seed: u64, n: i64) -> Turn {
    let mut random = Random(seed ^ (n as u64).wrapping_mul(0xA24B_AED4_963E_E407));
    let begin = START.0 + n * TURN;
    let wall = Ts(begin + TURN);
    let mut events = Vec::new();
    for symbol in [0, 1] {
        let mid = cents(n, symbol) + random.below(5) as i64;
        for k in 0..1 + random.below(4) as i64 {
            let at = Ts(begin + k * SECOND + random.below(900_000_000) as i64);
            events.push(any_event(&mut random, SymbolId(symbol), at, mid, n * 8 + k));
        }
        if (n + 1) % CANDLE == 0 {
            let candle = candle(n, symbol);
            events.push(if is_missed(n) { MarketEvent::Missed(candle) } else { MarketEvent::Bar(candle) });
        }
    }
    // The two symbols come over one line, now and then out of order.
    events.sort_by_key(|event| (event.at().0 / (2 * SECOND), event.symbol()));
    let mut inputs = vec![Input::Advance(AdvanceTo { to_ns: wall.0 })];
    if let Some(input) = any_input(&mut random, n, wall) {
        inputs.push(input);
    }
    Turn { events, inputs, wall }
}

/// Whether the candle that closes with turn `n` comes by request: two in a row, now and then.
pub fn is_missed(n: i64) -> bool {
    matches!(n / CANDLE % 16, 9 | 10)
}

fn candle(n: i64, symbol: u16) -> Bar {
    let first = n + 1 - CANDLE;
    let path: Vec<i64> = (first..=n + 1).map(|k| cents(k, symbol)).collect();
    let (low, high) = (path.iter().min().unwrap() - 20, path.iter().max().unwrap() + 20);
    Bar {
        symbol: SymbolId(symbol),
        opened_at: Ts(START.0 + first * TURN),
        closed_at: Ts(START.0 + (n + 1) * TURN),
        open: price(path[0]),
        high: price(high),
        low: price(low),
        close: price(path[path.len() - 1]),
        volume: Qty(1_000_000_000),
    }
}

fn any_event(random: &mut Random, symbol: SymbolId, at: Ts, mid: i64, n: i64) -> MarketEvent {
    let exch_at = at.plus_ns(-20_000_000);
    let qty = Qty(100_000_000 + random.below(1000) as i64 * 100_000);
    let (bid, ask) = (price(mid - 2), price(mid + 2));
    match random.below(8) {
        0..3 => {
            let aggressor = if random.below(2) == 0 { Side::Buy } else { Side::Sell };
            let price = if aggressor == Side::Buy { ask } else { bid };
            MarketEvent::Trade(MarketTrade { symbol, at, exch_at, price, qty, aggressor, id: n as u64 })
        }
        3..6 => MarketEvent::Quote(Quote { symbol, at, exch_at, bid, bid_qty: qty, ask, ask_qty: qty }),
        6 => {
            let level = |side, cents| Level { side, price: price(cents), qty };
            let levels = (1..4).flat_map(|k| [level(Side::Buy, mid - 2 * k), level(Side::Sell, mid + 2 * k)]);
            let (first_id, last_id, is_snapshot) = (n as u64, n as u64, true);
            MarketEvent::Depth(Depth { symbol, at, exch_at, first_id, last_id, is_snapshot, levels: levels.collect() })
        }
        // One in many is not sound, and must be refused and counted.
        _ if random.below(4) == 0 => {
            MarketEvent::Quote(Quote { symbol, at, exch_at, bid: ask, bid_qty: qty, ask: bid, ask_qty: qty })
        }
        _ => MarketEvent::Staleness(Staleness { symbol, at, is_stale: random.below(4) == 0 }),
    }
}

fn any_input(random: &mut Random, n: i64, wall: Ts) -> Option<Input> {
    let command = |action| Command { command_id: format!("c-{n}"), action, by: "tester".into(), reason: "test".into() };
    if n % 5 == 0 {
        return Some(Input::Prediction(prediction(random, n, wall)));
    }
    Some(match random.below(24) {
        0 => Input::Rate(RateUpdate { krw_per_quote: 1300.0 + random.below(100) as f64, observed_at_ns: wall.0 }),
        1 => Input::Command(command(CommandAction::Reduce)),
        6..12 => Input::Command(command(CommandAction::Resume)),
        2 => Input::Command(command(CommandAction::Flatten)),
        _ => return None,
    })
}

fn prediction(random: &mut Random, n: i64, wall: Ts) -> Prediction {
    use Recommendation::{AlmgrenChriss, Iceberg, Immediate, Pov, Twap, Vwap};
    let direction = if random.below(2) == 0 { 0.5 } else { -0.5 };
    Prediction {
        prediction_id: format!("p-{n}"),
        at_ns: wall.0,
        symbol: "BTCUSDT".into(),
        direction,
        confidence: 0.5 + 0.5 / (1.0 + random.below(1000) as f64 / 300.0),
        expected_move_bps: direction * 61.7,
        horizon_ms: 60_000,
        expected_volatility_bps: Some(33.3),
        regime: None,
        recommended_strategy: [Twap, Pov, Vwap, AlmgrenChriss, Iceberg, Immediate][(n / 5 % 6) as usize],
        strategy_params: BTreeMap::new(),
        expires_at_ns: wall.0 + MINUTE,
        model: "m".into(),
        model_sha256: "00".into(),
        feature_schema: "00".into(),
        reasons: Vec::new(),
    }
}

/// The next share in turn for each slot, which is idle before and after; for `sma-1` new parameters and a share beside; for
/// `rules-1` the other rule set.
fn updates(run: &Run, n: i64) -> Vec<ParamsUpdate> {
    let share = |step: i64| [1.0, 0.25, 0.0][usize::try_from(step % 3).unwrap()];
    match n % 40 {
        39 => vec![update(run, n, 0, [0.5, 1.0][usize::try_from(n / 40 % 2).unwrap()])],
        19 => vec![program(run, n)],
        9 | 24 => vec![update(run, n, 6, share(n / 15)), update(run, n, 7, share(n / 15))],
        _ => Vec::new(),
    }
}

/// The rule set that `rules-1` does not follow now.
fn program(run: &Run, n: i64) -> ParamsUpdate {
    let rules = RuleSet::parse([OTHER_RULES, RULES][usize::try_from(n / 40 % 2).unwrap()]).unwrap();
    let kept = update(run, n, 5, 1.0);
    let params = StrategyParams::validate("rules", &kept.params).unwrap();
    let params_sha256 = params.sha256_with(Some(&rules)).unwrap();
    ParamsUpdate { rules: Some(rules.canonical_json().unwrap()), params_sha256, ..kept }
}

/// Parameters and a share for instance `i`, on whatever version runs.
fn update(run: &Run, n: i64, i: usize, capital_share: f64) -> ParamsUpdate {
    let state = run.runtime().instance_states().remove(i);
    let mut params = state.params.clone();
    if i == 0 {
        params.insert("fast".into(), 2.0 + (n / 40 % 2) as f64);
    }
    ParamsUpdate {
        deployment_id: format!("d-{n}-{i}"),
        rules: None,
        instance_id: state.instance_id,
        base_version: state.params_version,
        base_sha256: state.params_sha256.clone(),
        version: state.params_version + 1,
        params_sha256: StrategyParams::validate(&state.strategy, &params).unwrap().sha256(),
        capital_share,
        params,
        origin: "test".into(),
        issued_at_ns: 0,
        expires_at_ns: i64::MAX,
    }
}

/// Plays turn `n` up to the commit and gives what was said in it. Every second request for advice is granted, the others are
/// vetoed.
pub fn play(run: &mut Run, seed: u64, n: i64, acked: u64) -> Result<Vec<Message>, RunError> {
    let Turn { events, inputs, wall } = turn(seed, n);
    run.accept_market(&events)?;
    for input in inputs {
        run.accept(None, input, wall)?;
    }
    for change in updates(run, n) {
        run.accept(None, Input::Params(change), wall)?;
    }
    let mut said = Vec::new();
    loop {
        let more = run.advance(64)?;
        said.extend(run.commit(acked)?);
        if run.runtime().waits_for_advice() {
            // Several orders of a turn may wait: one that was answered would be answered for ever.
            let waiting: Vec<&str> = run.runtime().advice_waited_for().collect();
            let asked = said.iter().rev().find_map(|m| match m {
                Message::AdviceRequest(r) if waiting.contains(&r.advice_id.as_str()) => Some(r),
                _ => None,
            });
            let input = match asked {
                Some(request) if n % 2 == 0 => Input::Advice(AdviceAnswer {
                    advice_id: request.advice_id.clone(),
                    approve: true,
                    size_factor: 0.5,
                    reason: "test".into(),
                }),
                _ => Input::Veto(Veto::AdvisorTimeout),
            };
            run.accept(None, input, wall)?;
        } else if !more {
            return Ok(said);
        }
    }
}
