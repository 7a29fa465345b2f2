//! How an entry is worked: the recommended algorithm with its numbers from the prediction's hints, where they are in range,
//! and from the parameters otherwise.

use model::message::{Prediction, Recommendation};
use model::params::PredictiveParams;
use model::{Algorithm, Price, Qty, Side};

/// An entry is worked within this part of the prediction's horizon: what fills later is no longer what was predicted.
pub const WORKING_PART: i64 = 4;
/// Urgency `kappa T` of an Almgren-Chriss schedule without a hint: three quarters are done after half of its time.
const URGENCY: f64 = 2.0;
/// Share that an iceberg shows without a hint.
const DISPLAY: f64 = 0.2;

/// What is to be worked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) side: Side,
    pub(crate) qty: Qty,
    pub(crate) price: Price,
    pub(crate) lot: Qty,
    pub(crate) tick: Price,
    /// Time it has, in seconds; at least one millisecond.
    pub(crate) seconds: f64,
    /// Volatility of the price in bps per root second.
    pub(crate) sigma_bps: f64,
}

/// The recommended algorithm for `task`. Hints: `slices` (1 to 100), `participation` (0.01 to 0.5), `display` (0.05 to 1) and
/// `urgency` (0.01 to 10); unknown ones and those out of range are ignored.
pub(crate) fn algorithm(prediction: &Prediction, params: &PredictiveParams, task: &Task) -> Algorithm {
    let hint = |name: &str, range: std::ops::RangeInclusive<f64>, otherwise: f64| {
        prediction.strategy_params.get(name).copied().filter(|v| range.contains(v)).unwrap_or(otherwise)
    };
    let slices = hint("slices", 1.0..=100.0, params.slices) as u16;
    match prediction.recommended_strategy {
        Recommendation::Immediate => Algorithm::Immediate,
        Recommendation::Twap => Algorithm::Twap { slices },
        Recommendation::Vwap => Algorithm::Vwap { slices },
        Recommendation::Pov => {
            let rate = hint("participation", 0.01..=0.5, params.participation / 100.0);
            Algorithm::Pov { rate_e4: (rate * 1e4).round() as u16 }
        }
        Recommendation::Iceberg => {
            let shown = task.qty.to_f64() * hint("display", 0.05..=1.0, DISPLAY);
            let display = Qty::from_f64(shown).map_or(task.qty, |q| q.round_up(task.lot)).min(task.qty);
            let price = match task.side {
                Side::Buy => task.price.round_down(task.tick),
                Side::Sell => task.price.round_up(task.tick),
            };
            Algorithm::Iceberg { display, price: price.max(task.tick) }
        }
        Recommendation::AlmgrenChriss => almgren_chriss(task, slices, hint("urgency", 0.01..=10.0, URGENCY)),
    }
}

/// Impact is not known before an order of this size was seen, so it is scaled: trading the whole at an even rate moves the
/// price by one standard deviation over that time. `lambda = (urgency / T)^2 eta / sigma^2` then gives `kappa T` = urgency for
/// many slices.
fn almgren_chriss(task: &Task, slices: u16, urgency: f64) -> Algorithm {
    let volatility = task.price.to_f64() * task.sigma_bps * 1e-4;
    let even_rate = task.qty.to_f64() / task.seconds;
    let temporary_impact = volatility * task.seconds.sqrt() / even_rate;
    let is_known = volatility > 0.0 && temporary_impact.is_finite();
    if !is_known {
        return Algorithm::Twap { slices };
    }
    let kappa = urgency / task.seconds;
    let risk_aversion = kappa * kappa * temporary_impact / (volatility * volatility);
    Algorithm::AlmgrenChriss { slices, risk_aversion, temporary_impact, permanent_impact: 0.0, volatility }
}
