"""When a change in force is taken back: a boundary on the running t of d, calibrated on the pair's own d, and a budget.

The boundary is crossed by a stated share of paths on which the change does no harm. That share is large on purpose: a
false rollback costs little, since the old parameters return.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.metrics import Series
from strategies.gate.moments import RunningMoments, expanding_moments
from strategies.gate.resampling import block_length, circular_blocks

FALSE_ROLLBACK_SHARE = 0.20
HORIZON_DAYS = 90
MIN_WATCH_DAYS = 7
"""Fewer days make no standard error worth its name; the loss budget watches from the first."""
N_PATHS = 4000
BUDGET_SIGMAS = 3.0
MONTH_DAYS = 30

Cause = Literal["", "boundary", "loss_budget", "not_a_number"]


@dataclass(frozen=True, slots=True)
class RollbackBoundary:
    """Fixed before the change is in force. It ends the watch on the first day that meets one of its terms."""

    c: float
    """The running t of d at or below -c is harm, from day `n_min_days` to day `n_days`."""
    loss_budget: float
    """The sum of d at or below minus this is harm, on any day; in the unit of d."""
    n_days: int
    n_min_days: int
    share: float
    """Of paths without harm that meet either term."""
    block_length: int
    seed: int


def calibrate_boundary(
    d: Series,
    seed: int,
    n_days: int = HORIZON_DAYS,
    n_min_days: int = MIN_WATCH_DAYS,
    share: float = FALSE_ROLLBACK_SHARE,
    n_paths: int = N_PATHS,
) -> RollbackBoundary | str:
    """Return the boundary for a pair whose daily differences were `d`, or the reason why there is none.

    Paths are circular blocks of d less its mean. The loss budget is 3 sigma of a month of independent days; a path that
    spends it counts among the share, so that both terms together take so many harmless changes back.
    """
    length = block_length(d)
    if length is None:
        return f"{d.size} days of d are too few, not all numbers, or do not vary"
    if not (2 <= n_min_days <= n_days and 0 < share < 1):
        return f"a watch of {n_days} days from day {n_min_days} on at a share of {share:g} is none"
    centred = d - d.mean()
    paths = centred[circular_blocks(d.size, length, n_paths, n_days, np.random.default_rng(seed))]
    lowest = np.nan_to_num(running_t(paths)[:, n_min_days - 1 :], nan=0.0).min(axis=1)
    budget = BUDGET_SIGMAS * float(d.std(ddof=1)) * math.sqrt(MONTH_DAYS)
    has_spent = np.cumsum(paths, axis=1).min(axis=1) <= -budget
    c = -float(np.quantile(lowest[~has_spent], max(0.0, (share - has_spent.mean()) / (1 - has_spent.mean()))))
    if c <= 0:
        return f"d varies on too few days for a watch of {n_days} days"
    return RollbackBoundary(c, budget, n_days, n_min_days, share, length, seed)


@dataclass(frozen=True, slots=True)
class RollbackWatch:
    """The days since a change is in force, against its boundary. Once there is a cause it stays."""

    boundary: RollbackBoundary
    moments: RunningMoments = RunningMoments()
    cause: Cause = ""
    cause_day: int | None = None
    """Day of the watch, from 1."""

    @property
    def total(self) -> float:
        """Sum of d so far."""
        return self.moments.mean * self.moments.n

    def updated(self, d: float) -> "RollbackWatch":
        """Return the watch after one more day; a NaN is a cause, for what cannot be seen is not trusted."""
        if self.cause:
            return self
        day = self.moments.n + 1
        if not math.isfinite(d):
            return replace(self, cause="not_a_number", cause_day=day)
        after = replace(self, moments=self.moments.updated(d))
        cause = after._met()
        return replace(after, cause=cause, cause_day=day) if cause else after

    def _met(self) -> Cause:
        if self.total <= -self.boundary.loss_budget:
            return "loss_budget"
        t = self.moments.t_statistic
        is_watched = self.boundary.n_min_days <= self.moments.n <= self.boundary.n_days
        return "boundary" if is_watched and t is not None and t <= -self.boundary.c else ""


def running_t(d: Series) -> Series:
    """Return mean over standard error of every prefix, shaped like d (..., days); NaN where there is none."""
    mean, deviation = expanding_moments(d)
    return mean / deviation * np.sqrt(np.arange(1, d.shape[-1] + 1))


def rollback_days(d: Series, boundary: RollbackBoundary) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the day, from 1, on which each path of d (paths x days) meets the boundary and the loss budget, or 0."""
    days = np.arange(1, d.shape[-1] + 1)
    t = running_t(d)
    crossed = (days >= boundary.n_min_days) & (days <= boundary.n_days) & (np.nan_to_num(t, nan=0.0) <= -boundary.c)
    spent = np.cumsum(d, axis=-1) <= -boundary.loss_budget
    return _first_day(crossed), _first_day(spent)


def _first_day(met: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    return np.where(met.any(axis=-1), met.argmax(axis=-1) + 1, 0)
