use super::*;
use proptest::prelude::*;

fn reserve(amount: f64, price: f64, threshold: f64) -> LoanReserve {
    LoanReserve {
        asset: "A".to_owned(),
        amount: Qty::from_f64(amount).unwrap(),
        price: Price::from_f64(price).unwrap(),
        liquidation_threshold: threshold,
    }
}

/// 10 ETH at 1,800 with a threshold of 80 % against 15,000 of a stable asset: a health factor of 0.96.
fn loan(protocol: LendingProtocol) -> LoanPosition {
    LoanPosition {
        protocol,
        borrower: "0x1".to_owned(),
        collateral: vec![reserve(10.0, 1_800.0, 0.8)],
        debt: vec![reserve(15_000.0, 1.0, 0.0)],
        seize: 0,
        repay: 0,
        bonus_bps: 500.0,
        protocol_fee_bps: 1_000.0,
        flash_fee_bps: 5.0,
        swap_cost_bps: 30.0,
        gas: Money::from_f64(2.5).unwrap(),
    }
}

fn best(loan: &LoanPosition) -> Liquidation {
    best_liquidation(loan).unwrap().unwrap()
}

#[test]
fn the_numbers_of_one_liquidation_are_those_of_the_formula() {
    let loan = loan(LendingProtocol::AaveV2);
    assert!((health_factor(&loan).unwrap().to_f64() - 0.96).abs() < 1e-12);
    let outcome = best(&loan);
    // Half of the debt buys 7,500 / 1,800 = 4.16666666 and a bonus of 0.20833333, of which the protocol keeps
    // 0.02083334.
    assert_eq!((outcome.repaid.to_string(), outcome.seized.to_string()), ("7500".into(), "4.37499999".into()));
    assert_eq!(
        (outcome.received.to_string(), outcome.received_value.to_string()),
        ("4.35416665".into(), "7837.49997".into())
    );
    assert_eq!((outcome.bonus.to_string(), outcome.swap_cost.to_string()), ("337.49997".into(), "23.51249991".into()));
    assert_eq!((outcome.flash_fee.to_string(), outcome.net.to_string()), ("3.75".into(), "307.73747009".into()));
}

fn repaid(protocol: LendingProtocol, debt: f64) -> f64 {
    let mut loan = loan(protocol);
    loan.debt[0].amount = Qty::from_f64(debt).unwrap();
    best_liquidation(&loan).unwrap().map_or(0.0, |l| l.repaid.to_f64())
}

#[test]
fn each_protocol_has_its_close_factor() {
    use LendingProtocol::{AaveV2, AaveV3, AaveV33, CompoundV2};
    // 14,400 / 0.95 = 15,157.89 is where Aave 3 lets all of the debt go.
    for (protocol, shallow, deep) in [
        (AaveV2, 7_500.0, 7_600.0),
        (CompoundV2, 7_500.0, 7_600.0),
        (AaveV3, 7_500.0, 15_200.0),
        (AaveV33, 7_500.0, 15_200.0),
    ] {
        assert_eq!((repaid(protocol, 14_400.0), repaid(protocol, 14_000.0)), (0.0, 0.0), "sound, {protocol:?}");
        assert_eq!((repaid(protocol, 15_000.0), repaid(protocol, 15_200.0)), (shallow, deep), "{protocol:?}");
    }
}

#[test]
fn aave_3_3_halves_the_whole_position_and_not_each_debt() {
    let mut two = loan(LendingProtocol::AaveV33);
    two.debt = vec![reserve(9_000.0, 1.0, 0.0), reserve(6_000.0, 1.0, 0.0)];
    assert_eq!(best(&two).repaid.to_f64(), 7_500.0);
    two.repay = 1;
    assert_eq!(best(&two).repaid.to_f64(), 6_000.0, "less than half of everything: all of it");
    two.protocol = LendingProtocol::AaveV3;
    assert_eq!(best(&two).repaid.to_f64(), 3_000.0);
}

