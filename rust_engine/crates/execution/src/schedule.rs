//! How much of a parent order should be done by when.

use crate::almgren_chriss::{Inputs, Trajectory, TrajectoryError};
use crate::curve::{HourShares, usual_until};
use model::{Algorithm, ParentOrder, Price, Qty, Side, Ts};
use serde::{Deserialize, Serialize};

/// Why a parent order is not worked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StartError {
    /// Not a positive whole number of lots.
    #[error("quantity {qty} must be above zero and a multiple of the lot {lot}")]
    NotWholeLots {
        /// Quantity of the parent.
        qty: Qty,
        /// The symbol's lot.
        lot: Qty,
    },
    /// Nothing to cut it into.
    #[error("an algorithm in slices needs at least one")]
    NoSlices,
    /// It needs time.
    #[error("the horizon is over: this algorithm needs time")]
    NoHorizon,
    /// A share of volume that cannot be.
    #[error("a share of volume of {rate_e4}e-4 must be above zero and below one")]
    Rate {
        /// What was given.
        rate_e4: u16,
    },
    /// An iceberg shows a positive whole number of lots.
    #[error("displayed quantity {display} must be above zero and a multiple of the lot {lot}")]
    Display {
        /// What was given.
        display: Qty,
        /// The symbol's lot.
        lot: Qty,
    },
    /// A price between two ticks.
    #[error("price {price} must be above zero and a multiple of the tick {tick}")]
    OffTick {
        /// What was given.
        price: Price,
        /// The symbol's tick.
        tick: Price,
    },
    /// An iceberg that would rest beyond its limit.
    #[error("price {price} is beyond the limit {limit}")]
    BeyondLimit {
        /// Where it would rest.
        price: Price,
        /// The limit.
        limit: Price,
    },
    /// No trajectory for these numbers.
    #[error(transparent)]
    Trajectory(#[from] TrajectoryError),
    /// So many lots that their schedule cannot be computed exactly.
    #[error("{lots} lots are too many for an exact schedule")]
    TooLarge {
        /// Lots of the parent.
        lots: i64,
    },
    /// The parent is already being worked.
    #[error("parent order {0} is already being worked")]
    Repeated(u64),
}

/// From `due` on, `cumulative` of the parent should have been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// When.
    pub due: Ts,
    /// How much in all.
    pub cumulative: Qty,
}

/// What drives a parent order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Schedule {
    /// By the clock. Ascending in time and quantity; the last one is the whole. Empty where everything is due at once.
    Timed(Vec<Slice>),
    /// By what others trade: `market` of it so far.
    Volume { rate_e4: u16, market: Qty },
    /// One resting order at a time.
    Displayed { display: Qty, price: Price },
}

/// What a schedule is made for: how many lots, from when until when.
#[derive(Clone, Copy, Debug)]
struct Span {
    lots: i64,
    lot: Qty,
    from: Ts,
    until: Ts,
    slices: u16,
}

impl Span {
    /// A slice at the start of each of the equal intervals; `done_after(i)` gives the lots done after interval `i`, from 1.
    /// Intervals without a whole lot have no slice.
    fn timed(&self, mut done_after: impl FnMut(u16) -> Option<i64>) -> Result<Schedule, StartError> {
        let length_ns = i128::from(self.until.0 - self.from.0);
        let mut list: Vec<Slice> = Vec::new();
        let mut done = 0;
        for i in 1..=self.slices {
            let lots = if i == self.slices { Some(self.lots) } else { done_after(i) };
            let lots = lots.ok_or(StartError::TooLarge { lots: self.lots })?;
            if lots > done {
                done = lots;
                let offset_ns = length_ns * i128::from(i - 1) / i128::from(self.slices);
                list.push(Slice { due: Ts(self.from.0 + offset_ns as i64), cumulative: Qty(lots * self.lot.0) });
            }
        }
        Ok(Schedule::Timed(list))
    }

    /// The nearest whole number of lots to `part / whole` of all, halves up.
    fn lots_of(&self, part: i128, whole: i128) -> Option<i64> {
        let doubled = i128::from(self.lots).checked_mul(part)?.checked_mul(2)?.checked_add(whole)?;
        i64::try_from(doubled / whole.checked_mul(2)?).ok()
    }

    fn even(&self) -> Result<Schedule, StartError> {
        self.timed(|i| self.lots_of(i128::from(i), i128::from(self.slices)))
    }

    /// After the usual volume. Time is counted in parts of a nanosecond, so that a flat curve is the even schedule exactly.
    fn after_volume(&self, shares: &HourShares) -> Result<Schedule, StartError> {
        let n = i128::from(self.slices);
        let (from, length_ns) = (i128::from(self.from.0) * n, i128::from(self.until.0 - self.from.0));
        let since_start =
            |i: u16| usual_until(shares, from + length_ns * i128::from(i), n) - usual_until(shares, from, n);
        let whole = since_start(self.slices);
        if whole <= 0 {
            return self.even();
        }
        self.timed(|i| self.lots_of(since_start(i), whole))
    }

