//! Liquidation of a loan: when it is allowed, how much of the debt, what is seized and what is left of it.
//!
//! Health factor `HF = sum(C_i * P_i * LT_i) / sum(D_j * P_j)`; a loan may be liquidated while `HF < 1` (Aave 2 and 3,
//! and Compound 2 with its collateral factors as thresholds). The largest part of a debt that one call may repay:
//!
//! | protocol | largest repayment |
//! |---|---|
//! | Aave 2, Compound 2 | half of the debt in that asset |
//! | Aave 3 before 3.3 | half of it; all of it when `HF <= 0.95` |
//! | Aave 3.3 and later | half of the **whole** debt; all of this one where a rule below says so |
//!
//! Under Aave 3.3 all of a debt may go when `HF <= 0.95`, or when this debt or this collateral is worth less than 2,000; a
//! call that empties neither side must leave at least 1,000 on both.
//!
//! The thresholds of Aave 3.3 are in the oracle's base currency, US dollars on the main markets; here they are in the
//! quote currency of the loan's prices. Seized is `repaid * P_d / P_c * (1 + bonus)`, never more than there is; of the
//! bonus part the protocol keeps its share. What is left: `bonus - cost of selling - flash fee - gas`.

use crate::wide::{mul_div_ceil, mul_div_floor};
use model::fixed::{MONEY_SCALE, SCALE};
use model::message::{LendingProtocol, LoanPosition, LoanReserve};
use model::{Money, Price, Qty};

const ONE: u128 = SCALE as u128;
/// Below this value of a reserve Aave 3.3 lets all of it go in one call.
const SMALL_RESERVE: u128 = 2_000 * MONEY_SCALE as u128;
/// Least value that Aave 3.3 lets a partial liquidation leave on either side.
const LEAST_LEFTOVER: u128 = 1_000 * MONEY_SCALE as u128;

/// Why a loan could not be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoanError {
    /// `seize` or `repay` points past its list.
    #[error("{side}[{index}] does not exist: the loan has {n}")]
    NoSuchReserve {
        /// `collateral` or `debt`.
        side: &'static str,
        /// What was asked for.
        index: u16,
        /// How many there are.
        n: usize,
    },
    /// An amount below zero, a price not above zero, or a threshold outside 0 to 1.
    #[error("reserve '{asset}': {problem}")]
    Reserve {
        /// Asset.
        asset: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A rate that is not finite or outside its range.
    #[error("{name} is outside 0 to {maximum} bps")]
    Rate {
        /// The field.
        name: &'static str,
        /// Largest allowed.
        maximum: u32,
    },
    /// Gas below zero.
    #[error("gas is below zero")]
    Gas,
    /// More is asked to be repaid than one call may.
    #[error("{asked} is not above zero and at most {largest}, the most that one call may repay")]
    Repay {
        /// What was asked for.
        asked: Qty,
        /// What is allowed.
        largest: Qty,
    },
    /// What would remain is dust, which Aave 3.3 refuses.
    #[error("would leave less than 1,000 of debt or of collateral")]
    Dust,
    /// A product leaves the range of amounts.
    #[error("the amounts are too large to compute with")]
    TooLarge,
}

/// The two sums of a health factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthFactor {
    /// Collateral times liquidation threshold, rounded up: against whoever would liquidate.
    pub secured: Money,
    /// Debt.
    pub debt: Money,
}

impl HealthFactor {
    /// Whether the loan may be liquidated. Without debt it never may.
    #[must_use]
    pub fn is_below_one(&self) -> bool {
        self.secured < self.debt
    }

    /// Whether all of a debt may be repaid under Aave 3: `HF <= 0.95`.
    fn is_deep(&self) -> Result<bool, LoanError> {
        let scaled = |amount: Money, by: i128| amount.0.checked_mul(by).ok_or(LoanError::TooLarge);
        Ok(scaled(self.secured, 100)? <= scaled(self.debt, 95)?)
    }

