"""Trend, range or volatile: how much an hour looks like each, and which one is called, with hysteresis.

Both statistics are those of `market.regimes`, of closes up to that hour: t, the t value of the last 24 hourly returns,
and u, the rank of their deviation within its own last 30 days. With s the logistic function,

    trend = s((|t| - 1.5) / 0.25),  volatile = (1 - trend) s((u - 2/3) / 0.05),  range = the rest,

so each is 1/2 where `market.regimes` draws its line. They are averaged with a half-life of three hours; the regime
called changes only to one that leads by 0.2. They say how alike an hour is, not how often that comes true.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from core.errors import BadInput
from market.candles import Floats
from market.regimes import TREND_T, TURBULENT_SHARE, WINDOW_HOURS, hourly_statistics

MarketRegime = Literal["trend", "range", "volatile"]
REGIMES: tuple[MarketRegime, ...] = get_args(MarketRegime)

T_WIDTH = 0.25
RANK_WIDTH = 0.05
HALF_LIFE_HOURS = 3.0
LEAD = 0.2
"""By so much another regime must be more alike before it is called."""
_KEEP = 0.5 ** (1.0 / HALF_LIFE_HOURS)


@dataclass(frozen=True, slots=True)
class RegimeView:
    """An hour as the filter sees it. The shares add up to 1."""

    regime: MarketRegime
    trend: float
    range: float
    volatile: float
    direction: Literal[-1, 1]
    """Sign of the mean return, which gives a trend its side."""

    def share(self, regime: MarketRegime) -> float:
        """Return how alike the hour is to one regime, 0 to 1."""
        return {"trend": self.trend, "range": self.range, "volatile": self.volatile}[regime]


@dataclass(slots=True)
class RegimeFilter:
    """Follows hours one by one. Equal statistics give equal views, whenever it was saved and restored between."""

    shares: tuple[float, float, float] | None = None
    """Averages by regime, in the order of `REGIMES`; None before the first hour."""
    called: MarketRegime = "range"

    def update(self, t: float, rank: float) -> RegimeView:
        """Take the next hour's statistics. Raises BadInput for what is no number, and stays as it was."""
        if not (math.isfinite(t) and math.isfinite(rank)):
            raise BadInput(f"an hour with t {t} and rank {rank} has no regime")
        alike = _alike(t, rank)
        if self.shares is None:
            self.shares, self.called = alike, REGIMES[int(np.argmax(alike))]
        else:
            trend, range_, volatile = (_KEEP * a + (1 - _KEEP) * b for a, b in zip(self.shares, alike, strict=True))
            self.shares = (trend, range_, volatile)
        leader = REGIMES[int(np.argmax(self.shares))]
        if max(self.shares) >= self.shares[REGIMES.index(self.called)] + LEAD:
            self.called = leader
        return RegimeView(self.called, *self.shares, direction=1 if t >= 0 else -1)


def follow_regimes(closes: Floats) -> list[RegimeView | None]:
    """Return the view of every one of a row of hourly closes, oldest first; None before there are 24 returns.

    Raises BadInput for a close that is not a finite number above zero.
    """
    t, rank = hourly_statistics(closes)
    follower = RegimeFilter()
    views = [follower.update(float(t[n]), float(rank[n])) for n in range(len(t))]
    return [*([None] * min(len(closes), WINDOW_HOURS)), *views]


def _alike(t: float, rank: float) -> tuple[float, float, float]:
    trend = _logistic((abs(t) - TREND_T) / T_WIDTH)
    volatile = (1.0 - trend) * _logistic((rank - TURBULENT_SHARE) / RANK_WIDTH)
    return trend, 1.0 - trend - volatile, volatile


def _logistic(x: float) -> float:
    # math.exp overflows above 709, where the answer has long been 0.
    return 1.0 / (1.0 + math.exp(-x)) if x > -700 else 0.0
