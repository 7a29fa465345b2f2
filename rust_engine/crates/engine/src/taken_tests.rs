use super::*;
use model::message::{MevOpportunity, OpportunityKind};

const SECOND: i64 = 1_000_000_000;

fn prediction(id: &str, made_s: i64, expires_s: i64) -> Input {
    Input::Prediction(crate::test_world::prediction(id, made_s * SECOND, expires_s.saturating_mul(SECOND)))
}

fn opportunity(id: &str) -> Input {
    Input::Opportunity(MevOpportunity {
        opportunity_id: id.to_owned(),
        kind: OpportunityKind::Liquidation,
        chain_id: 1,
        block: 1,
        target_tx: None,
        pools: Vec::new(),
        at_ns: 0,
        expires_at_ns: SECOND,
        symbol: "BTCUSDT".to_owned(),
        liquidation: None,
    })
}

fn at(second: i64) -> Ts {
    Ts(second * SECOND)
}

#[test]
fn an_id_is_taken_once_and_kinds_do_not_share_their_ids() {
    let mut taken = TakenSignals::default();
    assert_eq!(taken.refusal(&prediction("a", 0, 5)), None);
    taken.take(&prediction("a", 0, 5), at(0));
    let reason = taken.refusal(&prediction("a", 1, 9)).unwrap();
    assert_eq!(reason, "prediction a was taken before; it acts once");
    assert_eq!((taken.refusal(&prediction("b", 0, 5)), taken.refusal(&opportunity("a"))), (None, None));
    taken.take(&opportunity("a"), at(0));
    assert!(taken.refusal(&opportunity("a")).unwrap().starts_with("mev_opportunity a"));
    assert_eq!(taken.refusal(&Input::Progress), None);
}

#[test]
fn an_id_is_remembered_as_long_as_its_signal_may_act_and_no_longer() {
    // Made and expires by the sender's clock, which may be an hour off; received at 100 s of ours; the last second that counts.
    for (made, expires, last) in [(100, 105, 107), (3700, 3705, 107), (-3500, -3495, 107), (100, i64::MAX, 132)] {
        let mut taken = TakenSignals::default();
        taken.take(&prediction("a", made, expires), at(100));
        taken.take(&prediction("b", last, last + 5), at(last));
        assert!(taken.refusal(&prediction("a", made, expires)).is_some(), "{made} {expires}");
        taken.take(&prediction("c", last, last + 5), at(last + 1));
        assert_eq!(taken.refusal(&prediction("a", made, expires)), None, "{made} {expires}");
        assert_eq!((taken.order.len(), taken.known.len()), (2, 2));
    }
}

#[test]
fn however_many_come_at_once_the_newest_are_remembered_in_bounded_memory() {
    let mut taken = TakenSignals::default();
    for n in 0..MOST + 10 {
        taken.take(&prediction(&n.to_string(), 0, 30), at(0));
    }
    assert_eq!((taken.order.len(), taken.known.len()), (MOST, MOST));
    assert_eq!(taken.refusal(&prediction("9", 0, 30)), None);
    assert!(taken.refusal(&prediction("10", 0, 30)).is_some());
    let again = TakenSignals::from(taken.order().clone());
    assert_eq!(again.known, taken.known);
}
