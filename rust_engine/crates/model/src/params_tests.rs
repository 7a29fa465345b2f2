use super::*;

#[test]
fn every_default_is_valid_and_every_parameter_is_described() {
    for strategy in STRATEGIES {
        let defaults = StrategyParams::defaults(strategy).unwrap();
        assert_eq!(StrategyParams::validate(strategy, &defaults.values()).unwrap(), defaults);
        for spec in StrategyParams::specs(strategy).unwrap() {
            assert!(spec.minimum < spec.maximum && spec.step > 0.0, "{strategy}.{}", spec.name);
            assert!(!spec.unit.is_empty() && ["cap", "none"].contains(&spec.risk.as_str()), "{strategy}.{}", spec.name);
        }
    }
}

fn check(strategy: &str, name: &str, value: f64, expected: &str) {
    let mut values = StrategyParams::defaults(strategy).unwrap().values();
    values.insert(name.to_owned(), value);
    let error = StrategyParams::validate(strategy, &values).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn what_breaks_the_schema_is_refused_by_name() {
    check("market_making", "spread_threshold", 1.0, "outside 2 to 400 bps");
    check("market_making", "spread_threshold", f64::NAN, "outside");
    check("momentum_scalping", "entry_threshold", 1.55, "not on its grid");
    check("momentum_scalping", "leverage", 2.0, "no parameter 'leverage'");
    check("sma_cross", "fast", 60.0, "must be below slow");
}

#[test]
fn the_hash_names_the_grid_point_not_the_float() {
    let mut values = StrategyParams::defaults("momentum_scalping").unwrap().values();
    values.insert("stop_loss".into(), 0.5 + 3.0 * 0.1);
    let a = StrategyParams::validate("momentum_scalping", &values).unwrap();
    values.insert("stop_loss".into(), 0.8);
    assert_eq!(a.sha256(), StrategyParams::validate("momentum_scalping", &values).unwrap().sha256());
}

#[test]
fn every_strategy_says_what_it_decides_on() {
    let found: Vec<(&str, String)> = STRATEGIES
        .iter()
        .map(|s| (*s, StrategyParams::decides_on(s).unwrap()))
        .filter(|(_, on)| on != "bars")
        .collect();
    let others = [("liquidation", "loans"), ("micro_arbitrage", "quotes"), ("predictive", "predictions")];
    assert_eq!(found, others.map(|(strategy, on)| (strategy, on.to_owned())));
    assert!(StrategyParams::decides_on("none").is_err());
}

#[test]
fn another_rule_set_is_another_strategy() {
    let params = StrategyParams::defaults("rules").unwrap();
    let rules = |window: u8| {
        let text = r#"{"name":"a","entry_long":{"above":["close",{"sma":{"window":N}}]},"exit_long":{"below":["close","open"]}}"#;
        RuleSet::parse(&text.replace('N', &window.to_string())).unwrap()
    };
    let hash = |rules: Option<&RuleSet>| params.sha256_with(rules).unwrap();
    assert_eq!(hash(None), params.sha256());
    assert_eq!(hash(Some(&rules(5))), hash(Some(&rules(5))));
    assert_ne!(hash(Some(&rules(5))), hash(Some(&rules(6))));
    assert_ne!(hash(Some(&rules(5))), hash(None));
}