    /// The ratio, for signals and reports; infinite without debt.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        if self.debt == Money::ZERO { f64::INFINITY } else { self.secured.to_f64() / self.debt.to_f64() }
    }
}

/// What one liquidation call does and what it brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liquidation {
    /// Debt repaid, in units of the debt asset.
    pub repaid: Qty,
    /// Its value at the oracle's price.
    pub repaid_value: Money,
    /// Collateral that leaves the borrower, the protocol's part included.
    pub seized: Qty,
    /// Collateral that reaches the liquidator.
    pub received: Qty,
    /// Its value at the oracle's price.
    pub received_value: Money,
    /// `received_value - repaid_value`; below zero only by rounding of tiny amounts.
    pub bonus: Money,
    /// Cost of selling what was received.
    pub swap_cost: Money,
    /// Fee of the flash loan that repays.
    pub flash_fee: Money,
    /// Gas.
    pub gas: Money,
    /// What is left of the bonus.
    pub net: Money,
}

/// A loan whose numbers were checked, in integers: quantities and prices in 1e-8, rates in 1e-8, values in 1e-16.
struct Loan {
    protocol: LendingProtocol,
    health: HealthFactor,
    collateral_qty: u128,
    collateral_price: u128,
    debt_qty: u128,
    debt_price: u128,
    bonus_e8: u128,
    protocol_fee_e8: u128,
    flash_fee_e8: u128,
    swap_cost_e8: u128,
    gas: Money,
}

/// The health factor of a loan.
///
/// # Errors
/// A reserve that cannot be, or amounts too large to add.
pub fn health_factor(loan: &LoanPosition) -> Result<HealthFactor, LoanError> {
    let (mut secured, mut debt) = (0_u128, 0_u128);
    for reserve in &loan.collateral {
        let (qty, price) = units(reserve)?;
        let broken = || LoanError::Reserve { asset: reserve.asset.clone(), problem: "threshold is outside 0 to 1" };
        let threshold = rate_e8(reserve.liquidation_threshold * 1e4, 10_000).ok_or_else(broken)?;
        let value = mul_div_ceil(qty * price, threshold, ONE).ok_or(LoanError::TooLarge)?;
        secured = secured.checked_add(value).ok_or(LoanError::TooLarge)?;
    }
    for reserve in &loan.debt {
        let (qty, price) = units(reserve)?;
        debt = debt.checked_add(qty * price).ok_or(LoanError::TooLarge)?;
    }
    Ok(HealthFactor { secured: money(secured)?, debt: money(debt)? })
}

/// The liquidation that repays the most that is allowed and leaves no forbidden dust; `None` when the loan is sound or
/// nothing may be repaid.
///
/// # Errors
/// A loan that cannot be, or amounts too large to compute with.
pub fn best_liquidation(loan: &LoanPosition) -> Result<Option<Liquidation>, LoanError> {
    let loan = Loan::try_from(loan)?;
    let largest = loan.largest_repay()?;
    if largest == 0 {
        return Ok(None);
    }
    let outcome = loan.settle(largest)?;
    if loan.leaves_no_dust(&outcome)? {
        return Ok(Some(outcome));
    }
    let Some(smaller) = loan.largest_without_dust()?.map(|repay| repay.min(largest)).filter(|r| *r > 0) else {
        return Ok(None);
    };
    let outcome = loan.settle(smaller)?;
    Ok(loan.leaves_no_dust(&outcome)?.then_some(outcome))
}

/// What repaying exactly `repay` brings. Where the collateral does not suffice, all of it is seized and less is repaid.
///
/// # Errors
/// As [`best_liquidation`]; more than is allowed, or a rest that the protocol refuses.
pub fn liquidate(loan: &LoanPosition, repay: Qty) -> Result<Liquidation, LoanError> {
    let loan = Loan::try_from(loan)?;
    let largest = loan.largest_repay()?;
    let asked = u128::try_from(repay.0).unwrap_or(0);
    if asked == 0 || asked > largest {
        return Err(LoanError::Repay { asked: repay, largest: qty(largest)? });
    }
    let outcome = loan.settle(asked)?;
    if loan.leaves_no_dust(&outcome)? { Ok(outcome) } else { Err(LoanError::Dust) }
}

