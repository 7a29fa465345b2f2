"""Inference on Sharpe ratios: how sure a track record is. What cannot be computed is None, never a number.

Conventions: a Sharpe ratio is per period of the series (per day, not annualised) unless a name says otherwise; `n`
counts periods; kurtosis is 3 for a normal distribution; every test is one-sided, "greater than the benchmark".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from core.metrics import MIN_SAMPLES, Series, daily_sharpe

EULER_GAMMA = 0.5772156649015329


@dataclass(frozen=True, slots=True)
class ReturnShape:
    """What of a series, besides mean and deviation, moves the error of its Sharpe ratio. The default is a normal."""

    skewness: float = 0.0
    kurtosis: float = 3.0
    autocorrelation: float = 0.0
    """Of one period with the next; the process is taken as AR(1)."""


NORMAL = ReturnShape()


def return_shape(returns: Sequence[float] | Series) -> ReturnShape | None:
    """Return the sample's shape, autocorrelation at lag 1; None where `daily_sharpe` is None."""
    values = np.asarray(returns, dtype=np.float64)
    if daily_sharpe(values) is None:
        return None
    centred = values - values.mean()
    return ReturnShape(
        skewness=float(stats.skew(values)),
        kurtosis=float(stats.kurtosis(values, fisher=False)),
        autocorrelation=float(centred[1:] @ centred[:-1]) / float(centred @ centred),
    )


def probabilistic_sharpe(
    sharpe_per_day: float, n: int, skewness: float, kurtosis: float, benchmark_per_day: float = 0.0
) -> float | None:
    """Return the probability that the true Sharpe ratio exceeds the benchmark (Bailey, Lopez de Prado 2012).

    The variance is taken at the observed ratio. None when n < 3, on NaN, or when the variance term is not positive.
    """
    factor = _iid_variance(sharpe_per_day, skewness, kurtosis)
    if n < MIN_SAMPLES or factor is None or not math.isfinite(benchmark_per_day):
        return None
    return float(stats.norm.cdf((sharpe_per_day - benchmark_per_day) * math.sqrt(n - 1) / math.sqrt(factor)))


def sharpe_variance(sharpe_per_day: float, n: int, shape: ReturnShape = NORMAL) -> float | None:
    """Return the variance of an estimated Sharpe ratio when the true one is `sharpe_per_day`.

    Lopez de Prado, Lipton, Zoonekynd 2025, for skewed, fat-tailed AR(1) returns; the divisor is n. None when n < 3,
    on NaN, for an autocorrelation of 1 or more, or when the variance is not positive.
    """
    r = shape.autocorrelation
    inputs = (sharpe_per_day, shape.skewness, shape.kurtosis, r)
    if n < MIN_SAMPLES or not all(math.isfinite(value) for value in inputs) or abs(r) >= 1:
        return None
    a = 1 + 2 * r / (1 - r)
    b = 1 + r / (1 - r) + r**2 / (1 - r**2)
    c = 1 + 2 * r**2 / (1 - r**2)
    variance = a - b * shape.skewness * sharpe_per_day + c * (shape.kurtosis - 1) / 4 * sharpe_per_day**2
    return variance / n if variance > 0 else None


def probabilistic_sharpe_at_benchmark(
    sharpe_per_day: float, n: int, shape: ReturnShape = NORMAL, benchmark_per_day: float = 0.0
) -> float | None:
    """Return 1 - p of the test against the benchmark, the variance taken at the benchmark (2025).

    A test asks how the ratio would scatter if the benchmark were true; the form of 2012 takes the variance at the
    observed ratio instead. None as in `sharpe_variance`.
    """
    variance = sharpe_variance(benchmark_per_day, n, shape)
    if variance is None or not math.isfinite(sharpe_per_day):
        return None
    return float(stats.norm.cdf((sharpe_per_day - benchmark_per_day) / math.sqrt(variance)))


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
    per_day, shape = daily_sharpe(returns), return_shape(returns)
    if per_day is None or shape is None:
        return None
    n = len(returns)
    return deflated_sharpe(per_day, n, shape.skewness, shape.kurtosis, n_trials, 1.0 / n)


def min_backtest_years(n_trials: int, lucky_annual_sharpe: float) -> float | None:
    """Return the years below which the best of `n_trials` unskilled trials is expected to show the annual Sharpe ratio.

    Bailey, Borwein, Lopez de Prado, Zhu 2014. None for fewer than two trials or a ratio that is not positive.
    """
    best = expected_max_normal(n_trials)
    if best is None or not math.isfinite(lucky_annual_sharpe) or lucky_annual_sharpe <= 0:
        return None
    return (best / lucky_annual_sharpe) ** 2


