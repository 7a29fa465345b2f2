//! The usual volume by hour of the day, learned from candles.

use model::{Bar, Ts};
use serde::{Deserialize, Serialize};

/// Hours of a day, UTC.
pub const HOURS: usize = 24;
const HOUR_NS: i64 = 3_600 * 1_000_000_000;
/// Once an hour of the day was seen for this long, its past counts half: the mean covers its last ten to twenty days.
const FORGET_AFTER_NS: i64 = 20 * HOUR_NS;
const UNIT: i128 = 100_000_000;

/// Mean volume of each hour of the day, UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeCurve {
    volume: [i128; HOURS],
    covered_ns: [i64; HOURS],
}

/// Share of the day's volume in each hour, in 1e-8.
pub type HourShares = [i64; HOURS];

impl VolumeCurve {
    /// Adds a candle of a day at most; its volume counts as even over its time. A longer one says nothing of hours.
    pub fn learn(&mut self, bar: &Bar) {
        let (from, to) = (bar.opened_at.0, bar.closed_at.0);
        let whole_ns = to - from;
        if !(1..=Ts::DAY).contains(&whole_ns) {
            return;
        }
        let mut at = from;
        while at < to {
            let until = (at - at.rem_euclid(HOUR_NS) + HOUR_NS).min(to);
            let part_ns = until - at;
            let volume = if part_ns == whole_ns {
                i128::from(bar.volume.0)
            } else {
                i128::from(bar.volume.0) * i128::from(part_ns) / i128::from(whole_ns)
            };
            self.add(hour_of(at), volume, part_ns);
            at = until;
        }
    }

    fn add(&mut self, hour: usize, volume: i128, ns: i64) {
        if self.covered_ns[hour] > FORGET_AFTER_NS {
            self.covered_ns[hour] /= 2;
            self.volume[hour] /= 2;
        }
        self.covered_ns[hour] += ns;
        self.volume[hour] += volume;
    }

    /// Each hour's share; `None` until every hour of the day was seen whole once, or while nothing trades.
    #[must_use]
    pub fn shares(&self) -> Option<HourShares> {
        if self.covered_ns.iter().any(|ns| *ns < HOUR_NS) {
            return None;
        }
        let mut hourly = [0_i128; HOURS];
        for (mean, (volume, ns)) in hourly.iter_mut().zip(self.volume.iter().zip(self.covered_ns)) {
            *mean = volume.checked_mul(i128::from(HOUR_NS))? / i128::from(ns);
        }
        let day: i128 = hourly.iter().sum();
        if day <= 0 {
            return None;
        }
        let mut shares = [0_i64; HOURS];
        for (share, mean) in shares.iter_mut().zip(hourly) {
            *share = i64::try_from(mean.checked_mul(UNIT)? / day).ok()?;
        }
        Some(shares)
    }
}

fn hour_of(ns: i64) -> usize {
    (ns.rem_euclid(Ts::DAY) / HOUR_NS) as usize
}

/// The usual volume since 1970 at `parts / n` nanoseconds, in shares times nanoseconds times `n`. Differences of it are exact,
/// also where a slice does not end on a whole nanosecond.
#[must_use]
pub(crate) fn usual_until(shares: &HourShares, parts: i128, n: i128) -> i128 {
    let (hour, day) = (i128::from(HOUR_NS) * n, i128::from(Ts::DAY) * n);
    let of_day: i128 = shares.iter().map(|s| i128::from(*s) * hour).sum();
    let (days, in_day) = (parts.div_euclid(day), parts.rem_euclid(day));
    let (hours, in_hour) = ((in_day / hour) as usize, in_day % hour);
    let whole: i128 = shares[..hours].iter().map(|s| i128::from(*s) * hour).sum();
    days * of_day + whole + i128::from(shares[hours]) * in_hour
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Price, Qty, SymbolId};

    fn bar(from_h: i64, hours: i64, volume: i64) -> Bar {
        let price = Price(1);
        let (opened_at, closed_at) = (Ts(from_h * HOUR_NS), Ts((from_h + hours) * HOUR_NS));
        Bar {
            symbol: SymbolId(0),
            opened_at,
            closed_at,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: Qty(volume),
        }
    }

    #[test]
    fn it_is_unknown_until_a_day_was_seen_and_while_nothing_trades() {
        let mut curve = VolumeCurve::default();
        (0..23).for_each(|h| curve.learn(&bar(h, 1, 10)));
        assert_eq!(curve.shares(), None);
        curve.learn(&bar(23, 1, 10));
        assert!(curve.shares().is_some_and(|s| s.iter().all(|x| *x == 100_000_000 / 24)));
        let mut still = VolumeCurve::default();
        (0..48).for_each(|h| still.learn(&bar(h, 1, 0)));
        assert_eq!(still.shares(), None);
    }

    #[test]
    fn an_hour_has_the_share_that_it_traded() {
        let mut curve = VolumeCurve::default();
        (0..24).for_each(|h| curve.learn(&bar(h, 1, if h == 5 { 77 } else { 1 })));
        let shares = curve.shares().unwrap();
        assert_eq!((shares[5], shares[6]), (77_000_000, 1_000_000));
    }

    #[test]
    fn a_candle_across_hours_is_spread_over_them() {
        let mut curve = VolumeCurve::default();
        for start in (0..24).step_by(4) {
            curve.learn(&bar(start, 4, if start == 8 { 3 * 24 } else { 24 }));
        }
        let shares = curve.shares().unwrap();
        assert_eq!(shares[8], shares[11]);
        assert_eq!(shares[8], 3 * shares[12]);
    }

    #[test]
    fn the_integral_of_shares_adds_up_over_days() {
        let shares: HourShares = std::array::from_fn(|h| h as i64 + 1);
        let day = usual_until(&shares, i128::from(Ts::DAY) * 7, 7);
        assert_eq!(day, 300 * i128::from(HOUR_NS) * 7);
        let at = |parts: i128| usual_until(&shares, parts, 7);
        assert_eq!(at(i128::from(Ts::DAY) * 21 + 700) - at(i128::from(Ts::DAY) * 21), 700);
    }
}
