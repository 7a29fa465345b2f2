"""Days that the sample does not hold. A veto only, never evidence.

A strategy that collects small gains until a crash looks good on every statistic of a calm sample. So candidate and
incumbent also live through seen bars with a gap of -30 % put in, at several places, at crash costs.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from core.metrics import Series
from core.model.proposal import Check
from core.native import DAY_NS, Bars

GAP = -0.30
COST_MULTIPLE = 2.9
"""Round-trip cost of crash days over calm days, as measured by others on 2020-03-12."""
N_PLACES = 24
"""Enough that both meet a gap with about the largest position they ever hold."""
LEAD_IN_NS = 10 * DAY_NS
AFTERMATH_NS = 5 * DAY_NS
COLUMNS = ("symbol", "opened_at_ns", "closed_at_ns", "open", "high", "low", "close", "volume")
TOLERANCE = 1.25
"""How much worse than the incumbent's the candidate's worst stressed day may be,"""
MAX_LOSS_SHARE = 0.10
"""unless it costs no more than this share of the instance's capital."""


def gapped(bars: Bars, place: float) -> Bars:
    """Return the bars around one place, every price 30 % lower from there on: one gap, and no trade inside it.

    `place` is a share of the time the bars span; ten days lead in and five follow.
    """
    start, end = int(bars.closed_at_ns[0]), int(bars.closed_at_ns[-1])
    gap_at = start + int(place * (end - start))
    near = (bars.closed_at_ns > gap_at - LEAD_IN_NS) & (bars.closed_at_ns <= gap_at + AFTERMATH_NS)
    cut = replace(bars, **{name: getattr(bars, name)[near] for name in COLUMNS})
    after = cut.closed_at_ns >= gap_at
    return replace(
        cut,
        open=_fallen(cut, cut.open, after),
        high=_fallen(cut, cut.high, after),
        low=_fallen(cut, cut.low, after),
        close=_fallen(cut, cut.close, after),
    )


def places() -> tuple[float, ...]:
    """Return where the gaps are put, as shares of the window."""
    return tuple((k + 1) / (N_PLACES + 1) for k in range(N_PLACES))


def stress_check(candidate: Sequence[Series], incumbent: Sequence[Series], capital_usd: float) -> Check:
    """Return the veto on the worst stressed day: at most 1.25 times the incumbent's loss, or 10 % of capital, in USD.

    The share of capital is there because what either holds at the moment of a gap is partly chance.
    """
    worst_candidate, worst_incumbent = _worst_day(candidate), _worst_day(incumbent)
    limit = float(np.minimum(TOLERANCE * worst_incumbent, -MAX_LOSS_SHARE * capital_usd))
    # numpy keeps a NaN and a NaN compares false, so that what cannot be computed does not pass.
    passed = worst_candidate >= limit
    return Check(
        "stress",
        passed,
        worst_candidate if np.isfinite(worst_candidate) else None,
        limit if np.isfinite(limit) else None,
        f"worst day under a {GAP:.0%} gap at {COST_MULTIPLE:g} x costs: {worst_candidate:,.0f} USD, "
        f"incumbent {worst_incumbent:,.0f} USD",
    )


def _worst_day(paths: Sequence[Series]) -> float:
    days = np.concatenate([np.empty(0), *paths])
    return float(days.min()) if days.size else float("nan")


def _fallen(bars: Bars, prices: Series, after: npt.NDArray[np.bool_]) -> Series:
    ticks = np.array([float(tick) for tick in bars.ticks])[bars.symbol]
    return np.where(after, np.maximum(np.round(prices * (1.0 + GAP) / ticks), 1) * ticks, prices)
