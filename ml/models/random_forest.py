"""Random forest (scikit-learn): deep averages of shallow knowledge; its leaves are wide, since the signal is weak."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from market.candles import Floats, Integers
from ml.models.prior import FittedShare, Prior


@dataclass(frozen=True, slots=True, eq=False)
class FittedForest:
    """A forest of scikit-learn."""

    forest: Any

    def predict(self, x: Floats, segment: Integers, rows: Integers) -> Floats:
        """Return the mean over the trees of the share of ones in the row's leaf."""
        return np.asarray(self.forest.predict_proba(tree_input(x[rows]))[:, 1], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class RandomForest:
    """Every split looks at a share of the columns, every tree at a share of the rows."""

    n_trees: int = 60
    min_leaf: int = 60
    column_share: float = 0.08
    row_share: float = 0.15
    max_depth: int = 8
    n_threads: int = 1
    name: str = "random_forest"
    lookback: int = 1

    def fit(
        self, x: Floats, segment: Integers, rows: Integers, y: Floats, weight: Floats, seed: int
    ) -> FittedForest | FittedShare:
        """Return the forest; with one class only, the prior."""
        if len(np.unique(y)) < 2:
            return Prior().fit(x, segment, rows, y, weight, seed)
        forest = RandomForestClassifier(
            n_estimators=self.n_trees,
            min_samples_leaf=self.min_leaf,
            max_features=self.column_share,
            max_samples=self.row_share,
            max_depth=self.max_depth,
            n_jobs=self.n_threads,
            random_state=seed,
        )
        forest.fit(tree_input(x[rows]), y.astype(np.int64), sample_weight=weight)
        return FittedForest(forest)


def tree_input(x: Floats) -> Any:
    """Return x in float32, which trees split on, with what is not finite as NaN."""
    with np.errstate(over="ignore"):
        narrow = x.astype(np.float32)
    narrow[~np.isfinite(narrow)] = np.nan
    return narrow
