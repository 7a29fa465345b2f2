"""The prior: the share of ones among what was learned from. What it cannot be beaten by has no skill."""

from dataclasses import dataclass

import numpy as np

from market.candles import Floats, Integers
from ml.models.protocol import MIN_PROBABILITY


@dataclass(frozen=True, slots=True)
class FittedShare:
    """One probability for every row."""

    probability: float

    def predict(self, x: Floats, segment: Integers, rows: Integers) -> Floats:
        """Return the same probability for each row."""
        return np.full(len(rows), self.probability)


@dataclass(frozen=True, slots=True)
class Prior:
    """Predicts the weighted share of ones, with one half of each class added (Jeffreys)."""

    name: str = "prior"
    lookback: int = 1

    def fit(self, x: Floats, segment: Integers, rows: Integers, y: Floats, weight: Floats, seed: int) -> FittedShare:
        """Return the share."""
        share = (float(weight @ y) + 0.5) / (float(weight.sum()) + 1.0)
        return FittedShare(float(np.clip(share, MIN_PROBABILITY, 1 - MIN_PROBABILITY)))
