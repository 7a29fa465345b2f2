//! Rule sets of every shape, for property tests.

use model::RuleSet;
use model::rules::Expr;
use proptest::prelude::*;
use proptest::strategy::Union;

type Tree = BoxedStrategy<Expr>;

fn two(make: fn(Box<Expr>, Box<Expr>) -> Expr, a: &Tree, b: &Tree) -> Tree {
    (a.clone(), b.clone()).prop_map(move |(a, b)| make(Box::new(a), Box::new(b))).boxed()
}

fn any_of(trees: Vec<Tree>) -> Tree {
    Union::new(trees).boxed()
}

fn window() -> std::ops::Range<u16> {
    2..40
}

/// Prices, distances, numbers and truths of at most `depth` levels of operators.
fn trees(depth: u32) -> [Tree; 4] {
    let width = 0.5_f64..3.0;
    let price_leaves = any_of(vec![
        prop_oneof![Just(Expr::Open), Just(Expr::High), Just(Expr::Low), Just(Expr::Close)].boxed(),
        window().prop_map(|window| Expr::Sma { window }).boxed(),
        window().prop_map(|window| Expr::Ema { window }).boxed(),
        window().prop_map(|window| Expr::Highest { window }).boxed(),
        window().prop_map(|window| Expr::Lowest { window }).boxed(),
        (window(), width.clone()).prop_map(|(window, width)| Expr::BollingerUpper { window, width }).boxed(),
        (window(), width).prop_map(|(window, width)| Expr::BollingerLower { window, width }).boxed(),
    ]);
    let distance_leaves = any_of(vec![
        window().prop_map(|window| Expr::Atr { window }).boxed(),
        window().prop_map(|fast| Expr::MacdLine { fast, slow: fast + 7 }).boxed(),
        window().prop_map(|fast| Expr::MacdSignal { fast, slow: fast + 7, signal: 4 }).boxed(),
    ]);
    let number_leaves = any_of(vec![
        (-200_i32..200).prop_map(|n| Expr::Number(f64::from(n) / 4.0)).boxed(),
        window().prop_map(|window| Expr::Rsi { window }).boxed(),
        window().prop_map(|bars| Expr::Return { bars }).boxed(),
        window().prop_map(|window| Expr::VolumeRatio { window }).boxed(),
        prop_oneof![Just(Expr::HourOfDay), Just(Expr::Weekday)].boxed(),
    ]);
    let truths = compare(&price_leaves);
    let mut all = [price_leaves, distance_leaves, number_leaves, truths];
    for _ in 0..depth {
        all = grow(&all);
    }
    all
}

fn compare(operand: &Tree) -> Tree {
    let by = [Expr::Above, Expr::AtLeast, Expr::Below, Expr::AtMost, Expr::CrossesAbove, Expr::CrossesBelow];
    any_of(by.into_iter().map(|make| two(make, operand, operand)).collect())
}

fn grow([price, distance, number, truth]: &[Tree; 4]) -> [Tree; 4] {
    let prices = any_of(vec![
        price.clone(),
        two(Expr::Add, price, distance),
        two(Expr::Subtract, price, distance),
        two(Expr::Multiply, number, price),
    ]);
    let distances = any_of(vec![
        distance.clone(),
        two(Expr::Subtract, price, price),
        two(Expr::Multiply, distance, number),
        two(Expr::Divide, distance, number),
    ]);
    let numbers = any_of(vec![
        number.clone(),
        two(Expr::Add, number, number),
        two(Expr::Multiply, number, number),
        two(Expr::Divide, distance, price),
        two(Expr::Divide, number, number),
    ]);
    let truths = any_of(vec![
        compare(price),
        compare(distance),
        compare(number),
        two(Expr::And, truth, truth),
        two(Expr::Or, truth, truth),
        truth.clone().prop_map(|a| Expr::Not(Box::new(a))).boxed(),
    ]);
    [prices, distances, numbers, truths]
}

/// Rule sets whose kinds are right; nodes and depth may still be too many.
pub(super) fn rule_sets(depth: u32) -> impl Strategy<Value = RuleSet> {
    let [_, distance, number, truth] = trees(depth);
    let maybe = |tree: &Tree| proptest::option::of(tree.clone());
    (truth.clone(), truth.clone(), maybe(&truth), maybe(&truth), maybe(&number), maybe(&distance)).prop_map(
        |(entry, exit, entry_short, exit_short, sizing, stop)| RuleSet {
            name: "any".to_owned(),
            entry_long: Some(entry),
            exit_long: Some(exit),
            exit_short: exit_short.filter(|_| entry_short.is_some()),
            entry_short,
            sizing,
            stop,
        },
    )
}

/// Bars of a walk that now and then stands still or jumps, with volumes that are sometimes nothing.
pub(super) fn walk(seed: u64, n: usize) -> Vec<model::Bar> {
    let mut state = seed | 1;
    let mut draw = move |below: u64| {
        // Knuth's multiplier; the high bits are the good ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut close = 9_000_000_000_i64;
    let bar = |i: usize| {
        let open = close;
        let step = [0, 1_000_000, 30_000_000, 400_000_000][draw(4) as usize];
        close = (close + (draw(2 * step + 1) as i64 - step as i64)).clamp(6_000_000_000, 11_800_000_000);
        let wick = draw(20_000_000) as i64;
        let at = |k: usize| model::Ts(k as i64 * 2_700_000_000_000);
        model::Bar {
            symbol: model::SymbolId(0),
            opened_at: at(i),
            closed_at: at(i + 1),
            open: model::Price(open),
            high: model::Price(open.max(close) + wick),
            low: model::Price(open.min(close) - wick),
            close: model::Price(close),
            volume: model::Qty(draw(3) as i64 * 100_000_000),
        }
    };
    (0..n).map(bar).collect()
}
