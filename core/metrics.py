"""Judgements about results: the one formula each. What cannot be computed is None, never a number.

Conventions: a return series is per day; a year has 365 days, for markets that never close; standard deviations divide
by n - 1. How sure a Sharpe ratio is: `core.sharpe`.
"""

import math
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt
from scipy import stats

DAYS_PER_YEAR = 365.0
MIN_SAMPLES = 3
"""Below this no second moment means anything."""
_Z_90 = float(stats.norm.ppf(0.95))

Series = npt.NDArray[np.float64]


def daily_sharpe(returns: Sequence[float] | Series) -> float | None:
    """Return mean over standard deviation per day; None for NaN, fewer than 3 values, or no variation."""
    values = _finite(returns)
    if values is None:
        return None
    deviation = float(values.std(ddof=1))
    if deviation <= 1e-12 * max(1.0, float(np.abs(values).max())):
        return None
    return float(values.mean()) / deviation


def sharpe(returns: Sequence[float] | Series, periods_per_year: float = DAYS_PER_YEAR) -> float | None:
    """Return the annualised Sharpe ratio at a risk-free rate of zero; None as in `daily_sharpe`."""
    per_day = daily_sharpe(returns)
    return None if per_day is None else per_day * math.sqrt(periods_per_year)


def max_drawdown_pct(equity: Sequence[float] | Sequence[Decimal] | Series) -> float | None:
    """Return the largest fall from a former peak, in percent of that peak; None for NaN, no value, or a peak <= 0."""
    values = np.asarray([float(value) for value in equity], dtype=np.float64)
    if values.size == 0 or not np.isfinite(values).all() or values[0] <= 0:
        return None
    peaks = np.maximum.accumulate(values)
    return float(((peaks - values) / peaks).max() * 100)


def mean_interval(values: Series, seed: int) -> tuple[float, float]:
    """Return the 5 % and 95 % quantile of the mean over 2,000 circular block resamples, blocks of n^(1/3) values.

    Politis, Romano 1992. The same seed gives the same interval.
    """
    n = len(values)
    length = max(1, round(n ** (1 / 3)))
    n_blocks = -(-n // length)
    starts = np.random.default_rng(seed).integers(0, n, size=(2_000, n_blocks))
    index = (starts[:, :, None] + np.arange(length)) % n
    means = values[index.reshape(2_000, -1)[:, :n]].mean(axis=1)
    low, high = np.quantile(means, [0.05, 0.95])
    return float(low), float(high)


def share_interval(n_hits: int, n: int) -> tuple[float, float] | None:
    """Return the 90 % interval of a share after Wilson (1927); None for n = 0."""
    if n <= 0:
        return None
    # By hand, since SciPy works out a test beside it that takes a hundred times as long.
    share, spread = n_hits / n, _Z_90**2 / n
    half = _Z_90 * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    middle = (share + spread / 2) / (1 + spread)
    return (0.0 if n_hits == 0 else middle - half), (1.0 if n_hits == n else middle + half)


def jeffreys_interval(n_hits: float, n: float, confidence: float = 0.9) -> tuple[float, float] | None:
    """Return the equal-tailed Jeffreys interval of a share (Brown, Cai, DasGupta 2001).

    Quantiles of Beta(hits + 1/2, misses + 1/2); no hit gives a lower end of 0 and no miss an upper end of 1. Effective
    counts need not be whole. None for n = 0, a number of hits outside 0 to n, or a confidence outside (0, 1).
    """
    if n <= 0 or not 0 <= n_hits <= n or not 0 < confidence < 1:
        return None
    tail = (1 - confidence) / 2
    posterior = stats.beta(n_hits + 0.5, n - n_hits + 0.5)
    low = 0.0 if n_hits == 0 else float(posterior.ppf(tail))
    high = 1.0 if n_hits == n else float(posterior.isf(tail))
    return low, high


def _finite(returns: Sequence[float] | Series) -> Series | None:
    values = np.asarray(returns, dtype=np.float64)
    return values if values.size >= MIN_SAMPLES and bool(np.isfinite(values).all()) else None
