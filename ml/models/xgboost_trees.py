"""Gradient-boosted trees (XGBoost): shallow, slow, on few columns and rows a tree, since the signal is weak."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost

from market.candles import Floats, Integers
from ml.models.prior import FittedShare, Prior
from ml.models.random_forest import tree_input


@dataclass(frozen=True, slots=True, eq=False)
class FittedTrees:
    """A booster of XGBoost."""

    booster: Any

    def predict(self, x: Floats, segment: Integers, rows: Integers) -> Floats:
        """Return the probability of each row."""
        return np.asarray(self.booster.inplace_predict(tree_input(x[rows])), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class XgboostTrees:
    """The names are the house's; what XGBoost calls them is in `fit`."""

    n_trees: int = 200
    max_depth: int = 4
    learning_rate: float = 0.04
    min_leaf_weight: float = 50.0
    """Sum of p (1 - p) in a leaf: about four rows each near one half."""
    row_share: float = 0.7
    column_share: float = 0.2
    penalty: float = 10.0
    n_bins: int = 64
    n_threads: int = 1
    name: str = "xgboost"
    lookback: int = 1

    def fit(
        self, x: Floats, segment: Integers, rows: Integers, y: Floats, weight: Floats, seed: int
    ) -> FittedTrees | FittedShare:
        """Return the trees; with one class only, the prior."""
        if len(np.unique(y)) < 2:
            return Prior().fit(x, segment, rows, y, weight, seed)
        data = xgboost.QuantileDMatrix(
            tree_input(x[rows]), y, weight=weight / weight.mean(), max_bin=self.n_bins, nthread=self.n_threads
        )
        settings = {
            "objective": "binary:logistic",
            "tree_method": "hist",
            "max_depth": self.max_depth,
            "learning_rate": self.learning_rate,
            "min_child_weight": self.min_leaf_weight,
            "subsample": self.row_share,
            "colsample_bytree": self.column_share,
            "reg_lambda": self.penalty,
            "base_score": float(np.average(y, weights=weight)),
            "max_bin": self.n_bins,
            "nthread": self.n_threads,
            "seed": seed,
        }
        return FittedTrees(xgboost.train(settings, data, self.n_trees))
