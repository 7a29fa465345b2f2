"""Logistic regression on scaled columns (scikit-learn): the linear anchor, strongly shrunk since columns overlap."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from market.candles import Floats, Integers
from ml.calibration import sigmoid
from ml.features.scaling import Scaler


@dataclass(frozen=True, slots=True, eq=False)
class FittedLogistic:
    """A scaler and a line."""

    scaler: Scaler
    weights: Floats
    """(k,)"""
    bias: float

    def predict(self, x: Floats, segment: Integers, rows: Integers) -> Floats:
        """Return the probability of each row."""
        return sigmoid(self.scaler.transform(x[rows]) @ self.weights + self.bias)


@dataclass(frozen=True, slots=True)
class Logistic:
    """`inverse_penalty` is scikit-learn's C of the squared (L2) penalty."""

    inverse_penalty: float = 0.001
    name: str = "logistic"
    lookback: int = 1

    def fit(self, x: Floats, segment: Integers, rows: Integers, y: Floats, weight: Floats, seed: int) -> FittedLogistic:
        """Return the fit; with one class only, its line is flat."""
        scaler = Scaler.fit(x[rows])
        if len(np.unique(y)) < 2:
            share = (float(y.sum()) + 0.5) / (len(y) + 1.0)
            return FittedLogistic(scaler, np.zeros(x.shape[1]), float(np.log(share / (1 - share))))
        model = LogisticRegression(C=self.inverse_penalty, max_iter=300)
        model.fit(scaler.transform(x[rows]), y, sample_weight=weight / weight.mean())
        return FittedLogistic(scaler, np.asarray(model.coef_[0], dtype=np.float64), float(model.intercept_[0]))
