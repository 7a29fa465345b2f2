"""What a model's yes was worth on settled trades: its number through an isotonic fit, its bare word by a base rate.

Pool adjacent violators (Ayer et al. 1955) on trades that are settled; below 100 of them a number stands for itself, as
it can only take away. What was learned of one model says nothing of another one.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

MIN_SETTLED = 100
_PRIOR_RIGHT, _PRIOR_N = 3.0, 4.0
"""Before anything is settled a bare word counts as right three times of four."""


@dataclass(frozen=True, slots=True)
class Settled:
    """One answer of a model and whether the order, in full, would have made money after costs."""

    p_yes: float
    is_bare: bool
    was_good: bool


@dataclass(frozen=True, slots=True)
class Calibration:
    """A monotone step function through (x, y), linear in between, and the base rates of the two words."""

    n_settled: int = 0
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()
    p_after_yes: float = _PRIOR_RIGHT / _PRIOR_N
    p_after_no: float = 1 - _PRIOR_RIGHT / _PRIOR_N

    def p_good(self, p_yes: float, is_bare: bool) -> float:
        """Return the probability that the order is good, given the answer."""
        if is_bare:
            return self.p_after_yes if p_yes >= 0.5 else self.p_after_no
        if not self.x:
            return p_yes
        at = bisect_right(self.x, p_yes)
        if at == 0:
            return self.y[0]
        if at == len(self.x):
            return self.y[-1]
        left, right = self.x[at - 1], self.x[at]
        return self.y[at - 1] + (self.y[at] - self.y[at - 1]) * (p_yes - left) / (right - left)


def fit_calibration(settled: Sequence[Settled]) -> Calibration:
    """Return what settled answers of one model teach."""
    told = [each for each in settled if not each.is_bare]
    bare = [each for each in settled if each.is_bare]
    after_yes = [each.was_good for each in bare if each.p_yes >= 0.5]
    after_no = [each.was_good for each in bare if each.p_yes < 0.5]
    x, y = _isotonic(told) if len(told) >= MIN_SETTLED else ((), ())
    return Calibration(
        n_settled=len(settled),
        x=x,
        y=y,
        p_after_yes=(sum(after_yes) + _PRIOR_RIGHT) / (len(after_yes) + _PRIOR_N),
        p_after_no=(sum(after_no) + _PRIOR_N - _PRIOR_RIGHT) / (len(after_no) + _PRIOR_N),
    )


def _isotonic(told: Sequence[Settled]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the centre and level of each pooled block: strictly rising x, rising y."""
    import numpy as np

    # Imported here: most starts of the worker come before there is anything to fit.
    from scipy.optimize import isotonic_regression

    ordered = sorted(told, key=lambda each: each.p_yes)
    places, inverse, counts = np.unique([e.p_yes for e in ordered], return_inverse=True, return_counts=True)
    shares = np.bincount(inverse, weights=[float(e.was_good) for e in ordered]) / counts
    fitted = isotonic_regression(shares, weights=counts)
    x, y = [], []
    for start, end in zip(fitted.blocks[:-1], fitted.blocks[1:], strict=True):
        weights = counts[start:end]
        x.append(float((places[start:end] * weights).sum() / weights.sum()))
        y.append(float(fitted.x[start]))
    return tuple(x), tuple(y)