def min_track_record(
    sharpe_per_day: float, benchmark_per_day: float, shape: ReturnShape = NORMAL, level: float = 0.05
) -> float | None:
    """Return the periods needed for `probabilistic_sharpe` to reach 1 - level (2012).

    None when the ratio does not exceed the benchmark, on NaN, or when the variance term is not positive.
    """
    factor = _iid_variance(sharpe_per_day, shape.skewness, shape.kurtosis)
    score = _score_per_distance(sharpe_per_day - benchmark_per_day, level)
    return None if factor is None or score is None else 1 + factor * score**2


def min_track_record_at_benchmark(
    sharpe_per_day: float, benchmark_per_day: float, shape: ReturnShape = NORMAL, level: float = 0.05
) -> float | None:
    """Return the periods needed for `probabilistic_sharpe_at_benchmark` to reach 1 - level (2025); None as there."""
    variance = sharpe_variance(benchmark_per_day, MIN_SAMPLES, shape)
    score = _score_per_distance(sharpe_per_day - benchmark_per_day, level)
    return None if variance is None or score is None else MIN_SAMPLES * variance * score**2


def sharpe_test_power(
    benchmark_per_day: float, alternative_per_day: float, n: int, shape: ReturnShape = NORMAL, level: float = 0.05
) -> float | None:
    """Return the probability that the test of 2025 at `level` sees a true ratio of `alternative_per_day`, or None."""
    under_null = sharpe_variance(benchmark_per_day, n, shape)
    under_alternative = sharpe_variance(alternative_per_day, n, shape)
    if under_null is None or under_alternative is None or not 0 < level < 1:
        return None
    critical = benchmark_per_day + float(stats.norm.isf(level)) * math.sqrt(under_null)
    return float(stats.norm.sf((critical - alternative_per_day) / math.sqrt(under_alternative)))


def planned_false_discovery(prior: float, level: float, power: float) -> float | None:
    """Return pFDR, the probability of no skill given that a test at `level` with `power` rejected (2025).

    `prior` is the share of candidates with skill. None unless prior and level are inside (0, 1) and power in [0, 1].
    """
    if not (0 < prior < 1 and 0 < level < 1 and 0 <= power <= 1):
        return None
    return 1 / (1 + power * prior / (level * (1 - prior)))


def observed_false_discovery(
    sharpe_per_day: float,
    benchmark_per_day: float,
    alternative_per_day: float,
    n: int,
    prior: float,
    shape: ReturnShape = NORMAL,
) -> float | None:
    """Return oFDR, the probability of no skill given a ratio at least as large as the observed one (2025), or None.

    Without skill the true ratio is the benchmark, with skill, which a share of `prior` has, it is the alternative.
    """
    under_null = probabilistic_sharpe_at_benchmark(sharpe_per_day, n, shape, benchmark_per_day)
    under_alternative = probabilistic_sharpe_at_benchmark(sharpe_per_day, n, shape, alternative_per_day)
    if under_null is None or under_alternative is None or not 0 < prior < 1:
        return None
    false, true = (1 - under_null) * (1 - prior), (1 - under_alternative) * prior
    return false / (false + true) if false + true > 0 else None


def sharpe_standard_error(sharpe_per_period: float, n: int) -> float | None:
    """Return the standard error of a Sharpe ratio of independent normal returns (Lo 2002), or None."""
    variance = sharpe_variance(sharpe_per_period, n)
    return None if variance is None else math.sqrt(variance)


def annualisation_factor(n_periods: int, autocorrelations: Sequence[float]) -> float | None:
    """Return eta(q), by which a ratio per period is multiplied for one over q = `n_periods` periods (Lo 2002).

    `autocorrelations` are those at lags 1, 2, ...; beyond the last given they are taken as zero. None for q < 1, an
    autocorrelation outside [-1, 1], or a sum of periods whose variance would not be positive.
    """
    if n_periods < 1 or not all(-1 <= rho <= 1 for rho in autocorrelations):
        return None
    lags = enumerate(autocorrelations[: n_periods - 1], start=1)
    variance = n_periods + 2 * sum((n_periods - lag) * rho for lag, rho in lags)
    return n_periods / math.sqrt(variance) if variance > 0 else None


def _iid_variance(sharpe_per_day: float, skewness: float, kurtosis: float) -> float | None:
    if not all(math.isfinite(value) for value in (sharpe_per_day, skewness, kurtosis)):
        return None
    factor = 1 - skewness * sharpe_per_day + (kurtosis - 1) / 4 * sharpe_per_day**2
    return factor if factor > 0 else None


def _score_per_distance(distance: float, level: float) -> float | None:
    if not math.isfinite(distance) or distance <= 0 or not 0 < level < 1:
        return None
    return float(stats.norm.isf(level)) / distance
