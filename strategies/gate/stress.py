"""Days that the sample does not hold. A veto only, never evidence.

A strategy that collects small gains until a crash looks good on every statistic of a calm sample. So candidate and
incumbent also live through days that are worse, both through the same ones, and the candidate may not fare much worse.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.metrics import Series
from core.model.proposal import Check

COST_MULTIPLE = 2.9
"""Round-trip cost of crash days over calm days, as measured by others on 2020-03-12."""
TOLERANCE = 1.25
"""How much worse than the incumbent's the candidate's worst stressed day or drawdown may be,"""
MAX_LOSS_SHARE = 0.10
"""unless the day costs no more than this share of the instance's capital,"""
MAX_DRAWDOWN_SHARE = 0.20
"""or the drawdown no more than this one."""
BAD_PATH = 0.95
"""Share of resampled paths that are better than the one that is compared."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What both made under one kind of stress, in USD a day, path by path."""

    name: str
    told: str
    """In words, for people."""
    candidate: Sequence[Series]
    incumbent: Sequence[Series]


@dataclass(frozen=True, slots=True)
class Paths:
    """What both made on resampled days: arrays of paths x days, in USD. Empty where there were too few days."""

    candidate: Series
    incumbent: Series


def stress_check(scenario: Scenario, capital_usd: float) -> Check:
    """Return the veto on the worst stressed day: at most 1.25 times the incumbent's loss, or 10 % of capital, in USD.

    The share of capital is there because what either holds at the moment of a gap is partly chance.
    """
    worst_candidate, worst_incumbent = _worst_day(scenario.candidate), _worst_day(scenario.incumbent)
    return _compared(
        f"stress_{scenario.name}",
        f"worst day under {scenario.told}",
        worst_candidate,
        worst_incumbent,
        MAX_LOSS_SHARE * capital_usd,
    )


def path_checks(paths: Paths, capital_usd: float) -> tuple[Check, ...]:
    """Return the vetoes on what one path in twenty is worse than: its worst day and its deepest drawdown, in USD."""
    n_paths, n_days = paths.candidate.shape
    if n_paths == 0:
        return (Check("stress_paths", True, None, None, "too few whole days to resample", veto=False),)
    told = f"of {n_paths} resampled paths of {n_days} days, one in twenty"
    return (
        _compared(
            "stress_path_day",
            f"{told} has a worst day of",
            _bad(paths.candidate.min(axis=1)),
            _bad(paths.incumbent.min(axis=1)),
            MAX_LOSS_SHARE * capital_usd,
        ),
        _compared(
            "stress_path_drawdown",
            f"{told} falls by",
            _bad(-_drawdowns(paths.candidate)),
            _bad(-_drawdowns(paths.incumbent)),
            MAX_DRAWDOWN_SHARE * capital_usd,
        ),
    )


def _compared(name: str, told: str, candidate: float, incumbent: float, allowance_usd: float) -> Check:
    limit = float(np.minimum(TOLERANCE * incumbent, -allowance_usd))
    # numpy keeps a NaN and a NaN compares false, so that what cannot be computed does not pass.
    return Check(
        name,
        candidate >= limit,
        candidate if np.isfinite(candidate) else None,
        limit if np.isfinite(limit) else None,
        f"{told}: {candidate:,.0f} USD, incumbent {incumbent:,.0f} USD",
    )


def _worst_day(paths: Sequence[Series]) -> float:
    days = np.concatenate([np.empty(0), *paths])
    return float(days.min()) if days.size else float("nan")


def _bad(worst: Series) -> float:
    return float(np.quantile(worst, 1 - BAD_PATH))


def _drawdowns(paths: Series) -> Series:
    """Return the largest fall of each path's profit from a former peak; the start is a peak."""
    profit = np.cumsum(paths, axis=1)
    peaks = np.maximum(np.maximum.accumulate(profit, axis=1), 0.0)
    return np.asarray((peaks - profit).max(axis=1), dtype=np.float64)
