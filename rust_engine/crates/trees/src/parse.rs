//! Reads a booster as xgboost writes it in JSON, and refuses what could not be explained exactly.

use crate::shapley::{Booster, Node, Tree};
use serde::Deserialize;
use thiserror::Error;

/// Deepest tree that is read.
pub const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 1 << 22;

/// Why a booster is not read.
#[derive(Debug, Error)]
pub enum TreesError {
    /// The text is not a booster's.
    #[error("not a booster of xgboost: {0}")]
    Json(#[from] serde_json::Error),
    /// It is one whose values would not be exact here.
    #[error("{0}")]
    Unsupported(String),
    /// A tree is no tree, or numbers are missing.
    #[error("tree {tree}: {problem}")]
    Damaged {
        /// Place of the tree.
        tree: usize,
        /// What is wrong.
        problem: &'static str,
    },
}

#[derive(Deserialize)]
struct File {
    learner: Learner,
}

#[derive(Deserialize)]
struct Learner {
    gradient_booster: Gradient,
    learner_model_param: Params,
    objective: Objective,
}

#[derive(Deserialize)]
struct Objective {
    name: String,
}

#[derive(Deserialize)]
struct Params {
    base_score: String,
    num_feature: String,
    #[serde(default)]
    num_class: String,
    #[serde(default)]
    num_target: String,
}

#[derive(Deserialize)]
struct Gradient {
    name: String,
    model: Option<Model>,
}

#[derive(Deserialize)]
struct Model {
    trees: Vec<Columns>,
}

/// One tree by columns, a place for each node.
#[derive(Deserialize)]
struct Columns {
    left_children: Vec<i32>,
    right_children: Vec<i32>,
    split_indices: Vec<u32>,
    /// The threshold of a split, the value of a leaf.
    split_conditions: Vec<f32>,
    default_left: Vec<u8>,
    sum_hessian: Vec<f32>,
    #[serde(default)]
    categories_nodes: Vec<i32>,
}

impl Booster {
    /// Reads the booster from xgboost's JSON.
    ///
    /// # Errors
    /// For anything but gradient-boosted trees of `binary:logistic` with one output and numeric splits, for trees deeper than
    /// [`MAX_DEPTH`], and for nodes that make no tree.
    pub fn parse(json: &[u8]) -> Result<Self, TreesError> {
        let Learner { gradient_booster, learner_model_param: params, objective } =
            serde_json::from_slice::<File>(json)?.learner;
        let unsupported = |why: String| Err(TreesError::Unsupported(why));
        if gradient_booster.name != "gbtree" {
            return unsupported(format!("a booster of kind '{}' is not explained, only gbtree", gradient_booster.name));
        }
        if objective.name != "binary:logistic" {
            return unsupported(format!("the objective '{}' is not explained, only binary:logistic", objective.name));
        }
        if !matches!(params.num_class.as_str(), "" | "0" | "1") || !matches!(params.num_target.as_str(), "" | "1") {
            return unsupported("boosters of several outputs are not explained".to_owned());
        }
        let Some(n_features) = params.num_feature.parse().ok().filter(|n| (1..=1 << 20).contains(n)) else {
            return unsupported(format!("'{}' is no number of features", params.num_feature));
        };
        let Some(base_margin) = margin_of(&params.base_score) else {
            return unsupported(format!("'{}' is no base score between 0 and 1", params.base_score));
        };
        let Some(model) = gradient_booster.model else { return unsupported("there are no trees".to_owned()) };
        let mut trees = Vec::with_capacity(model.trees.len());
        let mut depth = 0;
        for (tree, columns) in model.trees.iter().enumerate() {
            let (read, deepest) = columns.read(n_features).map_err(|problem| TreesError::Damaged { tree, problem })?;
            depth = depth.max(deepest);
            trees.push(read);
        }
        Ok(Self::new(n_features, base_margin, trees, depth))
    }
}

/// ln(p / (1 - p)) of a base score such as `5E-1` or `[5E-1]`.
fn margin_of(text: &str) -> Option<f64> {
    let plain = text.trim_start_matches('[').trim_end_matches(']');
    let p = f64::from(plain.parse::<f32>().ok()?);
    (p > 0.0 && p < 1.0).then(|| (p / (1.0 - p)).ln())
}

impl Columns {
    fn read(&self, n_features: usize) -> Result<(Tree, usize), &'static str> {
        let n = self.left_children.len();
        let lengths = [
            self.right_children.len(),
            self.split_indices.len(),
            self.split_conditions.len(),
            self.default_left.len(),
            self.sum_hessian.len(),
        ];
        if n == 0 || n > MAX_NODES || lengths.iter().any(|length| *length != n) {
            return Err("its columns differ in length");
        }
        if !self.categories_nodes.is_empty() {
            return Err("it splits by category");
        }
        let mut nodes = Vec::with_capacity(n);
        let depth = self.add(0, 0, n_features, &mut nodes)?;
        Ok((Tree { nodes }, depth))
    }

    /// Adds the node at `place` and what is below it, in the order of a walk; returns how many splits are below each other.
    fn add(&self, place: usize, depth: usize, n_features: usize, nodes: &mut Vec<Node>) -> Result<usize, &'static str> {
        // A node that two parents share, or a ring, makes more nodes than there are places.
        if depth > MAX_DEPTH || nodes.len() >= self.left_children.len() {
            return Err("it is deeper than 32 splits, or no tree");
        }
        let value = f64::from(self.split_conditions[place]);
        if !value.is_finite() {
            return Err("a number is not finite");
        }
        let (left, right) = (self.left_children[place], self.right_children[place]);
        if left < 0 && right < 0 {
            nodes.push(Node::leaf(value));
            return Ok(0);
        }
        let n = self.left_children.len();
        let (Some(left), Some(right)) = (inside(left, n), inside(right, n)) else { return Err("a child is missing") };
        let feature = self.split_indices[place] as usize;
        if feature >= n_features {
            return Err("it asks for a feature that there is not");
        }
        let [whole, left_weight, right_weight] = [place, left, right].map(|node| f64::from(self.sum_hessian[node]));
        let are_weights = [left_weight, right_weight].iter().all(|weight| weight.is_finite() && *weight >= 0.0);
        if !(are_weights && whole.is_finite() && whole > 0.0) {
            return Err("a node has no weight");
        }
        let at = nodes.len();
        nodes.push(Node::leaf(0.0));
        let deepest_left = self.add(left, depth + 1, n_features, nodes)?;
        let after_left = nodes.len();
        let deepest_right = self.add(right, depth + 1, n_features, nodes)?;
        nodes[at] = Node {
            feature: feature as u32,
            threshold: self.split_conditions[place],
            missing_goes_left: self.default_left[place] != 0,
            right: after_left as u32,
            left_share: left_weight / whole,
            right_share: right_weight / whole,
            value: 0.0,
        };
        Ok(1 + deepest_left.max(deepest_right))
    }
}

fn inside(child: i32, n: usize) -> Option<usize> {
    usize::try_from(child).ok().filter(|place| *place > 0 && *place < n)
}
