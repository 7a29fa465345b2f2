//! Whatever text is offered as a rule set, it is refused with its place, or it is a rule set: one text, one hash, one program
//! that runs on any bars.

#[path = "../../../model/tests/mutation/mod.rs"]
mod mutation;

use super::generated::{rule_sets, walk};
use super::program::{Memory, Program};
use model::RuleSet;
use model::rules::{MAX_TEXT_BYTES, RuleError};
use mutation::{Mutation, any_mutations, search};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseResult;

/// Words of rule sets with those that may stand in their place; numbers come last.
const WORDS: [&[&str]; 9] = [
    &["open", "high", "low", "close"],
    &["sma", "ema", "highest", "lowest"],
    &["rsi", "volume_ratio"],
    &["bollinger_upper", "bollinger_lower"],
    &["above", "at_least", "below", "at_most", "crosses_above", "crosses_below"],
    &["add", "subtract", "multiply", "divide"],
    &["and", "or", "not"],
    &["entry_long", "entry_short", "exit_long", "exit_short", "sizing", "stop", "window", "macd_line", "number"],
    &["0", "1", "2", "39", "500", "501", "65536", "-1", "0.1", "1e6", "1e7", "1e-320", "1e999"],
];
/// Most memory for a text of this size: its tree, its words in an error, its program.
const BYTES_PER_BYTE: u64 = 100;
const MOST_BYTES: u64 = 1024 * 1024;

/// How a text is spoilt.
#[derive(Clone, Debug)]
enum Spoilt {
    Bytes(Vec<Mutation>),
    /// Which word, what stands there instead, and whether that may stand there.
    Words(Vec<(Index, Index, bool)>),
}

fn any_spoilt() -> impl Strategy<Value = Spoilt> {
    prop_oneof![
        any_mutations().prop_map(Spoilt::Bytes),
        prop::collection::vec((any::<Index>(), any::<Index>(), prop::bool::weighted(0.8)), 1..4)
            .prop_map(Spoilt::Words),
    ]
}

impl Spoilt {
    fn apply(&self, text: &str, other: &str) -> String {
        match self {
            Self::Bytes(mutations) => {
                let mut bytes = text.as_bytes().to_vec();
                mutations.iter().for_each(|mutation| mutation.apply(&mut bytes, other.as_bytes()));
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Self::Words(swaps) => swaps.iter().fold(text.to_owned(), |text, swap| swapped(&text, swap)),
        }
    }
}

/// The text with another word or number at one of the places where it has one.
fn swapped(text: &str, (at, word, is_kin): &(Index, Index, bool)) -> String {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let mut places = Vec::new();
    let mut begin = None;
    for (i, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (begin, is_of_word(c)) {
            (None, true) => begin = Some(i),
            (Some(from), false) => {
                places.push((from, i));
                begin = None;
            }
            _ => {}
        }
    }
    let (from, to) = *at.get::<(usize, usize)>(&places);
    let kin = WORDS.iter().find(|kin| kin.contains(&&text[from..to])).unwrap_or(&WORDS[WORDS.len() - 1]);
    let kin = if *is_kin { kin } else { word.get::<&[&str]>(&WORDS) };
    format!("{}{}{}", &text[..from], word.get::<&str>(kin), &text[to..])
}

fn check_text(text: &str) -> Result<bool, TestCaseError> {
    let mut read: Option<Result<RuleSet, RuleError>> = None;
    let used = allocation_counter::measure(|| read = Some(RuleSet::parse(text)));
    let most = MOST_BYTES + BYTES_PER_BYTE * text.len() as u64;
    prop_assert!(used.bytes_max < most, "{} bytes for a text of {}", used.bytes_max, text.len());
    let rules = match read.unwrap() {
        Ok(rules) => rules,
        Err(refused) => {
            prop_assert!(!refused.path.is_empty() && !refused.reason.to_string().is_empty());
            return Ok(false);
        }
    };
    let written = rules.canonical_json().unwrap();
    prop_assert!(written.len() < MAX_TEXT_BYTES / 2, "{} bytes: {written}", written.len());
    let again = RuleSet::parse(&written).unwrap();
    prop_assert_eq!((&again, again.sha256()), (&rules, rules.sha256()));
    let program = Program::compile(&rules).unwrap();
    let mut memory = Memory::new(&program);
    for bar in walk(text.len() as u64, 60) {
        let _ = memory.update(&program, &bar);
    }
    Ok(true)
}

fn search_texts(n_cases: u32, seed: u64) {
    let accepted = std::cell::Cell::new(0_u32);
    search(n_cases, seed, &(rule_sets(2), rule_sets(1), any_spoilt()), |(rules, other, spoilt)| {
        let [text, other] = [rules, other].map(|rules| rules.canonical_json().unwrap());
        check_text(&text)?;
        let is_accepted = check_text(&spoilt.apply(&text, &other))?;
        accepted.set(accepted.get() + u32::from(is_accepted));
        TestCaseResult::Ok(())
    });
    assert!(accepted.get() * 20 > n_cases, "{} of {n_cases} were rule sets still", accepted.get());
}

#[test]
fn a_spoilt_text_is_refused_or_is_a_rule_set_that_runs() {
    search_texts(300, 1);
}

#[test]
#[ignore = "soak: two hundred thousand texts"]
fn many_spoilt_texts_are_refused_or_are_rule_sets_that_run() {
    search_texts(200_000, 2);
}

#[test]
fn the_longest_rule_set_has_a_text_below_its_bound() {
    // Every node a constant or its parent, the longest constant there is, in all six places.
    let number = r#"{"number":-123456.78901234567}"#;
    let truth = |n: usize| {
        let leaf = format!(r#"{{"crosses_above":[{{"multiply":[{number},{number}]}},{number}]}}"#);
        (1..n).fold(leaf.clone(), |tree, _| format!(r#"{{"and":[{tree},{leaf}]}}"#))
    };
    let text = format!(
        r#"{{"name":"{}","entry_long":{},"entry_short":{},"exit_long":{},"exit_short":{}}}"#,
        "n".repeat(64),
        truth(5),
        truth(5),
        truth(5),
        truth(5),
    );
    assert!(check_text(&text).unwrap(), "it is accepted");
}

#[test]
fn nesting_without_end_is_refused() {
    for opening in ["[", "{\"not\":", "{\"and\":[", "{\"entry_long\":"] {
        let text = format!(r#"{{"name":"t","entry_long":{}"#, opening.repeat(100_000));
        assert!(!check_text(&text).unwrap());
    }
}
