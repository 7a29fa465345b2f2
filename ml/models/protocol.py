"""What a model is to the rest of the house: a recipe that fits, and what was fitted that predicts."""

from typing import Protocol

from market.candles import Floats, Integers


class Fitted(Protocol):
    """A model with its parameters, ready to predict."""

    def predict(self, x: Floats, segment: Integers, rows: Integers) -> Floats:
        """Return (len(rows),) the probability that y is 1 at each of `rows` of `x` (n, k); no later row is read.

        `segment` (n,) numbers the unbroken runs; a model of sequences reads back `lookback` rows within one.
        """
        ...


class Expert(Protocol):
    """A recipe: cheap to make, without state, the same result from the same data and seed."""

    @property
    def name(self) -> str:
        """Short and unique in a line-up, such as `xgboost`."""
        ...

    @property
    def lookback(self) -> int:
        """Rows, the row itself included, that it reads of `x` for a prediction; 1 for tables."""
        ...

    def fit(self, x: Floats, segment: Integers, rows: Integers, y: Floats, weight: Floats, seed: int) -> Fitted:
        """Return the model learned from `rows` of `x` (n, k), whose labels are `y` (len(rows),) of 0 and 1.

        `weight` (len(rows),) is above zero. Rows of `x` outside `rows` and their lookback must change nothing.
        """
        ...


MIN_PROBABILITY = 1e-4
"""Nobody is ever surer than this: the log loss of one prediction is at most 9.2 nats."""
