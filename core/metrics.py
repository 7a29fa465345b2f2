"""Judgements about results: the one formula each. What cannot be computed is None, never a number.

Conventions: a return series is per day; a year has 365 days, for markets that never close; standard deviations divide
by n - 1; Sharpe ratios inside the probabilistic forms are per day, not annualised.
"""

import math
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt
from scipy import stats

DAYS_PER_YEAR = 365.0
EULER_GAMMA = 0.5772156649015329
MIN_SAMPLES = 3
"""Below this no second moment means anything."""

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


def probabilistic_sharpe(
    sharpe_per_day: float, n: int, skewness: float, kurtosis: float, benchmark_per_day: float = 0.0
) -> float | None:
    """Return the probability that the true Sharpe ratio exceeds the benchmark (Bailey, Lopez de Prado 2012).

    `kurtosis` is 3 for a normal distribution. None when n < 3, on NaN, or when the variance term is not positive.
    """
    inputs = (sharpe_per_day, skewness, kurtosis, benchmark_per_day)
    if n < MIN_SAMPLES or not all(math.isfinite(value) for value in inputs):
        return None
    variance = 1 - skewness * sharpe_per_day + (kurtosis - 1) / 4 * sharpe_per_day**2
    if variance <= 0:
        return None
    return float(stats.norm.cdf((sharpe_per_day - benchmark_per_day) * math.sqrt(n - 1) / math.sqrt(variance)))


def expected_max_normal(n_trials: int) -> float | None:
    """Return the expected largest of n independent standard normal draws, approximately; None for n < 2."""
    if n_trials < 2:
        return None
    low = float(stats.norm.ppf(1 - 1 / n_trials))
    high = float(stats.norm.ppf(1 - 1 / (n_trials * math.e)))
    return (1 - EULER_GAMMA) * low + EULER_GAMMA * high


def deflated_sharpe(
    sharpe_per_day: float, n: int, skewness: float, kurtosis: float, n_trials: int, trial_variance: float
) -> float | None:
    """Return the probability that the Sharpe ratio beats the best of `n_trials` unskilled ones (2014).

    `trial_variance` is the variance of the trials' daily Sharpe ratios. One trial deflates nothing. None as in
    `probabilistic_sharpe`, and for a negative or missing variance.
    """
    if n_trials < 1 or not math.isfinite(trial_variance) or trial_variance < 0:
        return None
    best = expected_max_normal(n_trials) or 0.0
    return probabilistic_sharpe(sharpe_per_day, n, skewness, kurtosis, math.sqrt(trial_variance) * best)


def deflated_sharpe_of(returns: Sequence[float] | Series, n_trials: int) -> float | None:
    """Return the deflated Sharpe ratio of a daily series among `n_trials` trials of no skill.

    The trials' Sharpe ratios are taken to vary by 1/n, the sampling variance of an unskilled one, as if independent:
    trials that resemble each other deflate less, so this is the cautious side.
    """
    values = _finite(returns)
    per_day = daily_sharpe(returns)
    if values is None or per_day is None:
        return None
    skewness, kurtosis = float(stats.skew(values)), float(stats.kurtosis(values, fisher=False))
    return deflated_sharpe(per_day, values.size, skewness, kurtosis, n_trials, 1.0 / values.size)


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
    interval = stats.binomtest(n_hits, n).proportion_ci(0.9, method="wilson")
    return float(interval.low), float(interval.high)


def _finite(returns: Sequence[float] | Series) -> Series | None:
    values = np.asarray(returns, dtype=np.float64)
    return values if values.size >= MIN_SAMPLES and bool(np.isfinite(values).all()) else None