impl TryFrom<&LoanPosition> for Loan {
    type Error = LoanError;

    fn try_from(loan: &LoanPosition) -> Result<Self, LoanError> {
        let health = health_factor(loan)?;
        let pick = |side: &'static str, list: &[LoanReserve], index: u16| match list.get(usize::from(index)) {
            Some(reserve) => units(reserve),
            None => Err(LoanError::NoSuchReserve { side, index, n: list.len() }),
        };
        let (collateral_qty, collateral_price) = pick("collateral", &loan.collateral, loan.seize)?;
        let (debt_qty, debt_price) = pick("debt", &loan.debt, loan.repay)?;
        let rate = |name, bps, maximum| rate_e8(bps, maximum).ok_or(LoanError::Rate { name, maximum });
        if loan.gas < Money::ZERO {
            return Err(LoanError::Gas);
        }
        Ok(Self {
            protocol: loan.protocol,
            health,
            collateral_qty,
            collateral_price,
            debt_qty,
            debt_price,
            bonus_e8: rate("bonus_bps", loan.bonus_bps, 10_000)?,
            protocol_fee_e8: rate("protocol_fee_bps", loan.protocol_fee_bps, 10_000)?,
            flash_fee_e8: rate("flash_fee_bps", loan.flash_fee_bps, 10_000)?,
            swap_cost_e8: rate("swap_cost_bps", loan.swap_cost_bps, 10_000)?,
            gas: loan.gas,
        })
    }
}

impl Loan {
    /// The most of the debt asset that one call may repay; zero while the loan is sound.
    fn largest_repay(&self) -> Result<u128, LoanError> {
        if !self.health.is_below_one() {
            return Ok(0);
        }
        let (whole, half) = (self.debt_qty, self.debt_qty / 2);
        match self.protocol {
            LendingProtocol::AaveV2 | LendingProtocol::CompoundV2 => Ok(half),
            LendingProtocol::AaveV3 => Ok(if self.health.is_deep()? { whole } else { half }),
            LendingProtocol::AaveV33 => {
                let small = self.debt_value() < SMALL_RESERVE || self.collateral_value() < SMALL_RESERVE;
                if small || self.health.is_deep()? {
                    return Ok(whole);
                }
                let half_of_all = self.health.debt.0.unsigned_abs() / 2;
                Ok(whole.min(half_of_all / self.debt_price))
            }
        }
    }

    fn debt_value(&self) -> u128 {
        self.debt_qty * self.debt_price
    }

    fn collateral_value(&self) -> u128 {
        self.collateral_qty * self.collateral_price
    }

    /// What repaying `repay` brings, whether or not it is allowed.
    fn settle(&self, repay: u128) -> Result<Liquidation, LoanError> {
        let large = || LoanError::TooLarge;
        let with_bonus = ONE + self.bonus_e8;
        let value = repay * self.debt_price;
        let base = value / self.collateral_price;
        let extra = mul_div_floor(value, self.bonus_e8, ONE * self.collateral_price).ok_or_else(large)?;
        let (repaid, seized, extra) = if base + extra < self.collateral_qty {
            (repay, base + extra, extra)
        } else {
            let paid_for =
                mul_div_ceil(self.collateral_value(), ONE, with_bonus * self.debt_price).ok_or_else(large)?;
            let extra = mul_div_floor(self.collateral_qty, self.bonus_e8, with_bonus).ok_or_else(large)?;
            (paid_for.min(repay), self.collateral_qty, extra)
        };
        let kept_by_protocol = mul_div_ceil(extra, self.protocol_fee_e8, ONE).ok_or_else(large)?;
        let received = seized - kept_by_protocol;
        let (repaid_value, received_value) = (repaid * self.debt_price, received * self.collateral_price);
        let swap_cost = mul_div_ceil(received_value, self.swap_cost_e8, ONE).ok_or_else(large)?;
        let flash_fee = mul_div_ceil(repaid_value, self.flash_fee_e8, ONE).ok_or_else(large)?;
        let (repaid_value, received_value) = (money(repaid_value)?, money(received_value)?);
        let bonus = received_value - repaid_value;
        let costs = [money(swap_cost)?, money(flash_fee)?, self.gas];
        let net = costs.iter().try_fold(bonus.0, |net, cost| net.checked_sub(cost.0)).ok_or_else(large)?;
        Ok(Liquidation {
            repaid: qty(repaid)?,
            repaid_value,
            seized: qty(seized)?,
            received: qty(received)?,
            received_value,
            bonus,
            swap_cost: costs[0],
            flash_fee: costs[1],
            gas: self.gas,
            net: Money(net),
        })
    }

