//! Shares of capital as whole lots.

use model::{Money, Price, Qty};
use serde::{Deserialize, Serialize};

/// A budget in quote currency, prepared so that turning it into a quantity costs one division.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Budget {
    per_lot: i128,
    lot: Qty,
}

impl Budget {
    /// `percent` of `capital`. Percentages come from a grid no finer than 1e-6.
    #[must_use]
    pub fn new(capital: Money, percent: f64, lot: Qty) -> Self {
        let micro_percent = (percent * 1e6).round() as i128;
        let budget = capital.0 / 100_000_000 * micro_percent;
        Self { per_lot: budget / i128::from(lot.0), lot }
    }

    /// The largest whole number of lots that the budget buys at `price`, which is above zero.
    #[must_use]
    #[inline]
    pub fn qty_at(&self, price: Price) -> Qty {
        let lots = match i64::try_from(self.per_lot) {
            Ok(per_lot) => per_lot / price.0,
            Err(_) => i64::try_from(self.per_lot / i128::from(price.0)).unwrap_or(0),
        };
        Qty(lots.checked_mul(self.lot.0).unwrap_or(0))
    }
}

/// The largest whole number of lots in `qty`.
#[must_use]
pub fn whole_lots(qty: f64, lot: Qty) -> Qty {
    Qty::from_f64(qty).map_or(Qty::ZERO, |q| q.round_down(lot))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(capital: f64, percent: f64, price: f64, lot: f64, expected: f64) {
        let number = |v: f64| Qty::from_f64(v).unwrap();
        let budget = Budget::new(Money::from_f64(capital).unwrap(), percent, number(lot));
        assert_eq!(budget.qty_at(Price::from_f64(price).unwrap()), number(expected));
    }

    #[test]
    fn a_share_of_capital_is_rounded_down_to_lots() {
        check(10_000.0, 5.0, 64_250.1, 0.001, 0.007);
        check(10_000.0, 10.0, 100.0, 0.1, 10.0);
        check(10_000.0, 0.5, 64_250.1, 0.001, 0.0);
        // 5e12 units do not fit a quantity: no order rather than a wrong one.
        check(1e10, 50.0, 0.001, 1.0, 0.0);
    }

    proptest! {
        #[test]
        fn a_size_never_costs_more_than_its_budget(
            capital in 1_i64..10_000_000, percent in 1_i64..50, price in 1_i64..i64::from(u32::MAX), lot in 1_i64..1_000_000
        ) {
            let capital = Money(i128::from(capital) * model::fixed::MONEY_SCALE);
            let (price, lot) = (Price(price * 1000), Qty(lot));
            let qty = Budget::new(capital, percent as f64, lot).qty_at(price);
            prop_assert!((price * qty).0 * 100 <= capital.0 * i128::from(percent));
            prop_assert!(qty.0 % lot.0 == 0 && qty.0 >= 0);
        }
    }
}
