//! `sma_cross`: long from the bar after the fast average rises above the slow one until the bar after it does not.
//!
//! The averages are compared as in the event form, sum times length against sum times length; both sums are differences of one
//! running sum. Running sums may wrap: their differences do not, since [`SmaCross::new`] refuses what would not fit 63 bits.

use super::account::{Account, Deal, Tape, Totals};
use super::market::{Market, Series};
use super::{ParameterSet, Place};
use model::params::SmaCrossParams;
use model::{Liquidity, Price, Purpose, Qty, Side};
use strategies::sizing::whole_lots;

/// Bars whose comparison goes into one word.
const BLOCK: usize = 64;

/// One parameter set.
pub(crate) struct SmaCross {
    fast: usize,
    slow: usize,
    size: f64,
}

impl SmaCross {
    /// `None` where prices are so high that products of sums do not fit.
    pub(crate) fn new(params: &SmaCrossParams, market: &Market) -> Option<Self> {
        let highest = market.series.iter().map(|s| s.highest).max().unwrap_or(0);
        let (fast, slow) = (params.fast as usize, params.slow as usize);
        let largest = i128::from(highest) * fast as i128 * slow as i128;
        (largest < i128::from(i64::MAX)).then_some(Self { fast, slow, size: params.size })
    }

    /// Calls `turn` with every bar from `first` on at whose close the averages change sides; before, fast is not above slow.
    fn for_each_turn(&self, sums: &[i64], first: usize, mut turn: impl FnMut(usize)) {
        let (fast, slow) = (self.fast as i64, self.slow as i64);
        let mut start = first.max(self.slow - 1);
        let mut was_above = 0_u64;
        while start + 1 < sums.len() {
            let n = BLOCK.min(sums.len() - 1 - start);
            let up_to = |back: usize| &sums[start + 1 - back..start + 1 - back + n];
            let mut above = 0_u64;
            for (k, ((now, fast_ago), slow_ago)) in
                up_to(0).iter().zip(up_to(self.fast)).zip(up_to(self.slow)).enumerate()
            {
                let (fast_sum, slow_sum) = (now.wrapping_sub(*fast_ago), now.wrapping_sub(*slow_ago));
                above |= u64::from(fast_sum.wrapping_mul(slow) > slow_sum.wrapping_mul(fast)) << k;
            }
            let mut turns = (above ^ (above << 1 | was_above)) & (u64::MAX >> (BLOCK - n));
            while turns != 0 {
                turn(start + turns.trailing_zeros() as usize);
                turns &= turns - 1;
            }
            was_above = above >> (n - 1) & 1;
            start += n;
        }
    }
}

impl ParameterSet for SmaCross {
    /// Running sums of the closes: element `n` is the sum of the first `n`, modulo 2^64.
    type Shared = Vec<i64>;

    fn share(&self, series: &Series) -> Vec<i64> {
        let mut sums = Vec::with_capacity(series.len() + 1);
        let mut sum = 0_i64;
        sums.push(sum);
        sums.extend(series.close.iter().map(|close| {
            sum = sum.wrapping_add(*close);
            sum
        }));
        sums
    }

    fn play<T: Tape>(&self, place: &Place<'_, Vec<i64>>, totals: &mut Totals, tape: &mut T) {
        let series = place.series;
        let mut account = Account::new(series, place.rates, totals, tape);
        let qty = whole_lots(self.size, place.spec.lot);
        if qty > Qty::ZERO {
            let mut opens = true;
            self.for_each_turn(place.shared, series.first_traded, |decided| {
                if let Some(&open) = series.open.get(decided + 1) {
                    account.book(market_deal(decided + 1, Price(open), qty, opens));
                    opens = !opens;
                }
            });
        }
        account.end();
    }
}

fn market_deal(bar: usize, price: Price, qty: Qty, opens: bool) -> Deal {
    let (side, purpose) = if opens { (Side::Buy, Purpose::Entry) } else { (Side::Sell, Purpose::Exit) };
    Deal { bar, side, price, qty, liquidity: Liquidity::Taker, purpose }
}
