//! A seeded market with what real ones have (regimes, clustered volatility, jumps, days and weeks, correlated symbols) and two
//! planted effects of known size, so that a better parameter exists and a search can be held to finding it.
//!
//! # Planted optima
//! - **Bounce** (`bounce_bps`): the printed price is the efficient one plus a noise that forgets itself within minutes. A quote
//!   earns what the noise gives back, so the best `market_making.spread_threshold` follows the size of the noise.
//! - **Bursts** (`burst_strength`): now and then a symbol runs one way for a few bars and then stops. Ordinary moves do not go
//!   on, so the best `momentum_scalping.entry_threshold` lies above their size.
//!
//! Zero switches an effect off: a market in which no such parameter is better than another.
//!
//! Measured at volatility 12, bounce 8, burst 2.2, costs 2/5/2 bps, over 730 days of 15-minute bars of three symbols and six
//! seeds: annualised information ratio of the volatility-matched daily difference to the defaults.
//!
//! | change | ratio | opposite change | ratio |
//! |---|---|---|---|
//! | `spread_threshold` 60 to 45 | +13.3 to +16.4 | 60 to 75 | -9.9 to -8.1 |
//! | `entry_threshold` 1.5 to 1.8 | +4.5 to +6.5 | 1.5 to 1.2 | -9.2 to -6.5 |
//!
//! The best values are near 36 bps and 2.5 ATR. `tests/unit/strategies/test_backtest.py` repeats the measurement.
//!
//! # The turn
//! From a given bar on the bounce may be another one, drawn with the same dice: the market before is the same to the last byte.
//! With 2 bps left of it, `spread_threshold` 60 to 45 makes a ratio near -10 where it made +15, and `entry_threshold` 1.5 to 1.8 stays
//! the better one.
//!
//! # Determinism
//! ChaCha8 and IEEE arithmetic only: no `exp`, `ln` or `cos`, whose last bit differs between systems. Normal deviates are
//! sums of twelve uniforms; the fat tails come from volatility clustering and jumps.

use model::{Bar, Price, Qty, SymbolId, Ts};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Why a specification was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("market.{field} = {value}: {rule}")]
pub struct MarketError {
    field: &'static str,
    value: String,
    rule: &'static str,
}

/// One symbol of the market.
#[derive(Clone, Debug, PartialEq)]
pub struct MarketSymbol {
    /// Smallest price step.
    pub tick: Price,
    /// Smallest quantity step.
    pub lot: Qty,
    /// Price before the first bar.
    pub start_price: Price,
}

/// What to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct MarketSpec {
    /// Seed; the same seed and specification give the same bytes.
    pub seed: u64,
    /// Bars per symbol.
    pub n_bars: usize,
    /// Length of a bar.
    pub bar_ns: i64,
    /// When the first bar opens.
    pub start_at: Ts,
    /// Symbols, in the order of their ids.
    pub symbols: Vec<MarketSymbol>,
    /// Standard deviation of an ordinary bar's return.
    pub volatility_bps: f64,
    /// Standard deviation of the bounce.
    pub bounce_bps: f64,
    /// Drift of a burst, in ordinary bar deviations per bar.
    pub burst_strength: f64,
    /// When the bounce changes for good, and to what; none is a market that stays as it is.
    pub turn: Option<Turn>,
}

/// A market that turns: what was the better parameter is the worse one from here on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turn {
    /// The first bar of the new market.
    pub at_bar: usize,
    /// Standard deviation of the bounce from then on.
    pub bounce_bps: f64,
}

/// Steps of the path inside one bar; high and low are proven by them.
const STEPS: usize = 15;
/// What the bounce keeps from one step to the next.
const BOUNCE_KEPT: f64 = 0.5;
/// Share of variance that all symbols have in common.
const COMMON_SHARE: f64 = 0.35;
/// Volatility by UTC hour: quiet Asian night, busy European and American afternoon.
const HOURLY: [f64; 24] = [
    0.95, 0.92, 0.88, 0.85, 0.82, 0.80, 0.82, 0.90, 1.00, 1.06, 1.05, 1.02, 1.05, 1.15, 1.25, 1.28, 1.24, 1.16, 1.08,
    1.04, 1.00, 0.98, 0.97, 0.96,
];
/// Volatility by day of the week, from Monday.
const WEEKLY: [f64; 7] = [1.05, 1.04, 1.04, 1.03, 1.02, 0.86, 0.88];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Regime {
    Calm,
    Trend,
    Turbulent,
}

impl Regime {
    const fn volatility(self) -> f64 {
        match self {
            Self::Calm => 0.85,
            Self::Trend => 1.0,
            Self::Turbulent => 1.5,
        }
    }

    /// Chance of leaving in one bar.
    const fn leaving(self) -> f64 {
        match self {
            Self::Calm => 1.0 / 192.0,
            Self::Trend => 1.0 / 64.0,
            Self::Turbulent => 1.0 / 48.0,
        }
    }

