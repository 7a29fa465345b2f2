"""Experts that are a few numbers on the card: the prior, the rules that everybody knows, and the logistic line."""

import math
from collections.abc import Callable

import numpy as np

from core.errors import Refused
from market.candles import Floats
from ml.bundle import ExpertCard
from ml.calibration import Platt, sigmoid

Builtin = Callable[[Floats], float]
"""Takes one row of features (k,), scaled or raw as the card says, and gives the probability of class 1."""

_FIELDS = {
    "share": ("probability",),
    "logistic": ("weights", "bias"),
    "sides": ("column", "above", "below", "otherwise"),
    "curve": ("column", "scale", "bias", "otherwise"),
}


def read_builtin(expert: ExpertCard, n_features: int) -> Builtin:
    """Return what the card's numbers say. Raises Refused for an unknown kind, and for numbers missing or impossible."""
    wanted = _FIELDS.get(expert.kind)
    numbers = expert.numbers
    if wanted is None or set(wanted) != set(numbers):
        raise _refused(expert, f"is of kind '{expert.kind}' with {', '.join(sorted(numbers))}")
    if not all(math.isfinite(value) for values in numbers.values() for value in values):
        raise _refused(expert, "has numbers that are not finite")
    sizes = {name: n_features if name == "weights" else 1 for name in wanted}
    if any(len(numbers[name]) != size for name, size in sizes.items()):
        raise _refused(expert, "has too many or too few numbers")
    if expert.kind == "logistic":
        weights, bias = np.array(numbers["weights"]), numbers["bias"][0]
        return lambda row: float(sigmoid(row @ weights + bias))
    if expert.kind == "share":
        return lambda row: numbers["probability"][0]
    column = _column(expert, n_features)
    otherwise = numbers["otherwise"][0]
    if expert.kind == "sides":
        above, below = numbers["above"][0], numbers["below"][0]
        return lambda row: above if row[column] > 0 else below if row[column] < 0 else otherwise
    curve = Platt(numbers["scale"][0], numbers["bias"][0])

    def on_curve(row: Floats) -> float:
        value = row[column]
        return float(curve.of_scores(value)) if math.isfinite(value) else otherwise

    return on_curve


def _column(expert: ExpertCard, n_features: int) -> int:
    column = expert.numbers["column"][0]
    if not 0 <= column < n_features or column != int(column):
        raise _refused(expert, f"reads column {column:g} of {n_features}")
    return int(column)


def _refused(expert: ExpertCard, why: str) -> Refused:
    return Refused(f"expert {expert.name} {why}, which is no builtin of this version", "Train again with this version")
