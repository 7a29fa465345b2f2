"""Whether a candidate beats the incumbent on the same days: paired, volatility-matched, and cautious.

    d_t = r_c,t * (s_i / s_c) - r_i,t

`r` are daily results on the same bars with the same costs, `s` their standard deviations (n - 1). Matching the
volatility takes leverage out: more of the same strategy makes d nothing. Everything fails closed: a NaN, fewer than
60 days, a series without variation or two series that are multiples of each other give no p-value but a refusal.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from core.metrics import DAYS_PER_YEAR, Series

MIN_DAYS = 60
N_BLOCKS = 24
SAME = 1e-9
"""A difference whose deviation is below this share of the incumbent's is rounding, not a difference."""


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Candidate against incumbent over `n_days`. With a `refusal` every figure that could not be had is None."""

    n_days: int
    mean: float | None
    """Mean of d per day, in the unit of the series."""
    annual_ir: float | None
    """Annualised information ratio of d."""
    p_block: float | None
    p_hac: float | None
    p_value: float | None
    """One-sided: the larger of the two."""
    refusal: str
    """Why there is no p-value, or empty."""


def paired_difference(candidate: Series, incumbent: Series, min_days: int = MIN_DAYS) -> Series | str:
    """Return d per day, or the reason why the two series cannot be compared."""
    if candidate.shape != incumbent.shape or candidate.ndim != 1:
        return f"the series have {candidate.size} and {incumbent.size} days"
    if candidate.size < min_days:
        return f"{candidate.size} days are too few to tell; {min_days} are needed"
    if not (np.isfinite(candidate).all() and np.isfinite(incumbent).all()):
        return "a daily result is not a number"
    with np.errstate(over="ignore", invalid="ignore"):
        s_c, s_i = float(candidate.std(ddof=1)), float(incumbent.std(ddof=1))
    if not (math.isfinite(s_c) and math.isfinite(s_i)):
        return "a daily result is too large to compute with"
    scale = max(float(np.abs(candidate).max()), float(np.abs(incumbent).max()))
    if s_c <= SAME * scale or s_i <= SAME * scale:
        return "a series does not vary"
    d = candidate * (s_i / s_c) - incumbent
    if float(d.std(ddof=1)) <= SAME * s_i:
        return "the candidate is the incumbent, or a multiple of it"
    return d


def paired_test(candidate: Series, incumbent: Series) -> PairedTest:
    """Return the one-sided test of "the candidate is better": p is the larger of block t and HAC."""
    d = paired_difference(candidate, incumbent)
    if isinstance(d, str):
        return PairedTest(int(candidate.size), None, None, None, None, None, d)
    mean = float(d.mean())
    annual_ir = mean / float(d.std(ddof=1)) * math.sqrt(DAYS_PER_YEAR)
    p_block, p_hac = block_t_p_value(d), hac_p_value(d)
    if p_block is None or p_hac is None:
        return PairedTest(d.size, mean, annual_ir, p_block, p_hac, None, "the variance of the difference is zero")
    return PairedTest(d.size, mean, annual_ir, p_block, p_hac, max(p_block, p_hac), "")


def block_t_p_value(d: Series) -> float | None:
    """Return the one-sided p of a t-test on the means of 24 blocks in a row (Ibragimov, Mueller 2010), or None.

    It needs no model of the dependence inside a block, and stays valid when the blocks differ in variance.
    """
    if d.size < MIN_DAYS:
        return None
    means = np.array([block.mean() for block in np.array_split(d, N_BLOCKS)])
    deviation = float(means.std(ddof=1))
    if not math.isfinite(deviation) or deviation == 0:
        return None
    return float(special.stdtr(N_BLOCKS - 1, -float(means.mean()) / (deviation / math.sqrt(N_BLOCKS))))


def hac_p_value(d: Series) -> float | None:
    """Return the one-sided normal p of the mean with a Bartlett long-run variance, or None."""
    variance = long_run_variance(d)
    if variance is None:
        return None
    return float(special.ndtr(-float(d.mean()) / math.sqrt(variance / d.size)))


def long_run_variance(d: Series) -> float | None:
    """Return n times the variance of the mean of d, Bartlett weights over L = 4 (n/100)^(2/9) lags, or None.

    Newey, West 1987. None below 60 days, on NaN, or when it is not positive.
    """
    n = d.size
    if n < MIN_DAYS or not np.isfinite(d).all():
        return None
    centred = d - d.mean()
    lags = int(4 * (n / 100) ** (2 / 9))
    variance = float(centred @ centred) / n
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * float(centred[lag:] @ centred[:-lag]) / n
    return variance if math.isfinite(variance) and variance > 0 else None
