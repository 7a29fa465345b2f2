use super::*;
use crate::LiveRecorder;
use crate::test_world::{bar, core, instance};
use model::{InstanceConfig, Mode};

const UP: &str = r#"{"name":"up","entry_long":{"above":["close","open"]},"exit_long":{"below":["close","open"]}}"#;
/// Enters short on a high of three bars, and knows no exit for what is bought.
const HIGH: &str = r#"{"name":"high","entry_short":{"above":["close",{"highest":{"window":3}}]},
    "exit_short":{"below":["close","open"]}}"#;

fn follower(name: &str, mode: Mode) -> InstanceConfig {
    InstanceConfig { rules: Some(RuleSet::parse(UP).unwrap()), ..instance(name, "rules", mode) }
}

/// A core that keeps bars, as a running engine does.
fn running() -> Core<LiveRecorder> {
    let mut core = core(&[follower("rules-1", Mode::Live), instance("m-1", "momentum_scalping", Mode::Live)], None);
    core.keep_bars();
    core
}

fn update(core: &Core<LiveRecorder>, rules: Option<&str>) -> ParamsUpdate {
    let state = core.instance_states().remove(0);
    let parsed = RuleSet::parse(rules.unwrap_or(UP)).unwrap();
    let params = StrategyParams::validate("rules", &state.params).unwrap();
    ParamsUpdate {
        deployment_id: format!("d-{}", state.params_version),
        instance_id: state.instance_id,
        base_version: state.params_version,
        base_sha256: state.params_sha256,
        version: state.params_version + 1,
        params: state.params,
        rules: rules.map(str::to_owned),
        params_sha256: params.sha256_with(Some(&parsed)).unwrap(),
        capital_share: 1.0,
        origin: "p-1".into(),
        issued_at_ns: 0,
        expires_at_ns: i64::MAX,
    }
}

fn held(core: &Core<LiveRecorder>) -> Qty {
    core.marks(core.now())[0].positions["AAA"]
}

#[test]
fn an_update_of_a_follower_is_hashed_with_its_rule_set() {
    let mut core = running();
    let good = update(&core, None);
    let params = StrategyParams::validate("rules", &good.params).unwrap();
    let without = core.apply_params(&ParamsUpdate { params_sha256: params.sha256(), ..good.clone() }, Ts(5)).unwrap();
    assert!(!without.applied && without.reason.contains("parameters hash to"), "{without:?}");
    let ack = core.apply_params(&good, Ts(5)).unwrap();
    assert!(ack.applied && ack.params_sha256 == good.params_sha256, "{ack:?}");
}

#[test]
fn another_rule_set_is_acknowledged_by_its_hash_once() {
    let mut core = running();
    let (before, change) = (core.params_sha256(0), update(&core, Some(HIGH)));
    let ack = core.apply_params(&change, Ts(5)).unwrap();
    assert!(ack.applied && ack.version == 2 && ack.params_sha256 == change.params_sha256, "{ack:?}");
    assert!(change.params_sha256 != before && core.params_sha256(0) == change.params_sha256);
    assert_eq!(core.apply_params(&change, Ts(5)).unwrap(), ack);
    // A later one without rules keeps the new rule set.
    let kept = ParamsUpdate { rules: None, ..update(&core, Some(HIGH)) };
    assert!(core.apply_params(&kept, Ts(5)).unwrap().applied);
}

#[test]
fn a_rule_set_is_refused_with_its_reason_and_changes_nothing() {
    let mut core = running();
    let good = update(&core, Some(HIGH));
    let before = core.instance_states();
    let mut check = |change: ParamsUpdate, expected: &str| {
        let ack = core.apply_params(&change, Ts(5)).unwrap();
        assert!(!ack.applied && ack.reason.contains(expected), "{expected}: {ack:?}");
        assert!(ack.reason.len() < 1_000);
    };
    let with = |rules: &str| ParamsUpdate { rules: Some(rules.to_owned()), ..good.clone() };
    check(with("{"), "not a rule set");
    check(with(&HIGH.replace("\"high\"", "\"High\"")), "must be 1 to 64 of a-z");
    check(with(&HIGH.replace("\"window\":3", "\"window\":501")), "outside 1 to 500 bars");
    check(with(&format!("{{\"{}\":1}}", "x".repeat(9_000))), "unknown field");
    check(with(&format!("{HIGH}{}", " ".repeat(20_000))), "at most 16384 are read");
    check(with(UP), "parameters hash to");
    check(ParamsUpdate { rules: None, ..good.clone() }, "parameters hash to");
    check(ParamsUpdate { params_sha256: "00".into(), ..good.clone() }, "the update says 00");
    check(ParamsUpdate { base_sha256: good.params_sha256.clone(), ..good.clone() }, "running is version 1");
    assert_eq!(core.instance_states(), before);
    let other = core.instance_states().remove(1);
    let foreign = ParamsUpdate {
        instance_id: other.instance_id,
        base_sha256: other.params_sha256.clone(),
        params: other.params,
        params_sha256: other.params_sha256,
        ..good
    };
    let ack = core.apply_params(&foreign, Ts(5)).unwrap();
    assert!(!ack.applied && ack.reason.contains("'momentum_scalping' takes no rules"), "{ack:?}");
}

#[test]
fn what_the_old_rule_set_bought_is_sold_at_the_next_bar_though_the_new_one_knows_no_exit_for_it() {
    let mut core = running();
    core.on_bar(&bar(0, 100.0, 101.0)).unwrap();
    core.on_bar(&bar(1, 101.0, 101.0)).unwrap();
    assert!(held(&core) > Qty::ZERO);
    assert!(core.apply_params(&update(&core, Some(HIGH)), Ts(5)).unwrap().applied);
    core.on_bar(&bar(2, 101.0, 101.0)).unwrap();
    core.on_bar(&bar(3, 101.0, 101.0)).unwrap();
    assert_eq!(held(&core), Qty::ZERO);
}

#[test]
fn a_new_rule_set_knows_the_bars_before_it_where_they_are_kept() {
    for keeps in [true, false] {
        let mut core = core(&[follower("rules-1", Mode::Live)], None);
        if keeps {
            core.keep_bars();
        }
        (0..5).for_each(|n| core.warm_up(&bar(n, 100.0, 100.0)).unwrap());
        assert!(core.apply_params(&update(&core, Some(HIGH)), Ts(5)).unwrap().applied);
        core.on_bar(&bar(5, 100.0, 110.0)).unwrap();
        core.on_bar(&bar(6, 110.0, 110.0)).unwrap();
        assert_eq!(held(&core) < Qty::ZERO, keeps, "unknown until three bars were seen");
    }
}

#[test]
fn what_is_saved_after_a_change_goes_on_with_the_new_rule_set() {
    let mut before = running();
    (0..5).for_each(|n| before.warm_up(&bar(n, 100.0, 100.0)).unwrap());
    assert!(before.apply_params(&update(&before, Some(HIGH)), Ts(5)).unwrap().applied);
    let saved = before.save().unwrap();
    let mut after = running();
    after.restore(&saved).unwrap();
    assert_eq!((after.params_sha256(0), after.save().unwrap()), (before.params_sha256(0), saved));
    for core in [&mut before, &mut after] {
        core.on_bar(&bar(5, 100.0, 110.0)).unwrap();
        core.on_bar(&bar(6, 110.0, 110.0)).unwrap();
        assert!(held(core) < Qty::ZERO);
    }
    // Back again: the bars came with the snapshot.
    assert!(after.apply_params(&update(&after, Some(UP)), Ts(6)).unwrap().applied);
    assert_eq!(after.kept.rows(), before.kept.rows());
}
