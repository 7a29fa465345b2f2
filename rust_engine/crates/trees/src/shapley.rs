//! The walk that gives every feature's share of a prediction.

use crate::gauss::rule;

/// A node; its left child follows it at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) feature: u32,
    pub(crate) threshold: f32,
    pub(crate) missing_goes_left: bool,
    /// Place of the right child; 0 for a leaf.
    pub(crate) right: u32,
    /// Shares of the node's training weight that went to either side.
    pub(crate) left_share: f64,
    pub(crate) right_share: f64,
    /// Of a leaf, on the scale of log odds.
    pub(crate) value: f64,
}

impl Node {
    pub(crate) const fn leaf(value: f64) -> Self {
        Self {
            feature: 0,
            threshold: 0.0,
            missing_goes_left: false,
            right: 0,
            left_share: 0.0,
            right_share: 0.0,
            value,
        }
    }
}

/// Nodes in the order of a walk, the root first.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
}

/// Gradient-boosted trees of one output, on the scale of log odds.
#[derive(Clone, Debug)]
pub struct Booster {
    n_features: usize,
    trees: Vec<Tree>,
    rule: Vec<(f64, f64)>,
    /// Margin that is expected when nothing is known of the features.
    bias: f64,
    base_margin: f64,
}

impl Booster {
    /// `depth` is the largest number of splits below each other.
    pub(crate) fn new(n_features: usize, base_margin: f64, trees: Vec<Tree>, depth: usize) -> Self {
        let bias = base_margin + trees.iter().map(|tree| expected(tree, 0)).sum::<f64>();
        Self { n_features, trees, rule: rule(depth.div_ceil(2).max(1)), bias, base_margin }
    }

    /// How many features it knows.
    #[must_use]
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// Log odds for the features `x`, NaN where unknown.
    ///
    /// # Panics
    /// If `x` has fewer than `n_features` places.
    #[must_use]
    pub fn margin(&self, x: &[f32]) -> f64 {
        self.base_margin + self.trees.iter().map(|tree| value_at(tree, x)).sum::<f64>()
    }

    /// Writes each feature's share of the margin for `x` into `shares`, and returns the bias: what is expected without any of
    /// them. Bias and shares sum to the margin.
    ///
    /// # Panics
    /// If `x` or `shares` has fewer than `n_features` places.
    pub fn explain(&self, x: &[f32], shares: &mut [f64]) -> f64 {
        shares.fill(0.0);
        match self.rule.len() {
            1 => self.walk::<1>(x, shares),
            2 => self.walk::<2>(x, shares),
            3 => self.walk::<3>(x, shares),
            4 => self.walk::<4>(x, shares),
            5..=8 => self.walk::<8>(x, shares),
            _ => self.walk::<16>(x, shares),
        }
        self.bias
    }

    fn walk<const N: usize>(&self, x: &[f32], shares: &mut [f64]) {
        // More points than needed are exact as well.
        let points = if self.rule.len() == N { self.rule.clone() } else { rule(N) };
        let mut walk = Walk { x, shares, at: [0.0; N], weight: [0.0; N], known: vec![Share::NONE; self.n_features] };
        for (place, (t, w)) in points.into_iter().enumerate() {
            (walk.at[place], walk.weight[place]) = (t, w);
        }
        for tree in &self.trees {
            walk.below(&tree.nodes, 0, [1.0; N]);
        }
    }
}

/// What a path asks of one feature so far: 1 or 0 when it is known, the share of training weight when it is not.
#[derive(Clone, Copy)]
struct Share {
    known: f64,
    unknown: f64,
}

impl Share {
    const NONE: Self = Self { known: 1.0, unknown: 1.0 };

    fn between(self, t: f64) -> f64 {
        t * self.known + (1.0 - t) * self.unknown
    }
}

struct Walk<'a, const N: usize> {
    x: &'a [f32],
    shares: &'a mut [f64],
    at: [f64; N],
    weight: [f64; N],
    /// By feature, along the path walked.
    known: Vec<Share>,
}

impl<const N: usize> Walk<'_, N> {
    /// Adds the shares of what is below `place`, whose path has the products `path` at the points; returns the sum of its
    /// leaves' values times their products.
    fn below(&mut self, nodes: &[Node], place: usize, path: [f64; N]) -> [f64; N] {
        let node = nodes[place];
        if node.right == 0 {
            return path.map(|product| product * node.value);
        }
        let goes_left = goes_left(&node, self.x);
        let left = self.edge(nodes, place + 1, &node, goes_left, node.left_share, &path);
        let right = self.edge(nodes, node.right as usize, &node, !goes_left, node.right_share, &path);
        let mut sum = left;
        for (total, more) in sum.iter_mut().zip(right) {
            *total += more;
        }
        sum
    }

    fn edge(
        &mut self,
        nodes: &[Node],
        child: usize,
        node: &Node,
        is_taken: bool,
        share: f64,
        path: &[f64; N],
    ) -> [f64; N] {
        let feature = node.feature as usize;
        let before = self.known[feature];
        let after = Share { known: if is_taken { before.known } else { 0.0 }, unknown: before.unknown * share };
        if after.known == 0.0 && after.unknown == 0.0 {
            // Nothing ever comes here, whatever is known.
            return [0.0; N];
        }
        let mut old = [0.0; N];
        let mut new = [0.0; N];
        let mut product = *path;
        for n in 0..N {
            (old[n], new[n]) = (1.0 / before.between(self.at[n]), after.between(self.at[n]));
            product[n] *= new[n] * old[n];
        }
        self.known[feature] = after;
        let below = self.below(nodes, child, product);
        self.known[feature] = before;
        // Of a feature asked twice on a path only the last word counts: what the first one added is taken back.
        let (gain, gained) = (after.known - after.unknown, before.known - before.unknown);
        let mut sum = 0.0;
        for n in 0..N {
            sum += self.weight[n] * below[n] * (gain / new[n] - gained * old[n]);
        }
        self.shares[feature] += sum;
        below
    }
}

fn goes_left(node: &Node, x: &[f32]) -> bool {
    let value = x[node.feature as usize];
    if value.is_nan() { node.missing_goes_left } else { value < node.threshold }
}

fn value_at(tree: &Tree, x: &[f32]) -> f64 {
    let mut place = 0;
    loop {
        let node = &tree.nodes[place];
        if node.right == 0 {
            return node.value;
        }
        place = if goes_left(node, x) { place + 1 } else { node.right as usize };
    }
}

fn expected(tree: &Tree, place: usize) -> f64 {
    let node = &tree.nodes[place];
    if node.right == 0 {
        return node.value;
    }
    node.left_share * expected(tree, place + 1) + node.right_share * expected(tree, node.right as usize)
}

#[cfg(test)]
#[path = "shapley_tests.rs"]
mod tests;
