//! The share of its capital that an instance trades, and instances that trade none.
//!
//! An instance lives as long as its journal; what runs in it and at which share are messages. At share 0 it is idle: its position
//! is closed as a flatten closes one, until nothing is left, and nothing is opened; it goes on seeing the market, so that its
//! indicators are warm when it is given a share again.
//!
//! A canary trades the money of the live instance beside it, `X.canary` that of `X`. The funded account's capital is therefore
//! what its live instances were configured with, and no share moves it; the two shares together are never above the whole.

use crate::core::Core;
use crate::error::CoreError;
use crate::instance::Instance;
use crate::recorder::Recorder;
use model::{InstanceConfig, Mode, Money, OrderRequest};

/// What the name of a canary adds to that of the live instance whose capital it shares.
const CANARY: &str = ".canary";
/// A share in the unit in which capital is multiplied by it.
const WHOLE_E8: i64 = 100_000_000;

fn e8(share: f64) -> i64 {
    (share * WHOLE_E8 as f64).round() as i64
}

/// The part of `capital` that `share` is.
pub(crate) fn part_of(capital: Money, share: f64) -> Money {
    capital.times_rate(e8(share))
}

/// Says in words why a share is none.
pub(crate) fn check(share: f64) -> Result<(), String> {
    if (0.0..=1.0).contains(&share) {
        return Ok(());
    }
    Err(format!("capital_share {share} must be a number from 0 to 1"))
}

/// Whether the two, by name and mode, trade one capital.
fn are_one(a: (&str, Mode), b: (&str, Mode)) -> bool {
    let is_canary_of = |c: (&str, Mode), x: (&str, Mode)| {
        (c.1, x.1) == (Mode::Canary, Mode::Live) && c.0.strip_suffix(CANARY) == Some(x.0)
    };
    is_canary_of(a, b) || is_canary_of(b, a)
}

fn check_together(name: &str, share: f64, other: &str, its_share: f64) -> Result<(), String> {
    if e8(share) + e8(its_share) <= WHOLE_E8 {
        return Ok(());
    }
    Err(format!("capital_share {share} of {name} and {its_share} of {other} are more than the capital that both trade"))
}

/// Checks the shares that a run begins with.
///
/// # Errors
/// [`CoreError::Setup`].
pub(crate) fn check_configured(instances: &[InstanceConfig]) -> Result<(), CoreError> {
    for (i, config) in instances.iter().enumerate() {
        let name = &config.instance_id;
        let setup = |problem| CoreError::Setup { what: format!("instance '{name}'"), problem };
        check(config.capital_share).map_err(setup)?;
        for other in &instances[..i] {
            if are_one((name, config.mode), (&other.instance_id, other.mode)) {
                check_together(name, config.capital_share, &other.instance_id, other.capital_share).map_err(setup)?;
            }
        }
    }
    Ok(())
}

impl<T> Instance<T> {
    /// What the sizes of new orders refer to; zero when idle.
    pub(crate) fn traded_capital(&self) -> Money {
        part_of(self.capital, self.capital_share)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.capital_share == 0.0
    }

    /// Gives it another share. An idle one keeps its sizes: what it would open is stopped behind it, under one name.
    pub(crate) fn set_share(&mut self, share: f64) {
        self.capital_share = share;
        if !self.is_idle() {
            self.strategy.set_capital(self.traded_capital());
        }
    }
}

impl<R: Recorder> Core<R> {
    /// Says in words why instance `i` cannot have this share now.
    pub(crate) fn check_share(&self, i: usize, share: f64) -> Result<(), String> {
        check(share)?;
        let me = &self.instances[i].identity;
        for other in &self.instances {
            let it = &other.identity;
            if are_one((&me.instance_id, me.mode), (&it.instance_id, it.mode)) {
                check_together(&me.instance_id, share, &it.instance_id, other.capital_share)?;
            }
        }
        Ok(())
    }

    /// Whether the order is one that its instance must not send while it is idle.
    pub(crate) fn is_idle_opening(&self, order: &OrderRequest) -> bool {
        !order.reduce_only && self.instances[order.instance.index()].is_idle()
    }
}

#[cfg(test)]
#[path = "share_tests.rs"]
mod tests;
