//! How far from the middle to quote. Prices are in any one unit, volatility in that unit per square root of a second, and
//! inventory in multiples of one quote.

/// What the two models come to: bid and ask stand `half_spread` from a centre that gives way by `skew` for each unit held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quoting {
    /// From the centre to either quote.
    pub half_spread: f64,
    /// Shift of the centre, against the inventory, per unit of it.
    pub skew: f64,
}

/// Avellaneda and Stoikov (2008): reservation price `r = s - q gamma sigma^2 (T - t)` and spread
/// `gamma sigma^2 (T - t) + (2 / gamma) ln(1 + gamma / k)`. `gamma` and `k` are above zero, `left_s` is `T - t`.
#[must_use]
pub fn avellaneda_stoikov(gamma: f64, sigma: f64, left_s: f64, k: f64) -> Quoting {
    let skew = gamma * sigma * sigma * left_s;
    Quoting { half_spread: skew / 2.0 + (gamma / k).ln_1p() / gamma, skew }
}

/// Gueant, Lehalle and Fernandez-Tapia (2013), in the form of Gueant (2016, arXiv 1605.01862, equations 4.6 and 4.7) with
/// `xi = gamma` and quotes of `size` units: `c1 = ln(1 + xi size / k) / (xi size)`,
/// `c2 = sqrt(gamma / (2 a size k) (1 + xi size / k)^(k / (xi size) + 1))`, half spread `c1 + size sigma c2 / 2`, skew
/// `sigma c2`. `gamma`, `a`, `k` and `size` are above zero.
#[must_use]
pub fn glft(gamma: f64, sigma: f64, a: f64, k: f64, size: f64) -> Quoting {
    let xi_size = gamma * size;
    let c1 = (xi_size / k).ln_1p() / xi_size;
    let c2 = (gamma / (2.0 * a * size * k) * (1.0 + xi_size / k).powf(k / xi_size + 1.0)).sqrt();
    Quoting { half_spread: c1 + size * sigma * c2 / 2.0, skew: sigma * c2 }
}

#[cfg(test)]
#[path = "quoting_tests.rs"]
mod tests;
