//! Which predictions are traded, and how large.

use model::message::{Prediction, SIGNAL_AHEAD_NS, SIGNAL_LONGEST_NS};
use model::params::PredictiveParams;
use model::{Side, Ts};
use serde::{Deserialize, Serialize};

/// What is needed of a prediction once it was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Admitted {
    /// The engine's number of it.
    pub(crate) number: u64,
    pub(crate) received_at: Ts,
    /// When the data it rests on were known.
    pub(crate) at: Ts,
    pub(crate) expires_at: Ts,
    pub(crate) side: Side,
    pub(crate) confidence: f64,
    pub(crate) horizon_ns: i64,
    /// Standard deviation of the move over the horizon in bps, if the model says one.
    pub(crate) volatility_bps: Option<f64>,
}

/// Why time alone forbids to act on what was known at `at` and expires at `expires_at`; the word is the feedback's.
pub(crate) fn too_late_or_early(at: Ts, expires_at: Ts, now: Ts) -> Option<&'static str> {
    let age_ns = now.0.saturating_sub(at.0);
    if age_ns > SIGNAL_LONGEST_NS {
        Some("stale")
    } else if age_ns < -SIGNAL_AHEAD_NS {
        Some("future")
    } else if now >= expires_at {
        Some("expired")
    } else {
        None
    }
}

/// The prediction as something to trade, or why it is not; the word is the feedback's. A number that is not finite fails the
/// check that it belongs to.
pub(crate) fn admit(
    prediction: &Prediction,
    number: u64,
    now: Ts,
    params: &PredictiveParams,
) -> Result<Admitted, &'static str> {
    let (at, expires_at) = (Ts(prediction.at_ns), Ts(prediction.expires_at_ns));
    if let Some(word) = too_late_or_early(at, expires_at, now) {
        return Err(word);
    }
    if !(params.min_confidence..=1.0).contains(&prediction.confidence) {
        return Err("low_confidence");
    }
    let horizon_s = prediction.horizon_ms as f64 / 1e3;
    if horizon_s < params.min_horizon || horizon_s > params.max_horizon {
        return Err("wrong_horizon");
    }
    let (direction, expected_bps) = (prediction.direction, prediction.expected_move_bps);
    let (agrees, is_large) = (direction * expected_bps > 0.0, expected_bps.abs() >= params.min_move);
    if !agrees || !is_large {
        return Err("neutral");
    }
    Ok(Admitted {
        number,
        received_at: now,
        at,
        expires_at,
        side: if direction > 0.0 { Side::Buy } else { Side::Sell },
        confidence: prediction.confidence,
        horizon_ns: (prediction.horizon_ms as i64).saturating_mul(Ts::MS),
        volatility_bps: prediction.expected_volatility_bps.filter(|v| v.is_finite() && *v > 0.0),
    })
}

/// Notional of an entry in per cent of capital: the fraction of Kelly for a symmetric bet, `2p - 1`, at most `size`, and less
/// in proportion where the expected volatility over the horizon is above its target.
pub(crate) fn share_pct(params: &PredictiveParams, confidence: f64, volatility_bps: f64) -> f64 {
    let kelly_pct = 100.0 * params.kelly_fraction * (2.0 * confidence - 1.0);
    let calm = (params.target_volatility / volatility_bps).min(1.0);
    (kelly_pct.clamp(0.0, params.size) * calm * 1e6).round() / 1e6
}
