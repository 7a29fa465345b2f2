//! Why boosted trees said what they said: exact Shapley values of each feature, path-dependent TreeSHAP.
//!
//! The game of one leaf is a product over the features on its path: a feature that is known gives 1 or 0, one that is not
//! gives the share of training weight that went that way. The Shapley value of a product is the integral over `t` in 0..1 of
//! its derivative along the diagonal (Owen 1972), a polynomial of degree below the number of features on the path. Gauss and
//! Legendre's rule with half as many points integrates it exactly, so one walk with a product for each point gives every
//! feature's value. That is Algorithm 2 of Lundberg et al. (2018) in another order of summing, and far less work.
//!
//! **Invariant:** the values and the bias sum to the margin.

mod gauss;
mod parse;
mod shapley;

pub use parse::{MAX_DEPTH, TreesError};
pub use shapley::Booster;
