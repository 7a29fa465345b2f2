//! Volatility of prices that come at irregular times.

use serde::{Deserialize, Serialize};

/// Exponentially weighted variance of returns per second: `sum w r^2 / sum w dt`, where `w` halves every half-life. A return
/// counts for the time it took, so that prices which come in bursts and prices which come once a minute give the same figure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VarianceRate {
    half_life_s: f64,
    half_life_samples: f64,
    previous: Option<(i64, f64)>,
    squares: f64,
    seconds: f64,
    lived_s: f64,
    samples: u32,
}

impl VarianceRate {
    /// Before the first price. The half-life is `half_life_s` seconds, or that many samples where samples are rarer.
    #[must_use]
    pub fn new(half_life_s: f64, half_life_samples: f64) -> Self {
        Self { half_life_s, half_life_samples, previous: None, squares: 0.0, seconds: 0.0, lived_s: 0.0, samples: 0 }
    }

    /// Adds a price above zero, known at `at_ns`. One that is not later than the last is a move in no time.
    pub fn update(&mut self, at_ns: i64, price: f64) {
        let Some((before_ns, before)) = self.previous else {
            self.previous = Some((at_ns, price));
            return;
        };
        self.previous = Some((at_ns.max(before_ns), price));
        let change_bps = (price / before).ln() * 1e4;
        let dt = (at_ns - before_ns) as f64 * 1e-9;
        if dt <= 0.0 {
            self.squares += change_bps * change_bps;
            return;
        }
        let half_life = self.half_life_s.max(self.half_life_samples * dt);
        let kept = (-dt / half_life * std::f64::consts::LN_2).exp();
        self.squares = self.squares * kept + change_bps * change_bps;
        self.seconds = self.seconds * kept + dt;
        self.lived_s += dt;
        self.samples = self.samples.saturating_add(1);
    }

    /// Variance per second in bps squared; `None` before half a half-life and ten samples.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        let is_warm = self.samples >= 10 && self.seconds > 0.0;
        (is_warm && self.lived_s >= self.half_life_s / 2.0).then(|| self.squares / self.seconds)
    }

    /// Standard deviation in bps per square root of a second, as [`VarianceRate::value`].
    #[must_use]
    pub fn sigma(&self) -> Option<f64> {
        self.value().map(f64::sqrt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// A price that goes up and down by `step_bps` every `dt_ns`.
    fn zigzag(step_bps: f64, dt_ns: i64, n: i64) -> VarianceRate {
        let mut rate = VarianceRate::new(300.0, 20.0);
        (0..n).for_each(|i| rate.update(i * dt_ns, if i % 2 == 0 { 100.0 } else { 100.0 * (step_bps * 1e-4).exp() }));
        rate
    }

    #[test]
    fn a_steady_move_has_its_own_variance_at_any_pace() {
        for (step, dt) in [(1.0, SECOND), (60.0_f64.sqrt(), 60 * SECOND), (0.1, SECOND / 100)] {
            let sigma = zigzag(step, dt, 40_000).sigma().unwrap();
            assert!((sigma - 1.0).abs() < 1e-9, "{sigma}");
        }
    }

    #[test]
    fn it_forgets_by_halves() {
        let mut rate = zigzag(1.0, SECOND, 20_000);
        let last = 100.0 * 1e-4_f64.exp();
        (0..300).for_each(|i| rate.update((20_000 + i) * SECOND, last));
        assert!((rate.value().unwrap() - 0.5).abs() < 1e-3, "{:?}", rate.value());
    }

    #[test]
    fn it_is_silent_until_it_has_seen_enough() {
        assert_eq!(zigzag(1.0, SECOND, 100).value(), None);
        assert_eq!(zigzag(1.0, 100 * SECOND, 10).value(), None);
        assert!(zigzag(1.0, SECOND, 160).value().is_some());
    }

    #[test]
    fn a_second_price_at_one_time_is_a_move_without_time() {
        let mut rate = zigzag(1.0, SECOND, 20_001);
        let before = rate.value().unwrap();
        rate.update(20_000 * SECOND, 101.0);
        assert!(rate.value().unwrap() > before);
    }
}
