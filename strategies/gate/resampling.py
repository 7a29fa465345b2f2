"""Bootstrap of dependent days: circular blocks (Politis, Romano 1992), studentised, seeded.

A p-value of a bootstrap cannot fall below 1 / (resamples + 1): for small levels the block t-test of `paired` decides.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from core.metrics import DAYS_PER_YEAR, Series
from strategies.gate.paired import MIN_DAYS, long_run_variance, paired_difference

N_RESAMPLES = 999
Index = npt.NDArray[np.intp]
Statistic = Callable[[Series], tuple[Series, Series]]
"""From column means (..., columns) to a smooth function of them (...) and its gradient (..., columns)."""


@dataclass(frozen=True, slots=True)
class SharpeDifference:
    """Sharpe ratio of the candidate less that of the incumbent. With a `refusal` what could not be had is None."""

    n_days: int
    annual_difference: float | None
    p_hac: float | None
    """One-sided, normal with a Bartlett long-run variance."""
    p_bootstrap: float | None
    """One-sided, studentised circular blocks."""
    refusal: str


def block_length(d: Series) -> int | None:
    """Return the circular block length for the mean of d (Politis, White 2004, corrected 2009), at least 1.

    None below 60 days, on NaN, or for a series without variation.
    """
    if d.size < MIN_DAYS or not np.isfinite(d).all() or float(np.ptp(d)) == 0:
        return None
    # arch brings pandas and statsmodels: seconds and 76 MiB that a process without a bootstrap need not pay.
    from arch.bootstrap import optimal_block_length

    length = float(optimal_block_length(d)["circular"].iloc[0])
    return max(1, math.ceil(length)) if math.isfinite(length) else None


def circular_blocks(n: int, length: int, n_paths: int, n_days: int, rng: np.random.Generator) -> Index:
    """Return paths x days of positions in a series of n days, drawn in blocks that wrap round its end."""
    starts = rng.integers(0, n, size=(n_paths, -(-n_days // length)))
    index = (starts[:, :, None] + np.arange(length)) % n
    return index.reshape(n_paths, -1)[:, :n_days]


def bootstrap_p_value(d: Series, seed: int, n_resamples: int = N_RESAMPLES) -> float | None:
    """Return the one-sided p of "the mean of d is above zero" by the studentised circular block bootstrap.

    A resample's variance is that of its own block sums (Goetze, Kuensch 1996), the sample's a Bartlett long-run
    variance. None as in `block_length`, or when a variance is not positive.
    """
    return _studentised_p(d[:, None], _mean, seed, n_resamples)


def sharpe_difference_test(
    candidate: Series, incumbent: Series, seed: int, n_resamples: int = N_RESAMPLES
) -> SharpeDifference:
    """Return the one-sided test of "the candidate's Sharpe ratio is higher" on daily results of the same days.

    Ledoit, Wolf 2008, with the Bartlett variance of `paired` and Politis, White block length. It refuses what
    `paired_difference` refuses: a multiple of the incumbent has its Sharpe ratio.
    """
    n = int(candidate.size)
    d = paired_difference(candidate, incumbent)
    if isinstance(d, str):
        return SharpeDifference(n, None, None, None, d)
    # Scale moves no Sharpe ratio, but squares of large amounts beside small ones lose digits.
    r_c, r_i = candidate / candidate.std(ddof=1), incumbent / incumbent.std(ddof=1)
    columns = np.stack([r_c, r_i, r_c**2, r_i**2], axis=1)
    difference, gradient = _sharpe_difference(columns.mean(axis=0))
    annual = float(difference) * math.sqrt(DAYS_PER_YEAR)
    variance = long_run_variance(columns @ gradient)
    p_bootstrap = _studentised_p(columns, _sharpe_difference, seed, n_resamples)
    if variance is None or p_bootstrap is None:
        return SharpeDifference(n, annual, None, None, "the variance of the difference is zero")
    p_hac = float(special.ndtr(-float(difference) / math.sqrt(variance / n)))
    return SharpeDifference(n, annual, p_hac, p_bootstrap, "")


def _studentised_p(columns: Series, statistic: Statistic, seed: int, n_resamples: int) -> float | None:
    """Return the share of resamples whose t, around the sample's value, is at least the sample's; None without one."""
    value, gradient = statistic(columns.mean(axis=0))
    influence = columns @ gradient
    length, variance = block_length(influence), long_run_variance(influence)
    if length is None or variance is None:
        return None
    t = float(value) / math.sqrt(variance / influence.size)
    resampled, errors = _resampled(columns, statistic, length, np.random.default_rng(seed), n_resamples)
    if not (errors > 0).all():
        return None
    n_beyond = int(((resampled - value) / errors >= t).sum())
    return (n_beyond + 1) / (n_resamples + 1)


def _resampled(
    columns: Series, statistic: Statistic, length: int, rng: np.random.Generator, n_resamples: int
) -> tuple[Series, Series]:
    """Return the statistic of every resample and its standard error, from sums over whole blocks."""
    n = columns.shape[0]
    n_blocks = n // length
    wrapped = np.concatenate([np.zeros((1, columns.shape[1])), columns, columns[: length - 1]])
    running = np.cumsum(wrapped, axis=0)
    block_sums = running[length:] - running[:-length]
    drawn = block_sums[rng.integers(0, n, size=(n_resamples, n_blocks))]
    means = drawn.sum(axis=1) / (n_blocks * length)
    values, gradients = statistic(means)
    scores = np.einsum("rbk,rk->rb", drawn - length * means[:, None, :], gradients)
    return values, np.sqrt((scores**2).mean(axis=1) / n_blocks) / length


def _mean(means: Series) -> tuple[Series, Series]:
    return means[..., 0], np.ones_like(means)


def _sharpe_difference(means: Series) -> tuple[Series, Series]:
    """From means and second moments (r_c, r_i, r_c^2, r_i^2); deviations divide by n, as in the paper."""
    mean_c, mean_i, square_c, square_i = np.moveaxis(means, -1, 0)
    variance_c, variance_i = square_c - mean_c**2, square_i - mean_i**2
    gradient = np.stack(
        [
            square_c / variance_c**1.5,
            -square_i / variance_i**1.5,
            -mean_c / (2 * variance_c**1.5),
            mean_i / (2 * variance_i**1.5),
        ],
        axis=-1,
    )
    return mean_c / np.sqrt(variance_c) - mean_i / np.sqrt(variance_i), gradient