#[test]
fn aave_3_3_lets_a_small_reserve_go_whole_and_leaves_no_dust() {
    let mut small = loan(LendingProtocol::AaveV33);
    (small.collateral[0].amount, small.debt[0].amount) = (Qty::from_f64(1.2).unwrap(), Qty::from_f64(1_800.0).unwrap());
    assert_eq!(best(&small).repaid.to_f64(), 1_800.0, "a debt below 2,000 goes whole");
    // 2,100 of debt and 2,520 of collateral: half would leave 1,050 and 1,417.5, and may.
    (small.collateral[0].amount, small.debt[0].amount) = (Qty::from_f64(1.4).unwrap(), Qty::from_f64(2_100.0).unwrap());
    assert_eq!(best(&small).repaid.to_f64(), 1_050.0);
    assert_eq!(
        liquidate(&small, Qty::from_f64(1_060.0).unwrap()).unwrap_err().to_string(),
        "1060 is not above zero and at most 1050, the most that one call may repay"
    );
    // With a second debt half of all is 1,950, which would leave 150 of this one: 1,100 leaves 1,000.
    small.debt.push(reserve(1_800.0, 1.0, 0.0));
    small.collateral.push(reserve(1_700.0, 1.0, 1.0));
    assert_eq!(best(&small).repaid.to_f64(), 1_100.0);
    assert_eq!(liquidate(&small, Qty::from_f64(1_500.0).unwrap()), Err(LoanError::Dust));
}

#[test]
fn collateral_that_does_not_suffice_is_seized_whole() {
    let mut sunk = loan(LendingProtocol::AaveV3);
    sunk.collateral[0].amount = Qty::from_f64(7.0).unwrap();
    let outcome = best(&sunk);
    assert_eq!((outcome.seized.to_f64(), outcome.repaid.to_f64()), (7.0, 12_000.0));
}

#[test]
fn a_loan_that_cannot_be_is_refused_with_its_reason() {
    let check = |change: &dyn Fn(&mut LoanPosition), expected: &str| {
        let mut bad = loan(LendingProtocol::AaveV2);
        change(&mut bad);
        let error = best_liquidation(&bad).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&|l| l.seize = 3, "collateral[3] does not exist: the loan has 1");
    check(&|l| l.debt.clear(), "debt[0] does not exist");
    check(&|l| l.bonus_bps = f64::NAN, "bonus_bps is outside 0 to 10000 bps");
    check(&|l| l.collateral[0].price = Price(0), "price is not above zero");
    check(&|l| l.debt[0].amount = Qty(-1), "amount is below zero");
    check(&|l| l.collateral[0].liquidation_threshold = 1.5, "threshold is outside 0 to 1");
    check(&|l| l.gas = Money(-1), "gas is below zero");
    check(&|l| l.collateral = vec![reserve(9e10, 9e10, 1.0); 3], "too large");
}

const PROTOCOLS: [LendingProtocol; 4] =
    [LendingProtocol::AaveV2, LendingProtocol::AaveV3, LendingProtocol::AaveV33, LendingProtocol::CompoundV2];

prop_compose! {
    fn any_loan()(
        protocol in proptest::sample::select(&PROTOCOLS[..]),
        qty in 1_i64..1_000_000_000_000, price in 1_i64..10_000_000_000_000,
        // Debt from a little to twice the value of the collateral, in an asset of any price.
        debt_price in 1_i64..10_000_000_000, debt_permille in 1_i128..2_000,
        threshold in 0_u32..=10_000, bonus in 0_u32..2_000, fee in 0_u32..=10_000,
        flash in 0_u32..100, swap in 0_u32..300,
    ) -> LoanPosition {
        let debt = i128::from(qty) * i128::from(price) * debt_permille / 1000 / i128::from(debt_price);
        let mut any = loan(protocol);
        let threshold = f64::from(threshold) / 1e4;
        any.collateral[0] = LoanReserve { amount: Qty(qty), price: Price(price), ..reserve(1.0, 1.0, threshold) };
        let amount = Qty(debt.min(1 << 60) as i64);
        any.debt[0] = LoanReserve { amount, price: Price(debt_price), ..reserve(1.0, 1.0, 0.0) };
        (any.bonus_bps, any.protocol_fee_bps) = (f64::from(bonus), f64::from(fee));
        (any.flash_fee_bps, any.swap_cost_bps) = (f64::from(flash), f64::from(swap));
        any
    }
}