    fn after_trajectory(&self, inputs: Inputs) -> Result<Schedule, StartError> {
        let trajectory = Trajectory::new(inputs)?;
        // Holdings then differ from the straight line by less than a float can tell.
        if trajectory.kappa() * inputs.horizon < 1e-8 {
            return self.even();
        }
        let lots = self.lots as f64;
        self.timed(|i| Some(((1.0 - trajectory.share_held(i)) * lots).round() as i64))
    }
}

impl Schedule {
    /// The schedule of a parent that starts at `from`. `shares` is the usual volume where it is known.
    pub(crate) fn new(
        parent: &ParentOrder,
        lot: Qty,
        tick: Price,
        from: Ts,
        shares: Option<&HourShares>,
    ) -> Result<Self, StartError> {
        let qty = parent.order.qty;
        if lot <= Qty::ZERO || qty <= Qty::ZERO || qty.0 % lot.0 != 0 {
            return Err(StartError::NotWholeLots { qty, lot });
        }
        let until = ends_at(parent);
        if let Some(price) = parent.limit {
            check_tick(price, tick)?;
        }
        let span = |slices| match slices {
            0 => Err(StartError::NoSlices),
            slices => Ok(Span { lots: qty.0 / lot.0, lot, from, until, slices }),
        };
        match parent.algorithm {
            Algorithm::Immediate => Ok(Self::Timed(Vec::new())),
            Algorithm::Pov { rate_e4 } if !(1..10_000).contains(&rate_e4) => Err(StartError::Rate { rate_e4 }),
            Algorithm::Pov { .. } | Algorithm::Iceberg { .. } if until <= from => Err(StartError::NoHorizon),
            Algorithm::Pov { rate_e4 } => Ok(Self::Volume { rate_e4, market: Qty::ZERO }),
            Algorithm::Iceberg { display, price } => displayed(parent, display, price, lot, tick),
            Algorithm::Twap { slices } | Algorithm::Vwap { slices } | Algorithm::AlmgrenChriss { slices, .. }
                if until <= from =>
            {
                span(slices).map(|_| Self::Timed(Vec::new()))
            }
            Algorithm::Twap { slices } => span(slices)?.even(),
            Algorithm::Vwap { slices } => match shares {
                Some(shares) => span(slices)?.after_volume(shares),
                None => span(slices)?.even(),
            },
            Algorithm::AlmgrenChriss { slices, risk_aversion, temporary_impact, permanent_impact, volatility } => {
                let horizon = (until.0 - from.0) as f64 * 1e-9;
                let quantity = qty.to_f64();
                span(slices)?.after_trajectory(Inputs {
                    quantity,
                    horizon,
                    intervals: slices,
                    volatility,
                    permanent_impact,
                    temporary_impact,
                    risk_aversion,
                })
            }
        }
    }

    /// How much of `whole` may have been sent by `now`, whole lots.
    pub(crate) fn allowed(&self, whole: Qty, lot: Qty, now: Ts, prints_hold_own_fills: bool) -> Qty {
        match self {
            Self::Timed(slices) => {
                let passed = slices.partition_point(|s| s.due <= now);
                passed.checked_sub(1).map_or(Qty::ZERO, |i| slices[i].cumulative)
            }
            Self::Volume { rate_e4, market } => {
                let rate = i128::from(*rate_e4);
                let whole_e4 = if prints_hold_own_fills { 10_000 } else { 10_000 - rate };
                let share = i128::from(market.0) * rate / whole_e4;
                i64::try_from(share).map_or(whole, |share| Qty(share).round_down(lot).min(whole))
            }
            Self::Displayed { .. } => whole,
        }
    }

    /// The first slice after `now`, if time drives it.
    pub(crate) fn next_after(&self, now: Ts) -> Option<Ts> {
        match self {
            Self::Timed(slices) => slices.get(slices.partition_point(|s| s.due <= now)).map(|s| s.due),
            Self::Volume { .. } | Self::Displayed { .. } => None,
        }
    }
}

/// When the parent's time is over.
pub(crate) fn ends_at(parent: &ParentOrder) -> Ts {
    Ts(parent.order.decided_at.0.saturating_add(parent.horizon_ns.max(0)))
}

fn check_tick(price: Price, tick: Price) -> Result<(), StartError> {
    let is_right = tick > Price::ZERO && price > Price::ZERO && price.0 % tick.0 == 0;
    if is_right { Ok(()) } else { Err(StartError::OffTick { price, tick }) }
}

fn displayed(parent: &ParentOrder, display: Qty, price: Price, lot: Qty, tick: Price) -> Result<Schedule, StartError> {
    check_tick(price, tick)?;
    if display <= Qty::ZERO || display.0 % lot.0 != 0 {
        return Err(StartError::Display { display, lot });
    }
    let is_beyond = |limit: Price| match parent.order.side {
        Side::Buy => price > limit,
        Side::Sell => price < limit,
    };
    match parent.limit.filter(|limit| is_beyond(*limit)) {
        Some(limit) => Err(StartError::BeyondLimit { price, limit }),
        None => Ok(Schedule::Displayed { display, price }),
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
