"""From a model's score to a probability to believe in: two numbers (Platt) or knots (isotonic), plain arithmetic.

Fitted on predictions of rows that the model did not learn from, never on the rows it is judged on.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import BadInput, Corrupt
from market.candles import Floats
from ml.models.protocol import MIN_PROBABILITY

RIDGE = 4.0
"""Precision of the belief that a model needs no correction: scale 1 and bias 0, each within about one half."""
_MAX_STEPS = 60
_TOLERANCE = 1e-10


def clip_probability(p: Floats) -> Floats:
    """Return p within [1e-4, 1 - 1e-4]: nobody is surer than that."""
    # What np.clip gives, in a fifth of its time for the one number that serving asks about.
    clipped: Floats = np.minimum(np.maximum(p, MIN_PROBABILITY), 1 - MIN_PROBABILITY)
    return clipped


def logit(p: Floats) -> Floats:
    """Return ln(p / (1 - p)) of p clipped."""
    clipped = clip_probability(p)
    return np.log(clipped) - np.log1p(-clipped)


def sigmoid(score: Floats) -> Floats:
    """Return 1 / (1 + exp(-score)), without overflow."""
    result: Floats = 0.5 * (1 + np.tanh(0.5 * np.asarray(score, dtype=np.float64)))
    return result


@dataclass(frozen=True, slots=True)
class Platt:
    """Temperature and bias: probability = sigmoid(scale * logit(p) + bias). After Platt (1999)."""

    scale: float = 1.0
    bias: float = 0.0

    def apply(self, p: Floats) -> Floats:
        """Return calibrated, clipped probabilities of a model's probabilities."""
        return self.of_scores(logit(p))

    def of_scores(self, score: Floats) -> Floats:
        """Return clipped probabilities of scores on the logit scale."""
        return clip_probability(sigmoid(self.scale * score + self.bias))

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        return {"kind": "platt", "scale": self.scale, "bias": self.bias}


@dataclass(frozen=True, slots=True)
class Isotonic:
    """A rising curve through knots, straight between them and flat beyond."""

    x: tuple[float, ...]
    """Uncalibrated probabilities, rising."""
    y: tuple[float, ...]
    """Calibrated ones, not falling."""

    def apply(self, p: Floats) -> Floats:
        """Return calibrated, clipped probabilities."""
        return clip_probability(np.interp(p, self.x, self.y))

    def to_dict(self) -> dict[str, Any]:
        """Return the knots for JSON."""
        return {"kind": "isotonic", "x": list(self.x), "y": list(self.y)}


Calibration = Platt | Isotonic


def fit_platt(score: Floats, y: Floats, weight: Floats | None = None, ridge: float = 0.0) -> Platt:
    """Return the curve of greatest likelihood of y in scores on the logit scale, by Newton's method.

    `ridge` is the precision of a normal belief in scale 1 and bias 0; a trace of one in a flat curve is always there,
    so that data that can be told apart perfectly have an answer. Scores are standardised inside; any unit will do.
    """
    if len(score) != len(y) or len(score) < 2:
        raise BadInput(f"{len(score)} scores and {len(y)} labels make no calibration", "Give two rows or more")
    weights = np.ones(len(y)) if weight is None else weight
    mean, deviation = float(score.mean()), float(score.std())
    if deviation <= 1e-12:
        share = (float(weights @ y) + 0.5) / (float(weights.sum()) + 1)
        return Platt(0.0, float(logit(np.array(share))))
    design = np.column_stack([(score - mean) / deviation, np.ones(len(score))])
    # From the standardised coefficients to scale and bias.
    back = np.array([[1 / deviation, 0.0], [-mean / deviation, 1.0]])
    precision = ridge * back.T @ back if ridge else np.eye(2) * 2.5e-4
    centre = np.array([deviation, mean]) if ridge else np.zeros(2)
    found = newton_logistic(design, y, weights, centre, precision)
    scale = float(found[0]) / deviation
    return Platt(scale, float(found[1]) - scale * mean)


def newton_logistic(design: Floats, y: Floats, weight: Floats, centre: Floats, precision: Floats) -> Floats:
    """Return the coefficients (k,) that maximise the likelihood less (b - centre)' precision (b - centre) / 2.

    `design` (n, k). Newton's method with step halving; the function is strictly concave, so the answer is one.
    """

    def cost(b: Floats) -> float:
        z = design @ b
        away = b - centre
        return float(weight @ (np.logaddexp(0, z) - y * z) + 0.5 * away @ precision @ away)

    found = centre.copy()
    at = cost(found)
    for _ in range(_MAX_STEPS):
        p = sigmoid(design @ found)
        gradient = design.T @ (weight * (p - y)) + precision @ (found - centre)
        curvature = (design * (weight * p * (1 - p))[:, None]).T @ design + precision
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while size > 1e-6 and cost(found - size * step) > at:
            size /= 2
        found = found - size * step
        before, at = at, cost(found)
        if before - at <= _TOLERANCE * (1 + abs(before)):
            break
    return found


def fit_calibration(p: Floats, y: Floats, ridge: float = RIDGE) -> Platt:
    """Return the Platt calibration of out-of-sample probabilities p (n,) with labels y (n,) of 0 and 1."""
    return fit_platt(logit(p), y, None, ridge)


def fit_isotonic(p: Floats, y: Floats, n_knots: int = 50) -> Isotonic:
    """Return the isotonic calibration (Zadrozny, Elkan 2002), thinned to at most `n_knots` blocks of equal scores."""
    if len(p) != len(y) or len(p) < 2 or n_knots < 2:
        raise BadInput(f"{len(p)} scores and {len(y)} labels make no calibration", "Give two rows or more")
    # Only fitting needs it, and it takes 50 MB of a process that serves.
    from scipy.optimize import isotonic_regression

    order = np.argsort(p, kind="stable")
    groups = np.array_split(order, min(n_knots, len(order)))
    x = np.array([p[group].mean() for group in groups])
    share = np.array([y[group].mean() for group in groups])
    rising = isotonic_regression(share, weights=[len(group) for group in groups]).x
    knots, first = np.unique(x, return_index=True)
    return Isotonic(tuple(knots.tolist()), tuple(np.maximum.accumulate(rising[first]).tolist()))


def to_json(calibration: Calibration) -> str:
    """Return a calibration as JSON, exactly."""
    return json.dumps(calibration.to_dict(), allow_nan=False)


def from_json(text: str) -> Calibration:
    """Return the calibration that `to_json` wrote. Raises Corrupt for anything else."""
    try:
        parts = json.loads(text)
        if parts["kind"] == "platt":
            return Platt(*_finite([parts["scale"], parts["bias"]]))
        if parts["kind"] == "isotonic":
            x, y = _finite(parts["x"]), _finite(parts["y"])
            if len(x) == len(y) > 0 and list(x) == sorted(set(x)) and list(y) == sorted(y):
                return Isotonic(x, y)
    except (ValueError, TypeError, KeyError):
        pass
    raise Corrupt("the calibration is not what was written", "Train the model again")


def _finite(numbers: Sequence[float]) -> tuple[float, ...]:
    values = tuple(float(value) for value in numbers)
    if not all(map(math.isfinite, values)):
        raise ValueError
    return values