fn after(loan: &LoanPosition, outcome: &Liquidation) -> HealthFactor {
    let mut rest = loan.clone();
    rest.collateral[0].amount -= outcome.seized;
    rest.debt[0].amount -= outcome.repaid;
    health_factor(&rest).unwrap()
}

proptest! {
    #[test]
    fn no_more_is_taken_or_repaid_than_there_is(loan in any_loan()) {
        let health = health_factor(&loan).unwrap();
        let Some(outcome) = best_liquidation(&loan).unwrap() else { return Ok(()) };
        prop_assert!(health.is_below_one());
        prop_assert!(outcome.received <= outcome.seized && outcome.seized <= loan.collateral[0].amount);
        prop_assert!(outcome.repaid > Qty::ZERO && outcome.repaid <= loan.debt[0].amount);
        prop_assert_eq!(outcome.net, outcome.bonus - outcome.swap_cost - outcome.flash_fee - outcome.gas);
        if outcome.seized < loan.collateral[0].amount {
            prop_assert_eq!(liquidate(&loan, outcome.repaid), Ok(outcome));
        }
        // Never more than the bonus promises, and never less than it by more than the rounding of one unit on each
        // side.
        let promised = outcome.repaid_value.0 as f64 * (1.0 + loan.bonus_bps / 1e4);
        let unit = (loan.collateral[0].price.0 + loan.debt[0].price.0) as f64 * 2.0;
        prop_assert!((loan.collateral[0].price * outcome.seized).0 as f64 <= promised * (1.0 + 1e-12) + unit);
    }

    /// Repaying a share `d` of the debt takes `d * (1 + bonus) * threshold` of the security: the health factor rises if
    /// and only if it stands above `threshold * (1 + bonus)`.
    #[test]
    fn the_health_factor_rises_exactly_where_the_rule_says(loan in any_loan()) {
        let Some(outcome) = best_liquidation(&loan).unwrap() else { return Ok(()) };
        let (before, after) = (health_factor(&loan).unwrap().to_f64(), after(&loan, &outcome).to_f64());
        let turning_point = loan.collateral[0].liquidation_threshold * (1.0 + loan.bonus_bps / 1e4);
        let unit = (loan.collateral[0].price.0 + loan.debt[0].price.0) as f64 * 4.0;
        let is_coarse = unit > 1e-6 * outcome.repaid_value.0 as f64;
        if is_coarse || after.is_infinite() || after == 0.0 || (before / turning_point - 1.0).abs() < 1e-3 {
            return Ok(());
        }
        let rises = before > turning_point;
        prop_assert_eq!(after > before, rises, "{} -> {}, turning at {}", before, after, turning_point);
    }

    #[test]
    fn a_larger_bonus_never_brings_less_for_the_same_repayment(loan in any_loan(), more in 0_u32..2_000) {
        let Some(outcome) = best_liquidation(&loan).unwrap() else { return Ok(()) };
        let mut better = loan.clone();
        better.bonus_bps += f64::from(more);
        better.swap_cost_bps = 0.0;
        let mut loan = loan;
        loan.swap_cost_bps = 0.0;
        let Ok(first) = liquidate(&loan, outcome.repaid) else { return Ok(()) };
        let Ok(second) = liquidate(&better, outcome.repaid) else { return Ok(()) };
        // Where the collateral is exhausted the repayment itself is rounded up, by at most one unit of each asset.
        let slack = if second.repaid < first.repaid { loan.collateral[0].price.0 + loan.debt[0].price.0 } else { 0 };
        prop_assert!(second.net.0 + i128::from(slack) >= first.net.0, "{:?} {:?}", first, second);
    }

    #[test]
    fn aave_3_3_leaves_nothing_or_a_thousand_on_both_sides(loan in any_loan()) {
        let loan = LoanPosition { protocol: LendingProtocol::AaveV33, ..loan };
        let Some(outcome) = best_liquidation(&loan).unwrap() else { return Ok(()) };
        let debt = loan.debt[0].amount - outcome.repaid;
        let collateral = loan.collateral[0].amount - outcome.seized;
        let thousand = Money::from_f64(1_000.0).unwrap();
        let both = loan.debt[0].price * debt >= thousand && loan.collateral[0].price * collateral >= thousand;
        prop_assert!(debt == Qty::ZERO || collateral == Qty::ZERO || both);
    }
}
