"""Mean and deviation of a series that grows by a day at a time: one frozen state, replaced by the next."""

import math
from dataclasses import dataclass

import numpy as np

from core.metrics import Series

FLAT = 1e-9
"""A deviation at or below this share of the largest value is rounding, not variation."""


@dataclass(frozen=True, slots=True)
class RunningMoments:
    """Moments of the days so far (Welford 1962), in the unit of the series."""

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0
    """Sum of squared deviations from the mean."""
    largest: float = 0.0
    """Largest absolute value."""

    @property
    def deviation(self) -> float | None:
        """Standard deviation (n - 1); None below two days or without variation."""
        if self.n < 2:
            return None
        deviation = math.sqrt(self.squares / (self.n - 1))
        return deviation if deviation > FLAT * self.largest else None

    @property
    def t_statistic(self) -> float | None:
        """Mean over its standard error as if days were independent; None as `deviation`."""
        deviation = self.deviation
        return None if deviation is None else self.mean / deviation * math.sqrt(self.n)

    def updated(self, value: float) -> "RunningMoments":
        """Return the moments with one more day; the value must be finite."""
        n = self.n + 1
        step = value - self.mean
        mean = self.mean + step / n
        return RunningMoments(n, mean, self.squares + step * (value - mean), max(self.largest, abs(value)))


def moments_of(series: Series) -> RunningMoments:
    """Return the moments of a whole series of finite values."""
    moments = RunningMoments()
    for value in series:
        moments = moments.updated(float(value))
    return moments


def expanding_moments(series: Series) -> tuple[Series, Series]:
    """Return mean and deviation of every prefix, both shaped like `series` (..., days); NaN where there is none."""
    n = np.arange(1, series.shape[-1] + 1)
    origin = series[..., :1]
    with np.errstate(over="ignore", invalid="ignore"):
        shifted = series - origin
        sums = np.cumsum(shifted, axis=-1)
        squares = np.maximum(np.cumsum(shifted**2, axis=-1) - sums**2 / n, 0.0)
        deviation = np.sqrt(squares / np.maximum(n - 1, 1))
        largest = np.maximum.accumulate(np.abs(series), axis=-1)
        varies = (n >= 2) & np.isfinite(deviation) & (deviation > FLAT * largest)
        return origin + sums / n, np.where(varies, deviation, np.nan)
