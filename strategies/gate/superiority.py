"""Which of many trials beat the incumbent, when the best of them was picked after looking: SPA and StepM, by arch.

A screen's figure: it answers for the trials of one search, not for the stream of searches.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.metrics import Series
from strategies.gate.paired import long_run_variance, paired_difference
from strategies.gate.resampling import block_length

if TYPE_CHECKING:
    from arch.bootstrap import SPA

N_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Superiority:
    """A pool of trials against the incumbent. With a `refusal` there is no p-value and nobody is superior."""

    n_trials: int
    p_value: float | None
    """Of "no trial is better" (Hansen 2005, consistent)."""
    superior: tuple[int, ...]
    """Positions of trials that are better, with the chance of any false one at most the level (Romano, Wolf 2005)."""
    refusal: str


def superiority_test(
    trials: Series, incumbent: Series, seed: int, level: float = 0.05, n_resamples: int = N_RESAMPLES
) -> Superiority:
    """Return SPA and StepM over volatility-matched daily differences of `trials` (trials x days) to the incumbent.

    The stationary bootstrap's mean block is the longest that a trial asks for. One trial that cannot be compared
    refuses the whole pool: leaving it out would be a choice made after looking.
    """
    # Imported late for the reason given in `block_length`.
    from arch.bootstrap import SPA

    differences = []
    for position, trial in enumerate(trials):
        d = paired_difference(trial, incumbent)
        if isinstance(d, str):
            return Superiority(len(trials), None, (), f"trial {position}: {d}")
        variance = long_run_variance(d)
        if variance is None:
            return Superiority(len(trials), None, (), f"trial {position}: the variance of the difference is zero")
        # arch 8 takes the largest mean as it is, also with studentize=True; Hansen's statistic is the largest t.
        differences.append(d / math.sqrt(variance))
    if not differences:
        return Superiority(0, None, (), "no trial to test")
    pool = np.array(differences)
    length = max(block_length(d) or 1 for d in pool)
    spa = SPA(np.zeros(pool.shape[1]), -pool.T, block_size=length, reps=n_resamples, seed=seed)
    spa.compute()
    p_value = float(spa.pvalues["consistent"])
    return Superiority(len(trials), p_value, _superior_trials(spa, len(pool), level), "")


def _superior_trials(spa: "SPA", n_trials: int, level: float) -> tuple[int, ...]:
    # arch's StepM fails when its steps find every trial superior, so the steps are taken here.
    superior: list[int] = []
    remaining = np.ones(n_trials, dtype=np.bool_)
    while remaining.any():
        spa.subset(remaining)
        spa.compute()
        found = [int(position) for position in spa.better_models(level, "consistent")]
        if not found:
            break
        superior += found
        remaining[found] = False
    return tuple(sorted(superior))
