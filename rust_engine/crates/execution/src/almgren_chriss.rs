//! The optimal trajectory of Almgren and Chriss (2000), "Optimal execution of portfolio transactions".
//!
//! With `tau = T / N`, `eta~ = eta - gamma tau / 2` and `kappa~^2 = lambda sigma^2 / eta~`, the urgency `kappa` solves
//! `cosh(kappa tau) = 1 + kappa~^2 tau^2 / 2` and the holdings are `x_j = X sinh(kappa (T - t_j)) / sinh(kappa T)`.

use serde::{Deserialize, Serialize};

/// What the trajectory depends on. The unit of time is free but one; the engine uses seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// Quantity to trade, above zero.
    pub quantity: f64,
    /// Time to trade it in, above zero.
    pub horizon: f64,
    /// Number of intervals, above zero.
    pub intervals: u16,
    /// Standard deviation of the price over one unit of time, in price.
    pub volatility: f64,
    /// Permanent impact gamma: price per unit of quantity.
    pub permanent_impact: f64,
    /// Temporary impact eta: price per (quantity per unit of time).
    pub temporary_impact: f64,
    /// Risk aversion lambda, per unit of cost; zero minimises the cost alone.
    pub risk_aversion: f64,
}

/// Why no trajectory exists.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrajectoryError {
    /// A number that is not finite, or outside its range.
    #[error("{name} = {value} must be {rule}")]
    Input {
        /// Which.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What it must be.
        rule: &'static str,
    },
    /// Permanent impact outweighs temporary impact within one interval.
    #[error("eta - gamma tau / 2 = {0} must be above zero: take more slices or a shorter horizon")]
    Impact(f64),
}

/// The optimal trajectory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trajectory {
    inputs: Inputs,
    tau: f64,
    kappa: f64,
}

impl Trajectory {
    /// Solves for the urgency.
    ///
    /// # Errors
    /// An input outside its range, or `eta~` not above zero.
    pub fn new(inputs: Inputs) -> Result<Self, TrajectoryError> {
        let positive = "finite and above zero";
        let not_negative = "finite and not below zero";
        for (name, value, rule, is_right) in [
            ("quantity", inputs.quantity, positive, inputs.quantity > 0.0),
            ("horizon", inputs.horizon, positive, inputs.horizon > 0.0),
            ("slices", f64::from(inputs.intervals), positive, inputs.intervals > 0),
            ("volatility", inputs.volatility, not_negative, inputs.volatility >= 0.0),
            ("permanent_impact", inputs.permanent_impact, not_negative, inputs.permanent_impact >= 0.0),
            ("temporary_impact", inputs.temporary_impact, positive, inputs.temporary_impact > 0.0),
            ("risk_aversion", inputs.risk_aversion, not_negative, inputs.risk_aversion >= 0.0),
        ] {
            if !is_right || !value.is_finite() {
                return Err(TrajectoryError::Input { name, value, rule });
            }
        }
        let tau = inputs.horizon / f64::from(inputs.intervals);
        let effective_eta = inputs.temporary_impact - inputs.permanent_impact * tau / 2.0;
        if effective_eta <= 0.0 {
            return Err(TrajectoryError::Impact(effective_eta));
        }
        let kappa_tilde = (inputs.risk_aversion * inputs.volatility * inputs.volatility / effective_eta).sqrt();
        // cosh x - 1 = 2 sinh^2(x / 2): the form with arcosh loses every digit where the urgency is small.
        let kappa = 2.0 * (kappa_tilde * tau / 2.0).asinh() / tau;
        if !kappa.is_finite() {
            let (name, value) = ("risk_aversion", inputs.risk_aversion);
            return Err(TrajectoryError::Input { name, value, rule: "small enough for a finite urgency" });
        }
        Ok(Self { inputs, tau, kappa })
    }

    /// The urgency `kappa`, per unit of time; zero trades evenly.
    #[must_use]
    pub fn kappa(&self) -> f64 {
        self.kappa
    }

    /// The share of the quantity that is still held after interval `j`, 1 at `j = 0` and 0 at `j = intervals`.
    #[must_use]
    pub fn share_held(&self, j: u16) -> f64 {
        let (n, left) = (f64::from(self.inputs.intervals), f64::from(self.inputs.intervals.saturating_sub(j)));
        let (near, far) = (self.kappa * self.tau * left, self.kappa * self.tau * n);
        if far < 1e-8 {
            // The next term of the series is far^2 / 6, below the last bit.
            return left / n;
        }
        // sinh a / sinh b without the overflow of either.
        (near - far).exp() * (-2.0 * near).exp_m1() / (-2.0 * far).exp_m1()
    }

    /// What is traded in interval `j`, `1 <= j <= intervals`.
    #[must_use]
    pub fn traded(&self, j: u16) -> f64 {
        self.inputs.quantity * (self.share_held(j.saturating_sub(1)) - self.share_held(j))
    }
}

#[cfg(test)]
#[path = "almgren_chriss_tests.rs"]
mod tests;
