//! A small world for the tests of this crate: one symbol, a momentum instance, bars by the minute.

use crate::advice::PendingAdvice;
use crate::{Core, LiveRecorder, Setup};
use model::config::AdvicePolicy;
use model::message::Prediction;
use model::{
    Bar, Costs, InstanceConfig, Mode, Money, Price, Qty, RiskLimits, StrategyParams, SymbolId, SymbolSpec, Ts,
    VenueConfig, VenueModel,
};

pub(crate) fn usd(value: f64) -> Money {
    Money::from_f64(value).unwrap()
}

pub(crate) fn symbols() -> Vec<SymbolSpec> {
    let spec = |name: &str| SymbolSpec::new(name, Price::from_f64(0.01).unwrap(), Qty::from_f64(0.001).unwrap());
    vec![spec("AAA"), spec("BBB")]
}

pub(crate) fn instance(name: &str, strategy: &str, mode: Mode) -> InstanceConfig {
    InstanceConfig {
        instance_id: name.into(),
        strategy: strategy.into(),
        symbols: vec!["AAA".into()],
        capital: usd(10_000.0),
        capital_share: 1.0,
        mode,
        version: 1,
        params: StrategyParams::defaults(strategy).unwrap().values(),
        driver: model::Driver::Bars,
        rules: None,
    }
}

pub(crate) fn limits() -> RiskLimits {
    RiskLimits::basic(usd(5_000.0), usd(5_000.0), usd(20_000.0), 1_000.0)
}

pub(crate) fn advice() -> AdvicePolicy {
    AdvicePolicy {
        enabled: true,
        min_strength: 0.8,
        min_notional_krw: 10_000_000.0,
        krw_per_quote: 1_400.0,
        rate_max_age_ms: 1_000_000_000,
        deadline_ms: 950,
    }
}

pub(crate) fn core(instances: &[InstanceConfig], advice: Option<AdvicePolicy>) -> Core<LiveRecorder> {
    core_with(instances, advice, VenueModel::Bars)
}

pub(crate) fn core_with(
    instances: &[InstanceConfig],
    advice: Option<AdvicePolicy>,
    model: VenueModel,
) -> Core<LiveRecorder> {
    core_limited(instances, advice, model, limits())
}

pub(crate) fn core_limited(
    instances: &[InstanceConfig],
    advice: Option<AdvicePolicy>,
    model: VenueModel,
    limits: RiskLimits,
) -> Core<LiveRecorder> {
    core_at(instances, advice, VenueConfig { model, short_sales: true, ..VenueConfig::default() }, limits)
}

/// A core on an account that cannot be short.
pub(crate) fn core_on_spot(instances: &[InstanceConfig]) -> Core<LiveRecorder> {
    let venue = VenueConfig { model: VenueModel::External, ..VenueConfig::default() };
    core_at(instances, None, venue, limits())
}

/// A core on any venue.
pub(crate) fn core_at(
    instances: &[InstanceConfig],
    advice: Option<AdvicePolicy>,
    venue: VenueConfig,
    limits: RiskLimits,
) -> Core<LiveRecorder> {
    let symbols = symbols();
    let costs = Costs::default();
    let setup = Setup { engine_id: "e", symbols: &symbols, instances, costs, venue, limits: Some(limits), advice };
    Core::new(&setup, LiveRecorder::new(&symbols)).unwrap()
}

const MINUTE: i64 = 60_000_000_000;

/// The `n`th minute of AAA, opening at `open` and closing at `close`, with half a unit beyond on both sides.
pub(crate) fn bar(n: i64, open: f64, close: f64) -> Bar {
    let price = |v: f64| Price::from_f64(v).unwrap();
    Bar {
        symbol: SymbolId(0),
        opened_at: Ts(n * MINUTE),
        closed_at: Ts((n + 1) * MINUTE),
        open: price(open),
        high: price(open.max(close) + 0.5),
        low: price(open.min(close) - 0.5),
        close: price(close),
        volume: Qty(1),
    }
}

/// A prediction that no instance has to act on.
pub(crate) fn prediction(id: &str, at_ns: i64, expires_at_ns: i64) -> Prediction {
    Prediction {
        prediction_id: id.to_owned(),
        at_ns,
        symbol: "BTCUSDT".to_owned(),
        direction: 0.5,
        confidence: 0.6,
        expected_move_bps: 1.0,
        horizon_ms: 60_000,
        expected_volatility_bps: None,
        regime: None,
        recommended_strategy: Default::default(),
        strategy_params: Default::default(),
        expires_at_ns,
        model: "m".to_owned(),
        model_sha256: String::new(),
        feature_schema: String::new(),
        reasons: Vec::new(),
    }
}

/// A momentum core after twenty quiet bars and a burst in bar 20 that asks for an entry.
pub(crate) fn after_burst(mode: Mode, advice: Option<AdvicePolicy>) -> Core<LiveRecorder> {
    burst(core(&[instance("m-1", "momentum_scalping", mode)], advice))
}

/// The same without an advisor, under other limits.
pub(crate) fn after_burst_limited(limits: RiskLimits) -> Core<LiveRecorder> {
    burst(core_limited(&[instance("m-1", "momentum_scalping", Mode::Live)], None, VenueModel::Bars, limits))
}

fn burst(mut core: Core<LiveRecorder>) -> Core<LiveRecorder> {
    for n in 0..20 {
        core.on_bar(&bar(n, 100.0, 100.0)).unwrap();
    }
    core.on_bar(&bar(20, 100.0, 110.0)).unwrap();
    core
}

impl Core<LiveRecorder> {
    /// How many orders rest at the venue or are on their way.
    pub(crate) fn n_resting(&self) -> usize {
        self.exchange.n_resting()
    }

    /// Orders that wait for the advisor, oldest first.
    pub(crate) fn pending_advice(&self) -> Vec<PendingAdvice> {
        self.desk.held.iter().map(|held| held.pending.clone()).collect()
    }
}
