//! Points and weights of Gauss and Legendre's rule on 0..1.

use std::f64::consts::PI;

const STEPS: usize = 100;

/// `n` points with their weights: exact for polynomials of degree up to `2n - 1`.
pub(crate) fn rule(n: usize) -> Vec<(f64, f64)> {
    (1..=n).map(|i| point(n, i)).collect()
}

/// Newton's method from the usual first guess, on -1..1, then moved to 0..1.
fn point(n: usize, i: usize) -> (f64, f64) {
    let mut x = (PI * (i as f64 - 0.25) / (n as f64 + 0.5)).cos();
    let mut slope = 1.0;
    for _ in 0..STEPS {
        let value;
        (value, slope) = legendre(n, x);
        let step = value / slope;
        x -= step;
        if step.abs() < 1e-16 {
            break;
        }
    }
    let weight = 2.0 / ((1.0 - x * x) * slope * slope);
    (0.5 * (x + 1.0), 0.5 * weight)
}

/// The polynomial of degree `n` at `x`, and its slope.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut before, mut now) = (1.0, x);
    for k in 2..=n {
        let k = k as f64;
        (before, now) = (now, ((2.0 * k - 1.0) * x * now - (k - 1.0) * before) / k);
    }
    (now, n as f64 * (x * now - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::rule;

    #[test]
    fn integrates_every_power_that_it_should() {
        for n in 1..=16 {
            for power in 0..2 * n {
                let sum: f64 = rule(n).iter().map(|(t, w)| w * t.powi(power as i32)).sum();
                let exact = 1.0 / (power as f64 + 1.0);
                assert!((sum - exact).abs() < 1e-14, "{n} points, power {power}: {sum} for {exact}");
            }
        }
    }
}