    fn leaves_no_dust(&self, outcome: &Liquidation) -> Result<bool, LoanError> {
        if self.protocol != LendingProtocol::AaveV33 {
            return Ok(true);
        }
        let rest = |whole: u128, taken: Qty| {
            u128::try_from(taken.0).ok().and_then(|taken| whole.checked_sub(taken)).ok_or(LoanError::TooLarge)
        };
        let debt = rest(self.debt_qty, outcome.repaid)?;
        let collateral = rest(self.collateral_qty, outcome.seized)?;
        let enough = |qty: u128, price: u128| qty * price >= LEAST_LEFTOVER;
        let empties_a_side = debt == 0 || collateral == 0;
        Ok(empties_a_side || enough(debt, self.debt_price) && enough(collateral, self.collateral_price))
    }

    /// The most that may be repaid while at least [`LEAST_LEFTOVER`] stays on both sides; `None` where a side has less.
    fn largest_without_dust(&self) -> Result<Option<u128>, LoanError> {
        let debt_stays = LEAST_LEFTOVER.div_ceil(self.debt_price);
        let collateral_stays = LEAST_LEFTOVER.div_ceil(self.collateral_price);
        let debt_goes = self.debt_qty.checked_sub(debt_stays);
        let Some((debt_goes, collateral_goes)) = debt_goes.zip(self.collateral_qty.checked_sub(collateral_stays))
        else {
            return Ok(None);
        };
        let value = collateral_goes * self.collateral_price;
        let paid_for = mul_div_floor(value, ONE, (ONE + self.bonus_e8) * self.debt_price);
        Ok(Some(debt_goes.min(paid_for.ok_or(LoanError::TooLarge)?)))
    }
}

/// Quantity and price in units of 1e-8; both fit 63 bits, so their product fits 126.
fn units(reserve: &LoanReserve) -> Result<(u128, u128), LoanError> {
    let broken = |problem| LoanError::Reserve { asset: reserve.asset.clone(), problem };
    let amount = u128::try_from(reserve.amount.0).map_err(|_| broken("amount is below zero"))?;
    let Price(price) = reserve.price;
    let price = u128::try_from(price).ok().filter(|p| *p > 0).ok_or_else(|| broken("price is not above zero"))?;
    Ok((amount, price))
}

/// A rate of `bps` in units of 1e-8; `None` outside 0 to `maximum` bps.
fn rate_e8(bps: f64, maximum: u32) -> Option<u128> {
    let sound = bps.is_finite() && (0.0..=f64::from(maximum)).contains(&bps);
    sound.then(|| (bps * 1e4).round() as u128)
}

fn qty(units: u128) -> Result<Qty, LoanError> {
    i64::try_from(units).map(Qty).map_err(|_| LoanError::TooLarge)
}

fn money(units: u128) -> Result<Money, LoanError> {
    i128::try_from(units).map(Money).map_err(|_| LoanError::TooLarge)
}

#[cfg(test)]
#[path = "liquidation_tests.rs"]
mod tests;
