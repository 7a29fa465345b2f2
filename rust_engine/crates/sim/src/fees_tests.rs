use super::*;
use model::{Price, SymbolId};

fn tiers() -> Vec<FeeTier> {
    let tier = |from: f64, maker_fee_bps, taker_fee_bps| FeeTier {
        from_notional: Money::from_f64(from).unwrap(),
        maker_fee_bps,
        taker_fee_bps,
    };
    vec![tier(1_000.0, 1.0, 4.0), tier(5_000.0, -0.5, 3.0)]
}

fn day(n: i64) -> Ts {
    Ts(n * Ts::DAY + 3_600)
}

#[test]
fn the_tier_is_that_of_the_thirty_full_days_before() {
    let mut fees = FeeSchedule::new(&Costs::default(), &tiers()).unwrap();
    assert_eq!(fees.rates(day(100)), (20_000, 50_000));
    fees.traded(day(100), Money::from_f64(4_000.0).unwrap());
    fees.traded(day(100), Money::from_f64(2_000.0).unwrap());
    assert_eq!(fees.rates(day(100)), (20_000, 50_000), "today's trading does not count today");
    assert_eq!(fees.rates(day(101)), (-5_000, 30_000));
    assert_eq!(fees.rates(day(130)), (-5_000, 30_000));
    assert_eq!(fees.rates(day(131)), (20_000, 50_000), "and no longer after thirty days");
    fees.traded(day(131), Money::from_f64(1_000.0).unwrap());
    assert_eq!(fees.rates(day(132)), (10_000, 40_000));
}

#[test]
fn a_fee_is_a_share_of_the_notional_and_a_rebate_is_below_zero() {
    let mut fees = FeeSchedule::new(&Costs::default(), &tiers()).unwrap();
    let notional = Money::from_f64(10_000.0).unwrap();
    assert_eq!(fees.fee(day(1), notional, Liquidity::Taker), Money::from_f64(5.0).unwrap());
    fees.traded(day(1), notional);
    assert_eq!(fees.fee(day(2), notional, Liquidity::Maker), Money::from_f64(-0.5).unwrap());
}

#[test]
fn tiers_that_do_not_ascend_and_rates_out_of_bounds_are_refused() {
    let mut twice = tiers();
    twice[1].from_notional = twice[0].from_notional;
    assert_eq!(FeeSchedule::new(&Costs::default(), &twice).unwrap_err(), FeeError::Order(1));
    let mut wild = tiers();
    wild[0].maker_fee_bps = f64::NAN;
    assert!(FeeSchedule::new(&Costs::default(), &wild).is_err());
    assert!(FeeSchedule::new(&Costs { taker_fee_bps: -1.0, ..Costs::default() }, &[]).is_err());
}

#[test]
fn longs_pay_funding_above_zero_and_shorts_receive_it() {
    let funding = Funding { symbol: SymbolId(0), at: Ts(0), rate_e8: 10_000, mark: Price::from_f64(50_000.0).unwrap() };
    let position = Qty::from_f64(2.0).unwrap();
    assert_eq!(funding_payment(position, &funding), Money::from_f64(10.0).unwrap());
    assert_eq!(funding_payment(-position, &funding), Money::from_f64(-10.0).unwrap());
    assert_eq!(funding_payment(position, &Funding { rate_e8: -10_000, ..funding }), Money::from_f64(-10.0).unwrap());
}
