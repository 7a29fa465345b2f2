//! What a fill costs and what holding a perpetual costs.

use model::{Costs, FeeTier, Funding, Liquidity, Money, Qty, Ts};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Full UTC days whose traded notional decides the tier.
pub const TIER_DAYS: i64 = 30;

/// Why fees were refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FeeError {
    /// A rate is no number within its bounds.
    #[error("{field} = {value}: must be a number from {minimum} to 1000 bps")]
    Rate {
        /// Which.
        field: &'static str,
        /// What it is.
        value: f64,
        /// The least it may be.
        minimum: f64,
    },
    /// Tiers must ascend from above zero.
    #[error("venue.fee_tiers[{0}].from_notional must be above zero and above the tier before it")]
    Order(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Tier {
    from: Money,
    maker_e8: i64,
    taker_e8: i64,
}

/// Rates by tier, and the traded notional that decides it.
///
/// The tier of a UTC day is that of the [`TIER_DAYS`] full UTC days before it, so it never changes within a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeSchedule {
    base: Tier,
    tiers: Vec<Tier>,
    /// Notional by UTC day, oldest first.
    days: VecDeque<(i64, Money)>,
}

impl FeeSchedule {
    /// The base rates of `costs` until the first tier is reached; `tiers` ascend.
    ///
    /// # Errors
    /// A rate outside −10 (taker: 0) to 1000 bps, or tiers that do not ascend.
    pub fn new(costs: &Costs, tiers: &[FeeTier]) -> Result<Self, FeeError> {
        let base = tier(Money::ZERO, costs.maker_fee_bps, costs.taker_fee_bps)?;
        let mut above = Money::ZERO;
        let mut read = Vec::with_capacity(tiers.len());
        for (n, t) in tiers.iter().enumerate() {
            if t.from_notional <= above {
                return Err(FeeError::Order(n));
            }
            above = t.from_notional;
            read.push(tier(t.from_notional, t.maker_fee_bps, t.taker_fee_bps)?);
        }
        Ok(Self { base, tiers: read, days: VecDeque::new() })
    }

    /// Maker and taker rates at `now`, in 1e-8 of notional.
    #[must_use]
    pub fn rates(&self, now: Ts) -> (i64, i64) {
        if self.tiers.is_empty() {
            return (self.base.maker_e8, self.base.taker_e8);
        }
        let today = now.utc_day();
        let counts = |day: i64| (today - TIER_DAYS..today).contains(&day);
        let traded = self.days.iter().filter(|(day, _)| counts(*day)).fold(Money::ZERO, |sum, (_, money)| sum + *money);
        let tier = self.tiers.iter().rev().find(|t| t.from <= traded).unwrap_or(&self.base);
        (tier.maker_e8, tier.taker_e8)
    }

    /// The fee of a fill at `now`; below zero is a rebate.
    #[must_use]
    pub fn fee(&self, now: Ts, notional: Money, liquidity: Liquidity) -> Money {
        let (maker_e8, taker_e8) = self.rates(now);
        notional.times_rate(match liquidity {
            Liquidity::Maker => maker_e8,
            Liquidity::Taker => taker_e8,
        })
    }

    /// Counts a fill of `notional` at `now`. Days come in order.
    pub fn traded(&mut self, now: Ts, notional: Money) {
        let today = now.utc_day();
        match self.days.back_mut() {
            Some((day, sum)) if *day >= today => *sum += notional.abs(),
            _ => self.days.push_back((today, notional.abs())),
        }
        while self.days.front().is_some_and(|(day, _)| *day < today - TIER_DAYS) {
            self.days.pop_front();
        }
    }
}

fn tier(from: Money, maker_bps: f64, taker_bps: f64) -> Result<Tier, FeeError> {
    let rate = |field, value: f64, minimum: f64| {
        if value >= minimum && value <= 1000.0 {
            Ok((value * 1e4).round() as i64)
        } else {
            Err(FeeError::Rate { field, value, minimum })
        }
    };
    Ok(Tier {
        from,
        maker_e8: rate("maker_fee_bps", maker_bps, -10.0)?,
        taker_e8: rate("taker_fee_bps", taker_bps, 0.0)?,
    })
}

/// What a position pays when funding falls due: `position × mark × rate`. Above zero is paid, below zero received; longs pay
/// when the rate is above zero.
#[must_use]
pub fn funding_payment(position: Qty, funding: &Funding) -> Money {
    (funding.mark * position).times_rate(funding.rate_e8)
}

#[cfg(test)]
#[path = "fees_tests.rs"]
mod tests;
