use super::*;
use proptest::prelude::*;

fn refused(text: &str, expected: &str) {
    let error = RuleSet::parse(text).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

fn long(entry: &str) -> String {
    format!(r#"{{"name":"t","entry_long":{entry},"exit_long":{{"below":["close","open"]}}}}"#)
}

#[test]
fn a_sound_rule_set_is_read_and_keeps_its_hash() {
    let text = long(
        r#"{"and":[{"crosses_above":[{"sma":{"window":20}},{"sma":{"window":50}}]},
        {"above":[{"rsi":{"window":14}},{"number":50.0}]}]}"#,
    );
    let rules = RuleSet::parse(&text).unwrap();
    let again = RuleSet::parse(&rules.canonical_json().unwrap()).unwrap();
    assert_eq!((rules.sha256().unwrap(), &rules), (again.sha256().unwrap(), &again));
    let other = RuleSet::parse(&text.replace("50.0", "51.0")).unwrap();
    assert_ne!(rules.sha256().unwrap(), other.sha256().unwrap());
}

#[test]
fn kinds_that_do_not_belong_together_are_refused_with_their_place() {
    let place = "at entry_long: cannot compare a price and a plain number";
    refused(&long(r#"{"above":["close",{"number":60000.0}]}"#), place);
    let place = "at entry_long.above[0]: cannot add a price and a price";
    refused(&long(r#"{"above":[{"add":["close","open"]},"close"]}"#), place);
    refused(&long(r#"{"above":["close",{"atr":{"window":14}}]}"#), "cannot compare a price and a distance");
    refused(&long(r#"{"and":["close",{"above":["close","open"]}]}"#), "cannot join a price and a truth");
    refused(&long(r#"{"not":"close"}"#), "is a price, and a truth is wanted");
    refused(&long(r#""close""#), "at entry_long: is a price, and a truth is wanted");
    refused(&long(r#"{"above":[{"divide":[{"number":1.0},"close"]},{"number":1.0}]}"#), "cannot divide");
}

#[test]
fn a_distance_may_be_compared_with_zero_and_with_no_other_constant() {
    let line = |n: &str| long(&format!(r#"{{"above":[{{"macd_line":{{"fast":12,"slow":26}}}},{{"number":{n}}}]}}"#));
    RuleSet::parse(&line("0.0")).unwrap();
    refused(&line("1.0"), "cannot compare a distance of prices and a plain number");
}

#[test]
fn bounds_are_kept() {
    refused(&long(r#"{"above":[{"sma":{"window":501}},"close"]}"#), "window = 501 is outside 1 to 500 bars");
    refused(&long(r#"{"above":[{"sma":{"window":0}},"close"]}"#), "above[0]: window = 0");
    refused(&long(r#"{"above":[{"rsi":{"window":14}},{"number":1e7}]}"#), "outside -1000000 to 1000000");
    refused(&long(r#"{"above":[{"macd_line":{"fast":26,"slow":12}},{"number":0.0}]}"#), "must be below slow");
    let mut deep = r#"{"above":["close","open"]}"#.to_owned();
    for _ in 0..MAX_DEPTH {
        deep = format!(r#"{{"not":{deep}}}"#);
    }
    refused(&long(&deep), "deeper than 12");
    let mut wide = r#"{"above":["close","open"]}"#.to_owned();
    for _ in 0..6 {
        wide = format!(r#"{{"and":[{wide},{wide}]}}"#);
    }
    refused(&long(&wide), "more than 128 nodes");
}

#[test]
fn what_could_never_trade_or_never_leave_is_refused() {
    refused(r#"{"name":"t"}"#, "names neither entry_long nor entry_short");
    refused(r#"{"name":"t","entry_long":{"above":["close","open"]}}"#, "a position could stay for ever");
    refused(r#"{"name":"T","entry_long":{"above":["close","open"]}}"#, "at name");
    let stray = r#"{"name":"t","entry_long":{"above":["close","open"]},"exit_short":{"above":["close","open"]}}"#;
    refused(stray, "a position could stay");
    refused(&stray.replace("exit_short", "exits"), "unknown field `exits`");
    let stopped = r#"{"name":"t","entry_long":{"above":["close","open"]},"stop":{"number":1.0}}"#;
    refused(stopped, "at stop: is a plain number, and a distance of prices is wanted");
}

#[test]
fn the_schema_and_the_check_agree_on_the_bounds() {
    let schema = serde_json::to_value(RuleSet::schema()).unwrap();
    assert_eq!((&schema["x-max-nodes"], &schema["x-max-depth"]), (&MAX_NODES.into(), &MAX_DEPTH.into()));
    let text = schema.to_string();
    assert!(text.contains(r#""maximum":500"#) && !text.contains(r#""maximum":65535"#), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_text_breaks_the_reader(text in r#"[\[\]{}":,a-z0-9_. -]{0,120}"#) {
        let _ = RuleSet::parse(&text);
        let _ = RuleSet::parse(&long(&text));
    }
}
