"""Days that the sample does not hold. A veto only, never evidence.

A strategy that collects small gains until a crash looks good on every statistic of a calm sample. So candidate and
incumbent also live through seen bars with a gap of -30 % put in, at several places, at crash costs.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from core.model.proposal import Check
from core.native import Bars
from strategies.gate.ports import Series

GAP = -0.30
COST_MULTIPLE = 2.9
"""Round-trip cost of crash days over calm days, as measured by others on 2020-03-12."""
N_PLACES = 24
"""Enough that both meet a gap with about the largest position they ever hold."""
TOLERANCE = 1.25
"""How much worse than the incumbent's the candidate's worst stressed day may be."""


def gapped(bars: Bars, place: float) -> Bars:
    """Return the bars with every price 30 % lower from the given share of the time on: one gap, no trade inside it."""
    times = np.unique(bars.closed_at_ns)
    after = bars.closed_at_ns >= times[min(int(place * times.size), times.size - 1)]
    factor = np.where(after, 1.0 + GAP, 1.0)
    return replace(
        bars,
        open=_on_tick(bars, bars.open * factor, after),
        high=_on_tick(bars, bars.high * factor, after),
        low=_on_tick(bars, bars.low * factor, after),
        close=_on_tick(bars, bars.close * factor, after),
    )


def places() -> tuple[float, ...]:
    """Return where the gaps are put, as shares of the window."""
    return tuple((k + 1) / (N_PLACES + 1) for k in range(N_PLACES))


def stress_check(candidate: Sequence[Series], incumbent: Sequence[Series]) -> Check:
    """Return the veto: the candidate's worst stressed day against 1.25 times the incumbent's, in USD."""
    worst_candidate = min((float(days.min()) for days in candidate if days.size), default=float("nan"))
    worst_incumbent = min((float(days.min()) for days in incumbent if days.size), default=float("nan"))
    limit = TOLERANCE * min(worst_incumbent, 0.0)
    # A NaN compares false, so that what cannot be computed does not pass.
    passed = worst_candidate >= limit or worst_candidate >= 0
    return Check(
        "stress",
        passed,
        worst_candidate if np.isfinite(worst_candidate) else None,
        limit if np.isfinite(limit) else None,
        f"worst day under a {GAP:.0%} gap at {COST_MULTIPLE:g} x costs: {worst_candidate:,.0f} USD, "
        f"incumbent {worst_incumbent:,.0f} USD",
    )


def _on_tick(bars: Bars, prices: Series, changed: npt.NDArray[np.bool_]) -> Series:
    ticks = np.array([float(tick) for tick in bars.ticks])[bars.symbol]
    return np.where(changed, np.maximum(np.round(prices / ticks), 1) * ticks, prices)
