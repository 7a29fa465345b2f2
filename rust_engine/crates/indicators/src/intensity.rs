//! How often prints reach a given distance from the middle.

use serde::{Deserialize, Serialize};

/// Distances that are told apart.
const BINS: usize = 64;
/// Width of one, in bps.
const BIN_BPS: f64 = 0.25;
/// Prints after which a fit is worth something.
const ENOUGH: f64 = 200.0;
/// A distance that fewer prints reached tells nothing.
const ENOUGH_IN_BIN: f64 = 5.0;
/// Once this time is covered everything counts half: the fit speaks of the last one to two hours.
const FORGET_AFTER_S: f64 = 7200.0;

/// Arrivals of orders at distance `d` from the middle: `a exp(-k d)` a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intensity {
    /// Arrivals a second at the middle.
    pub a: f64,
    /// Decay per bp of distance.
    pub k: f64,
}

/// Counts prints by their distance from the middle before them, and fits a line through the logarithm of their rates.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ArrivalIntensity {
    reached: Vec<f64>,
    prints: f64,
    covered_s: f64,
    last_ns: Option<i64>,
}

impl ArrivalIntensity {
    /// Adds a print at `price` while the middle was `mid`, both above zero.
    pub fn update(&mut self, at_ns: i64, price: f64, mid: f64) {
        if self.reached.is_empty() {
            self.reached = vec![0.0; BINS];
        }
        let last_ns = *self.last_ns.get_or_insert(at_ns);
        self.covered_s += (at_ns - last_ns).max(0) as f64 * 1e-9;
        self.last_ns = Some(at_ns.max(last_ns));
        if self.covered_s > FORGET_AFTER_S {
            self.covered_s /= 2.0;
            self.prints /= 2.0;
            self.reached.iter_mut().for_each(|n| *n /= 2.0);
        }
        self.prints += 1.0;
        let distance_bps = (price / mid - 1.0).abs() * 1e4;
        let bins = ((distance_bps / BIN_BPS) as usize).min(BINS);
        self.reached[..bins].iter_mut().for_each(|n| *n += 1.0);
    }

    /// Least squares of `ln(rate) = ln a - k d` over the distances that enough prints reached; `None` before 200 prints, before
    /// three such distances, and where farther prints are not rarer.
    #[must_use]
    pub fn fit(&self) -> Option<Intensity> {
        if self.prints < ENOUGH || self.covered_s <= 0.0 {
            return None;
        }
        let points = self.reached.iter().enumerate().filter(|(_, n)| **n >= ENOUGH_IN_BIN);
        let points = points.map(|(i, n)| ((i + 1) as f64 * BIN_BPS, (n / self.covered_s).ln()));
        let (mut n, mut sum_d, mut sum_l, mut sum_dd, mut sum_dl) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (d, l) in points {
            n += 1.0;
            sum_d += d;
            sum_l += l;
            sum_dd += d * d;
            sum_dl += d * l;
        }
        if n < 3.0 {
            return None;
        }
        let slope = (n * sum_dl - sum_d * sum_l) / (n * sum_dd - sum_d * sum_d);
        let a = ((sum_l - slope * sum_d) / n).exp();
        (slope < 0.0 && a.is_finite()).then_some(Intensity { a, k: -slope })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_arrivals_give_back_their_rate_and_decay() {
        // Distances at the quantiles of an exponential law of decay 0.8, ten a second.
        let (mut seen, n) = (ArrivalIntensity::default(), 20_000);
        for i in 0..n {
            let quantile = (f64::from(i * 7_919 % n) + 0.5) / f64::from(n);
            let distance_bps = -(1.0 - quantile).ln() / 0.8;
            seen.update(i64::from(i) * 100_000_000, 100.0 * (1.0 + distance_bps * 1e-4), 100.0);
        }
        let fit = seen.fit().unwrap();
        assert!((fit.k - 0.8).abs() < 0.03 && (fit.a - 10.0).abs() < 0.5, "{fit:?}");
    }

    #[test]
    fn too_few_prints_or_distances_give_no_fit() {
        let mut seen = ArrivalIntensity::default();
        (0..199).for_each(|i| seen.update(i * 1_000_000_000, 100.0 + 0.001 * (i % 9) as f64, 100.0));
        assert_eq!(seen.fit(), None);
        let mut flat = ArrivalIntensity::default();
        (0..1000).for_each(|i| flat.update(i * 1_000_000_000, 100.003, 100.0));
        assert_eq!(flat.fit(), None);
    }
}
