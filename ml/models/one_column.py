"""Fits on one column: what the rules that everybody knows are made of."""

from dataclasses import dataclass

import numpy as np

from market.candles import Floats, Integers
from ml.calibration import Platt, fit_platt, logit
from ml.models.protocol import MIN_PROBABILITY


@dataclass(frozen=True, slots=True)
class FittedSides:
    """A probability for each side of zero of a column, and one for rows where it is unknown or zero."""

    column: int
    above: float
    below: float
    otherwise: float

    def predict(self, x: Floats, segment: Integers, rows: Integers) -> Floats:
        """Return the probability of the side that the column is on."""
        value = x[rows, self.column]
        return np.where(value > 0, self.above, np.where(value < 0, self.below, self.otherwise))


def fit_sides(column: int, rises: bool, x: Floats, rows: Integers, y: Floats, weight: Floats) -> FittedSides:
    """Return how often y was 1 on each side of zero; a side that points against `rises` says no more than the prior.

    `rises` holds the rule to its word: one that claims "up goes on" may not be turned round by the data.
    """
    value = x[rows, column]
    sides = (value > 0, value < 0, np.ones(len(rows), dtype=bool))
    above, below, all_rows = ((float(weight[m] @ y[m]) + 0.5) / (float(weight[m].sum()) + 1.0) for m in sides)
    if (above > below) != rises:
        above = below = all_rows
    clipped = np.clip([above, below, all_rows], MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    return FittedSides(column, float(clipped[0]), float(clipped[1]), float(clipped[2]))


@dataclass(frozen=True, slots=True)
class FittedCurve:
    """A logistic curve in one column; rows where it is unknown get the share of ones."""

    column: int
    curve: Platt
    otherwise: float

    def predict(self, x: Floats, segment: Integers, rows: Integers) -> Floats:
        """Return the curve at the column's value."""
        value = x[rows, self.column]
        known = np.isfinite(value)
        score = np.where(known, value, 0.0)
        return np.where(known, self.curve.of_scores(score), self.otherwise)


def fit_curve(column: int, x: Floats, rows: Integers, y: Floats, weight: Floats) -> FittedCurve:
    """Return the maximum-likelihood logistic curve of y in the column."""
    value = x[rows, column]
    known = np.isfinite(value)
    share = float(
        np.clip((float(weight @ y) + 0.5) / (float(weight.sum()) + 1.0), MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    )
    if known.sum() < 2:
        return FittedCurve(column, Platt(0.0, float(logit(np.array(share)))), share)
    return FittedCurve(column, fit_platt(value[known], y[known], weight[known]), share)