    fn next(self, draw: f64) -> Self {
        match (self, draw < 0.6) {
            (Self::Calm, true) => Self::Trend,
            (Self::Calm, false) | (Self::Trend, false) => Self::Turbulent,
            (Self::Trend | Self::Turbulent, true) | (Self::Turbulent, false) => Self::Calm,
        }
    }
}

struct Dice(ChaCha8Rng);

impl Dice {
    /// Uniform in [0, 1).
    fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let mut sum = 0;
        for _ in 0..3 {
            let draw = self.0.next_u64();
            sum += (draw & 0xffff) + (draw >> 16 & 0xffff) + (draw >> 32 & 0xffff) + (draw >> 48);
        }
        (sum as f64 + 6.0) / 65_536.0 - 6.0
    }

    fn sign(&mut self) -> f64 {
        if self.0.next_u64() & 1 == 0 { 1.0 } else { -1.0 }
    }
}

/// A run of one symbol in one direction.
#[derive(Clone, Copy, Debug)]
struct Burst {
    direction: f64,
    bars_left: u32,
}

struct Path {
    efficient: f64,
    bounce: f64,
    /// GARCH variance relative to its mean.
    variance: f64,
    burst: Option<Burst>,
}

/// What all symbols share in one bar.
struct Weather {
    deviation: f64,
    trend: f64,
    common: [f64; STEPS],
    activity: f64,
    bounce_bps: f64,
}

/// The bars of the market, sorted by close and symbol.
///
/// # Errors
/// The first field that makes no market.
pub fn generate(spec: &MarketSpec) -> Result<Vec<Bar>, MarketError> {
    check(spec)?;
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(spec.seed));
    let start = |s: &MarketSymbol| Path { efficient: s.start_price.to_f64(), bounce: 0.0, variance: 1.0, burst: None };
    let mut paths: Vec<Path> = spec.symbols.iter().map(start).collect();
    let mut bars = Vec::with_capacity(spec.n_bars * paths.len());
    let (mut regime, mut direction) = (Regime::Calm, 1.0);
    for n in 0..spec.n_bars {
        let opened_at = spec.start_at.plus_ns(spec.bar_ns * n as i64);
        if dice.uniform() < regime.leaving() {
            regime = regime.next(dice.uniform());
            direction = dice.sign();
        }
        let bounce_bps = spec.turn.filter(|turn| n >= turn.at_bar).map_or(spec.bounce_bps, |turn| turn.bounce_bps);
        let weather = weather(spec, regime, direction, opened_at, bounce_bps, &mut dice);
        for (i, path) in paths.iter_mut().enumerate() {
            let id = SymbolId(i as u16);
            let candle = walk(spec, &spec.symbols[i], path, &weather, &mut dice);
            bars.push(Bar { symbol: id, opened_at, closed_at: opened_at.plus_ns(spec.bar_ns), ..candle });
        }
    }
    Ok(bars)
}

fn check(spec: &MarketSpec) -> Result<(), MarketError> {
    let refuse = |field, value: String, rule| Err(MarketError { field, value, rule });
    if spec.n_bars == 0 || spec.n_bars > 50_000_000 {
        return refuse("n_bars", spec.n_bars.to_string(), "must be 1 to 50000000");
    }
    if spec.bar_ns <= 0 || spec.bar_ns > 7 * Ts::DAY || spec.start_at.0 < 0 || spec.start_at.0 > i64::MAX / 2 {
        return refuse(
            "bar_ns",
            spec.bar_ns.to_string(),
            "a bar lasts above zero and at most a week, starting after 1970",
        );
    }
    if (i64::MAX / 2) / spec.bar_ns < spec.n_bars as i64 {
        return refuse("n_bars", spec.n_bars.to_string(), "the last bar would close after the year 2116");
    }
    if spec.symbols.is_empty() || spec.symbols.len() > 1000 {
        return refuse("symbols", spec.symbols.len().to_string(), "needs 1 to 1000 symbols");
    }
    for symbol in &spec.symbols {
        let Price(start) = symbol.start_price;
        if symbol.tick <= Price::ZERO
            || symbol.lot <= Qty::ZERO
            || start < 100 * symbol.tick.0
            || start > 10_i64.pow(16)
        {
            let text = format!("{} (tick {}, lot {})", symbol.start_price, symbol.tick, symbol.lot);
            return refuse("start_price", text, "must be 100 ticks to 1e8, tick and lot above zero");
        }
    }
    for (field, value, most) in [
        ("volatility_bps", spec.volatility_bps, 500.0),
        ("bounce_bps", spec.bounce_bps, 200.0),
        ("burst_strength", spec.burst_strength, 5.0),
        ("turn.bounce_bps", spec.turn.map_or(0.0, |turn| turn.bounce_bps), 200.0),
    ] {
        if !(0.0..=most).contains(&value) {
            return refuse(field, value.to_string(), "must be a number from 0 to 500 (bounce 200, burst 5)");
        }
    }
    Ok(())
}

