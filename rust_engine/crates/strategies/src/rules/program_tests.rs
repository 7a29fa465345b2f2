use super::*;
use crate::rules::generated::{rule_sets, walk};
use proptest::prelude::*;

/// The meaning of an expression as a reader would write it down: recursive, on whole series, unknown as `None`.
fn series(expr: &Expr, bars: &[Bar]) -> Vec<Option<f64>> {
    if let Expr::Number(value) = expr {
        return vec![Some(*value); bars.len()];
    }
    if let Some(mut feed) = Feed::of(expr) {
        let mut closes = Ring::new();
        let mut step = |bar: &Bar| {
            let value = feed.update(bar, &closes);
            closes.push(bar.close);
            Some(value).filter(|v| v.is_finite())
        };
        return bars.iter().map(&mut step).collect();
    }
    let operands: Vec<Vec<Option<f64>>> = expr.operands().map(|operand| series(operand, bars)).collect();
    let pair = |t: usize| operands[0][t].zip(operands[operands.len() - 1][t]);
    (0..bars.len())
        .map(|t| {
            let (a, b) = pair(t)?;
            let truth = |holds: bool| Some(if holds { 1.0 } else { 0.0 });
            let value = match expr {
                Expr::Add(..) => Some(a + b),
                Expr::Subtract(..) => Some(a - b),
                Expr::Multiply(..) => Some(a * b),
                Expr::Divide(..) => (b != 0.0).then(|| a / b),
                Expr::Above(..) => truth(a > b),
                Expr::AtLeast(..) => truth(a >= b),
                Expr::Below(..) => truth(a < b),
                Expr::AtMost(..) => truth(a <= b),
                Expr::And(..) => truth(a == 1.0 && b == 1.0),
                Expr::Or(..) => truth(a == 1.0 || b == 1.0),
                Expr::Not(_) => truth(a == 0.0),
                Expr::CrossesAbove(..) => pair(t.checked_sub(1)?).and_then(|(x, y)| truth(x <= y && a > b)),
                Expr::CrossesBelow(..) => pair(t.checked_sub(1)?).and_then(|(x, y)| truth(x >= y && a < b)),
                _ => None,
            };
            value.filter(|v| v.is_finite())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_flat_program_means_what_the_tree_says(rules in rule_sets(2), seed in any::<u64>()) {
        let Ok(program) = Program::compile(&rules) else { return Ok(()) };
        let bars = walk(seed, 200);
        let mut memory = Memory::new(&program);
        let values: Vec<Values> = bars.iter().map(|bar| memory.update(&program, bar)).collect();
        for ((_, expr), root) in rules.expressions().zip(program.ops.iter().filter_map(|op| match op {
            Op::Give(root) => Some(*root),
            _ => None,
        })) {
            for (t, expected) in series(expr, &bars).into_iter().enumerate() {
                prop_assert_eq!(values[t].number(root), expected, "{:?} at {}", root, t);
            }
        }
    }
}

#[test]
fn equal_leaves_are_computed_once() {
    let text = r#"{"name":"t","entry_long":{"above":[{"sma":{"window":5}},{"sma":{"window":9}}]},
        "exit_long":{"at_most":[{"sma":{"window":5}},{"sma":{"window":9}}]}}"#;
    let program = Program::compile(&RuleSet::parse(text).unwrap()).unwrap();
    assert_eq!((program.feeds.len(), program.ops.len()), (2, 4));
}
