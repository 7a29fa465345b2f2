"""Shares and slopes of observations that hang together: those of one week share its market, and windows overlap.

The variance of an estimate is that of the weekly sums of its influence values, with weeks up to `lag` apart weighted by
Bartlett's kernel (Driscoll, Kraay 1998; Newey, West 1987). Its degrees of freedom are those of that kernel at frequency
zero, 3 G / (2 (lag + 1)) for G weeks (Priestley 1981), at most G - 1, and G / (G - 1 - lag) takes back what estimating
the centre removed. A share keeps Jeffreys' interval, over the effective number of observations that such a variance
leaves (Korn, Graubard 1998; Franco, Little, Louis, Slud 2019 compare the intervals). All intervals hold 90 %.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from core.metrics import Series, jeffreys_interval

LEVEL = 0.90
SPARE_WEEKS = 3
"""By how many the weeks must outnumber the lag to tell anything of how they differ."""

Weeks = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 90 % interval, and on how much it rests."""

    value: float
    low: float
    high: float
    n: int
    n_effective: float
    """How many independent observations would be as sure."""
    n_weeks: int
    freedom: float
    """On how many independent weeks the interval itself rests."""


def clustered_share(hits: npt.NDArray[np.bool_], weeks: Weeks, lag: int) -> Estimate | str:
    """Return the share of hits, or why it cannot be told. `weeks` numbers the week of each; `lag` is in weeks."""
    n_weeks = len(np.unique(weeks))
    if n_weeks < lag + SPARE_WEEKS:
        return f"{n_weeks} weeks are too few to tell; {lag + SPARE_WEEKS} are needed"
    n, share = len(hits), float(hits.mean())
    freedom = degrees_of_freedom(n_weeks, lag)
    variance = weekly_variance((hits - share) / n, weeks, lag)
    if share in (0.0, 1.0):
        # Weeks cannot be seen to differ, so each stretch of overlapping weeks counts once.
        n_effective = min(float(n), n_weeks / max(1, lag))
    elif variance > 0:
        upper = 1 - (1 - LEVEL) / 2
        shrink = float(stats.norm.ppf(upper) / stats.t.ppf(upper, freedom)) ** 2
        n_effective = min(float(n), share * (1 - share) / variance * shrink)
    else:
        n_effective = float(n)
    low, high = jeffreys_interval(share * n_effective, n_effective, LEVEL) or (math.nan, math.nan)
    return Estimate(share, low, high, n, n_effective, n_weeks, freedom)


def share_difference(one: Estimate, other: Estimate) -> tuple[float, float, float]:
    """Return `one` minus `other` with its interval, made of both intervals (Newcombe 1998, method 10).

    Shares of the same weeks rise and fall together, which makes the interval too wide rather than too narrow.
    """
    value = one.value - other.value
    low = value - math.hypot(one.value - one.low, other.high - other.value)
    high = value + math.hypot(one.high - one.value, other.value - other.low)
    return value, low, high


def clustered_slope(x: Series, y: Series, weeks: Weeks, lag: int) -> Estimate | str:
    """Return the least-squares slope of y on x, or why it cannot be told."""
    n_weeks = len(np.unique(weeks))
    if n_weeks < lag + SPARE_WEEKS:
        return f"{n_weeks} weeks are too few to tell; {lag + SPARE_WEEKS} are needed"
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return "a value is not a number"
    centred = x - x.mean()
    spread = float(centred @ centred)
    if spread <= 1e-18 * max(1.0, float(np.abs(x).max()) ** 2):
        return "the values on the horizontal axis do not differ"
    slope = float(centred @ y) / spread
    residuals = y - y.mean() - slope * centred
    influence = centred * residuals / spread
    variance = weekly_variance(influence, weeks, lag)
    freedom = degrees_of_freedom(n_weeks, lag)
    half = float(stats.t.ppf(1 - (1 - LEVEL) / 2, freedom)) * math.sqrt(variance)
    n_effective = len(x) * min(1.0, float(influence @ influence) / variance) if variance > 0 else float(n_weeks)
    return Estimate(slope, slope - half, slope + half, len(x), n_effective, n_weeks, freedom)


def lag_weeks(horizon_days: int) -> int:
    """Return over how many weeks windows of a length overlap, and one more for Bartlett's kernel to fall to zero in."""
    return math.ceil(horizon_days / 7) + 1


def weekly_variance(influence: Series, weeks: Weeks, lag: int) -> float:
    """Return the variance of an estimate from the influence of each observation on it; see the head of this file."""
    first = int(weeks.min())
    sums = np.bincount(weeks - first, weights=influence)
    variance = float(sums @ sums)
    for apart in range(1, min(lag, len(sums) - 1) + 1):
        variance += 2 * (1 - apart / (lag + 1)) * float(sums[apart:] @ sums[:-apart])
    n_weeks = len(np.unique(weeks))
    return max(0.0, variance) * n_weeks / (n_weeks - 1 - lag)


def degrees_of_freedom(n_weeks: int, lag: int) -> float:
    """Return how many independent weeks the variance rests on; at least 1."""
    return max(1.0, min(n_weeks - 1.0, 1.5 * n_weeks / (lag + 1)))