fn weather(
    spec: &MarketSpec,
    regime: Regime,
    direction: f64,
    opened_at: Ts,
    bounce_bps: f64,
    dice: &mut Dice,
) -> Weather {
    let hour = opened_at.0.div_euclid(3_600 * 1_000_000_000);
    let season = HOURLY[hour.rem_euclid(24) as usize] * WEEKLY[(opened_at.utc_day() + 3).rem_euclid(7) as usize];
    let deviation = spec.volatility_bps * 1e-4 * regime.volatility() * season;
    let trend = if regime == Regime::Trend { 0.06 * direction * deviation } else { 0.0 };
    let mut common = [0.0; STEPS];
    common.iter_mut().for_each(|c| *c = dice.normal());
    Weather { deviation, trend, common, activity: season * regime.volatility(), bounce_bps }
}

/// Chance that a burst starts in a bar, and how many bars it lasts.
const BURST_CHANCE: f64 = 1.0 / 384.0;
const BURST_BARS: u32 = 10;

fn burst_drift(path: &mut Path, spec: &MarketSpec, dice: &mut Dice) -> f64 {
    if path.burst.is_none() && dice.uniform() < BURST_CHANCE {
        path.burst = Some(Burst { direction: dice.sign(), bars_left: BURST_BARS });
    }
    let Some(burst) = &mut path.burst else { return 0.0 };
    let drift = burst.direction * spec.burst_strength;
    burst.bars_left -= 1;
    if burst.bars_left == 0 {
        path.burst = None;
    }
    drift
}

fn jump(dice: &mut Dice) -> f64 {
    if dice.uniform() < 0.0015 { dice.sign() * (2.5 + 3.0 * dice.uniform()) } else { 0.0 }
}

/// One candle of one symbol, from a path of [`STEPS`] prints.
fn walk(spec: &MarketSpec, symbol: &MarketSymbol, path: &mut Path, weather: &Weather, dice: &mut Dice) -> Bar {
    let deviation = weather.deviation * path.variance.sqrt();
    let burst = burst_drift(path, spec, dice) * spec.volatility_bps * 1e-4;
    let drift = burst + weather.trend + jump(dice) * deviation;
    let step = deviation / (STEPS as f64).sqrt();
    let bounce_step = weather.bounce_bps * 1e-4 * (1.0 - BOUNCE_KEPT * BOUNCE_KEPT).sqrt();
    let (own, shared) = ((1.0 - COMMON_SHARE).sqrt(), COMMON_SHARE.sqrt());
    let before = path.efficient;
    let (mut open, mut high, mut low, mut close) = (Price::ZERO, Price(i64::MIN), Price(i64::MAX), Price::ZERO);
    for (n, common) in weather.common.iter().enumerate() {
        let change = step * (own * dice.normal() + shared * common) + drift / STEPS as f64;
        path.efficient *= 1.0 + change.clamp(-0.5, 0.5);
        path.bounce = BOUNCE_KEPT * path.bounce + bounce_step * dice.normal();
        close = print(path.efficient * (1.0 + path.bounce), symbol);
        if n == 0 {
            open = close;
        }
        (high, low) = (high.max(close), low.min(close));
    }
    // A burst is a drift and not a shock: it must not feed the clustering of volatility.
    let shock = if deviation > 0.0 { (path.efficient / before - 1.0 - burst) / deviation } else { 0.0 };
    path.variance = 0.04 + 0.06 * path.variance * (shock * shock).min(25.0) + 0.90 * path.variance;
    let volume = volume(symbol, weather.activity * (0.4 + 0.6 * shock.abs().min(6.0)), dice);
    Bar { symbol: SymbolId(0), opened_at: Ts(0), closed_at: Ts(0), open, high, low, close, volume }
}

/// The nearest tick that is a price, within what a price can hold.
fn print(price: f64, symbol: &MarketSymbol) -> Price {
    let tick = symbol.tick.0;
    let most = 9_000_000_000_000_000_000 / tick;
    let ticks = (price * model::fixed::SCALE as f64 / tick as f64).round() as i64;
    Price(ticks.clamp(1, most) * tick)
}

/// A volume whose mean is about 2,000,000 quote units a bar at the start price.
fn volume(symbol: &MarketSymbol, activity: f64, dice: &mut Dice) -> Qty {
    let usual = 2e6 / symbol.start_price.to_f64();
    Qty::from_f64(usual * activity * (0.5 + dice.uniform())).map_or(symbol.lot, |q| q.round_down(symbol.lot))
}

#[cfg(test)]
#[path = "market_tests.rs"]
mod tests;
