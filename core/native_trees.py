"""Boosted trees of the compiled engine that tell why: exact Shapley values of each feature.

A part of `core.native`, under the same rules.
"""

import numpy as np
import trading_engine
from numpy.typing import NDArray

from core.errors import BadInput

Float32s = NDArray[np.float32]
Floats = NDArray[np.float64]


class Trees:
    """A booster of xgboost for `binary:logistic`, read from its JSON; for any thread."""

    __slots__ = ("_trees", "n_features")

    def __init__(self, booster_json: bytes) -> None:
        """Read the booster. Raises BadInput for other boosters, categories, and trees of more than 32 splits a path."""
        try:
            self._trees = trading_engine.Trees(booster_json)
        except ValueError as error:
            raise BadInput(f"the trees cannot be explained: {error}") from error
        self.n_features = self._trees.n_features

    def explain(self, x: Float32s) -> tuple[Floats, float]:
        """Return each feature's share of the log odds (n_features,), and the bias; they sum to the booster's margin.

        `x` (n_features,) float32, NaN where unknown. The shares are path-dependent TreeSHAP (Lundberg et al. 2018), as
        xgboost's `pred_contribs`. Raises BadInput for another number of features.
        """
        shares = np.empty(self.n_features, dtype=np.float64)
        try:
            bias = self._trees.explain(np.ascontiguousarray(x, dtype=np.float32), shares)
        except ValueError as error:
            raise BadInput(f"nothing to explain: {error}") from error
        return shares, bias
