use super::*;
use crate::test_market::{ask, market};
use model::SymbolId;
use model::message::{LendingProtocol, LoanReserve};
use proptest::prelude::{any, prop_assert, proptest};

const NOW_NS: i64 = 1_000_000_000_000;

fn reserve(asset: &str, amount: f64, price: f64, liquidation_threshold: f64) -> LoanReserve {
    let (amount, price) = (Qty::from_f64(amount).unwrap(), Price::from_f64(price).unwrap());
    LoanReserve { asset: asset.to_owned(), amount, price, liquidation_threshold }
}

/// 10 ETH against 15,000 of a stable asset: half of it brings 307.73 after costs.
fn seen() -> MevOpportunity {
    MevOpportunity {
        opportunity_id: "o-1".to_owned(),
        kind: OpportunityKind::Liquidation,
        chain_id: 10,
        block: 1,
        target_tx: None,
        pools: Vec::new(),
        at_ns: NOW_NS - 1_000_000_000,
        expires_at_ns: NOW_NS + 1,
        symbol: "A".to_owned(),
        liquidation: Some(LoanPosition {
            protocol: LendingProtocol::AaveV2,
            borrower: "0x1".to_owned(),
            collateral: vec![reserve("WETH", 10.0, 1_800.0, 0.8)],
            debt: vec![reserve("USDC", 15_000.0, 1.0, 0.0)],
            seize: 0,
            repay: 0,
            bonus_bps: 500.0,
            protocol_fee_bps: 1_000.0,
            flash_fee_bps: 5.0,
            swap_cost_bps: 30.0,
            gas: Money::from_f64(2.5).unwrap(),
        }),
    }
}

fn strategy() -> Liquidation {
    Liquidation::new(LiquidationParams::default(), &market(10_000.0))
}

fn offered(strategy: &mut Liquidation, seen: &MevOpportunity, at_ns: i64) -> Vec<Action> {
    let view = OpportunityView { symbol: SymbolId(0), at: Ts(at_ns), opportunity: seen };
    ask(strategy, Event::Opportunity(view))
}

fn skipped(change: impl FnOnce(&mut MevOpportunity), expected: &str) {
    let mut seen = seen();
    change(&mut seen);
    match offered(&mut strategy(), &seen, NOW_NS)[..] {
        [Action::Skip(view)] => assert_eq!(view.skipped, expected),
        ref other => panic!("{expected}: {other:?}"),
    }
}

/// What the paper round trip books.
fn booked(capture: &Capture) -> Money {
    capture.sell_price * capture.qty - capture.buy_price * capture.qty - capture.fee
}

#[test]
fn a_loan_below_water_is_captured_for_what_is_left_of_the_bonus() {
    let [Action::Capture(capture)] = offered(&mut strategy(), &seen(), NOW_NS)[..] else { panic!("no capture") };
    assert_eq!((capture.qty.to_string(), capture.fee.to_string()), ("4.354".into(), "6.25".into()));
    // Of 4.35416665 received, 0.00016665 of a lot is given away: 0.30 of 307.737.
    let net = booked(&capture).to_f64();
    assert!((net - 307.4375).abs() < 1e-4, "{net}");
}

#[test]
fn what_is_not_taken_is_skipped_with_its_reason() {
    skipped(|s| s.expires_at_ns = NOW_NS, "expired");
    skipped(|s| s.at_ns = NOW_NS - 13_000_000_000, "stale");
    skipped(|s| s.at_ns = NOW_NS + 1, "stale");
    skipped(|s| s.liquidation = None, "no_loan");
    let loan = |s: &mut MevOpportunity, change: &dyn Fn(&mut LoanPosition)| {
        s.liquidation.as_mut().into_iter().for_each(change)
    };
    skipped(|s| loan(s, &|l| l.debt[0].amount = Qty::from_f64(14_400.0).unwrap()), "healthy_or_dust");
    skipped(|s| loan(s, &|l| l.gas = Money::from_f64(301.0).unwrap()), "too_small");
    // At 0.95 Aave 3 lets all of the debt go, which is more than the capital.
    let whole = |l: &mut LoanPosition| {
        l.protocol = LendingProtocol::AaveV3;
        l.debt[0].amount = Qty::from_f64(15_200.0).unwrap();
    };
    skipped(|s| loan(s, &whole), "too_large");
    skipped(|s| loan(s, &|l| l.repay = 7), "unsound_loan");
}

#[test]
fn another_kind_of_chance_is_none_of_its_business() {
    let other = MevOpportunity { kind: OpportunityKind::Sandwich, ..seen() };
    assert!(offered(&mut strategy(), &other, NOW_NS).is_empty());
}

#[test]
fn a_loan_is_taken_once_until_its_pause_is_over() {
    let (mut strategy, pause_ns) = (strategy(), 3_600_000_000_000);
    let fresh = |at_ns| MevOpportunity { at_ns, expires_at_ns: at_ns + 1, ..seen() };
    let is_taken =
        |strategy: &mut Liquidation, at| matches!(offered(strategy, &fresh(at), at)[..], [Action::Capture(_)]);
    assert!(is_taken(&mut strategy, NOW_NS) && !is_taken(&mut strategy, NOW_NS + pause_ns - 1));
    let mut restored = self::strategy();
    restored.restore(&strategy.save().unwrap()).unwrap();
    assert!(!is_taken(&mut restored, NOW_NS + 1));
    assert!(is_taken(&mut strategy, NOW_NS + pause_ns));
}

proptest! {
    #[test]
    fn paper_never_brings_more_than_the_arithmetic_says(
        debt in 14_401_u32..30_000, cents in 1_000_u32..500_000, fee in any::<u8>()
    ) {
        let mut seen = seen();
        if let Some(loan) = &mut seen.liquidation {
            loan.debt[0].amount = Qty::from_f64(f64::from(debt)).unwrap();
            loan.collateral[0].price = Price::from_f64(f64::from(cents) / 100.0).unwrap();
            loan.protocol_fee_bps = f64::from(fee) * 10.0;
        }
        let net = best_liquidation(seen.liquidation.as_ref().unwrap()).unwrap().map(|o| o.net);
        if let [Action::Capture(capture)] = offered(&mut strategy(), &seen, NOW_NS)[..] {
            prop_assert!(Some(booked(&capture)) <= net && net >= Some(Money::from_f64(10.0).unwrap()));
        }
    }
}

#[test]
fn another_capital_changes_which_loan_is_too_large() {
    // Half of 15,000 is repaid.
    crate::test_market::asked_on_a_quarter(
        |capital| Liquidation::new(LiquidationParams::default(), &market(capital)),
        |strategy| offered(strategy, &seen(), NOW_NS),
    );
}
