//! Against the definition: the mean over every order in which the features may become known.

use super::{Booster, Node, Tree};
use proptest::prelude::*;

const FEATURES: usize = 5;

/// What a tree gives when only the features in `known` (a bit each) are known: the others go both ways by weight.
fn given(tree: &Tree, place: usize, x: &[f32], known: usize) -> f64 {
    let node = &tree.nodes[place];
    if node.right == 0 {
        return node.value;
    }
    let (left, right) = (place + 1, node.right as usize);
    if known >> node.feature & 1 == 0 {
        return node.left_share * given(tree, left, x, known) + node.right_share * given(tree, right, x, known);
    }
    given(tree, if super::goes_left(node, x) { left } else { right }, x, known)
}

/// Shapley's formula over all sets of features.
fn by_definition(booster: &Booster, x: &[f32]) -> Vec<f64> {
    let total = |known| booster.trees.iter().map(|tree| given(tree, 0, x, known)).sum::<f64>();
    let factorial = |n: usize| (1..=n).product::<usize>() as f64;
    (0..FEATURES)
        .map(|feature| {
            (0..1_usize << FEATURES)
                .filter(|known| known >> feature & 1 == 0)
                .map(|known| {
                    let n = known.count_ones() as usize;
                    let weight = factorial(n) * factorial(FEATURES - n - 1) / factorial(FEATURES);
                    weight * (total(known | 1 << feature) - total(known))
                })
                .sum()
        })
        .collect()
}

/// Grows a tree from numbers between 0 and 1, to `depth` splits at most; the last number decides what is missing.
fn grow(numbers: &mut impl Iterator<Item = f64>, depth: usize, nodes: &mut Vec<Node>) -> usize {
    let mut next = || numbers.next().unwrap_or(0.3);
    let (kind, feature, threshold, share, missing) = (next(), next(), next(), next(), next());
    let at = nodes.len();
    nodes.push(Node::leaf(threshold * 2.0 - 1.0));
    if depth == 0 || kind < 0.15 {
        return 0;
    }
    let left = grow(numbers, depth - 1, nodes);
    let right_at = nodes.len() as u32;
    let right = grow(numbers, depth - 1, nodes);
    // A side that no training row went to is possible.
    let left_share = if share < 0.05 { 0.0 } else { share };
    nodes[at] = Node {
        feature: (feature * FEATURES as f64) as u32 % FEATURES as u32,
        threshold: threshold as f32,
        missing_goes_left: missing < 0.5,
        right: right_at,
        left_share,
        right_share: 1.0 - left_share,
        value: 0.0,
    };
    1 + left.max(right)
}

proptest! {
    #[test]
    fn every_share_is_the_one_of_the_definition(
        numbers in prop::collection::vec(0.0..1.0_f64, 400),
        x in prop::collection::vec(prop::option::weighted(0.8, 0.0..1.0_f32), FEATURES),
        depth in 0..9_usize,
    ) {
        let mut numbers = numbers.into_iter();
        let mut deepest = 0;
        let trees: Vec<Tree> = (0..3).map(|_| {
            let mut nodes = Vec::new();
            deepest = deepest.max(grow(&mut numbers, depth, &mut nodes));
            Tree { nodes }
        }).collect();
        let booster = Booster::new(FEATURES, 0.25, trees, deepest);
        let x: Vec<f32> = x.into_iter().map(|value| value.unwrap_or(f32::NAN)).collect();
        let mut shares = vec![0.0; FEATURES];
        let bias = booster.explain(&x, &mut shares);
        for (share, exact) in shares.iter().zip(by_definition(&booster, &x)) {
            prop_assert!((share - exact).abs() < 1e-12, "{share} for {exact}");
        }
        prop_assert!((bias + shares.iter().sum::<f64>() - booster.margin(&x)).abs() < 1e-12);
    }
}

#[test]
fn refuses_what_is_no_booster() {
    let tree = |left: &str| {
        format!(
            r#"{{"learner":{{"objective":{{"name":"binary:logistic"}},
            "learner_model_param":{{"base_score":"[5E-1]","num_feature":"2","num_class":"0","num_target":"1"}},
            "gradient_booster":{{"name":"gbtree","model":{{"trees":[{{
            "left_children":[{left},-1,-1],"right_children":[2,-1,-1],"split_indices":[1,0,0],
            "split_conditions":[0.5,-1.0,1.0],"default_left":[1,0,0],"sum_hessian":[4.0,1.0,3.0]}}]}}}}}}}}"#
        )
    };
    let good = Booster::parse(tree("1").as_bytes()).unwrap();
    let mut shares = [0.0; 2];
    let bias = good.explain(&[f32::NAN, 0.7], &mut shares);
    assert_eq!((bias, shares), (0.5, [0.0, 0.5]));
    for (text, why) in [
        (tree("0"), "a child is missing"),
        (tree("9"), "a child is missing"),
        (tree("1").replace("gbtree", "dart"), "only gbtree"),
        (tree("1").replace("binary:logistic", "rank:ndcg"), "only binary:logistic"),
        (tree("1").replace("[5E-1]", "2"), "no base score"),
        (tree("1").replace("[4.0,1.0,3.0]", "[4.0,1.0]"), "differ in length"),
        (tree("1").replace("\"split_indices\":[1", "\"split_indices\":[7"), "a feature that there is not"),
        (tree("1").replace("[4.0,", "[0.0,"), "no weight"),
        (tree("1").replace("\"trees\"", "\"tress\""), "not a booster"),
    ] {
        let error = Booster::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_ring_of_nodes_is_no_tree() {
    let ring = r#"{"learner":{"objective":{"name":"binary:logistic"},
        "learner_model_param":{"base_score":"5E-1","num_feature":"1"},"gradient_booster":{"name":"gbtree","model":{"trees":[{
        "left_children":[1,2,1],"right_children":[2,1,1],"split_indices":[0,0,0],"split_conditions":[0.5,0.5,0.5],
        "default_left":[0,0,0],"sum_hessian":[2.0,1.0,1.0]}]}}}}"#;
    assert!(Booster::parse(ring.as_bytes()).is_err());
}
