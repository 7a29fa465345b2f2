"""What changing parameters brought: each live instance, day by day, beside its twin that still runs those of day 0."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import islice

import numpy as np

from core.clock import kst_day
from core.metrics import Series
from core.model.scorecard import Figure, Improvement, TwinDay
from core.store import Session, equity, twin_days
from feedback.results import LIVE_MODES, day_ends, equity_change_usd
from strategies.gate.sequential import MIN_SEQUENCE_DAYS, confidence_sequence_path

DO_NOTHING = ".day0"
"""What the twin's id adds to that of its live instance,"""
CANARY = ".canary"
"""and what that of its canary adds: it trades a part of the live capital."""
LEVEL = 0.10
"""The confidence sequence ever misses the mean with this probability."""
DAYS_AT_ONCE = 31
"""Days of one instance read in one run; after a longer rest the next runs read on."""


def find_twin_days(session: Session, until_on: date) -> tuple[TwinDay, ...]:
    """Return the days up to `until_on` that are not stored yet, of every live instance with a do-nothing twin."""
    names = equity.instances(session)
    twins = (name.removesuffix(DO_NOTHING) for name in names if name.endswith(DO_NOTHING))
    return tuple(day for name in twins if name in names for day in _days_of(session, name, until_on))


def save_twin_days(session: Session, days: tuple[TwinDay, ...]) -> int:
    """Store the days; returns how many were new."""
    return sum(twin_days.add(session, day) for day in days)


def measure_improvement(days: list[TwinDay]) -> Improvement:
    """Return the daily difference with a confidence sequence; figures are None with a reason where none can be told."""
    by_day = difference_by_day(days)
    n = len(by_day)
    usd, pct = _mean_figure([each[1] for each in by_day]), _mean_figure([each[2] for each in by_day])
    return Improvement(by_day[0][0] if by_day else None, n, usd, pct, _times(usd, n), _times(pct, n))


def improvement_path(days: list[TwinDay]) -> list[tuple[date, float, float | None, float | None]]:
    """Return by day: the difference so far in USD, and the bounds on what it would be at the true mean."""
    by_day = difference_by_day(days)
    d = np.asarray([each[1] for each in by_day], dtype=np.float64)
    low, high = confidence_sequence_path(d, LEVEL)
    n = np.arange(1, len(d) + 1)
    rows = zip(by_day, np.cumsum(d).tolist(), (n * low).tolist(), (n * high).tolist(), strict=True)
    return [(each[0], total, _known(below), _known(above)) for each, total, below, above in rows]


def difference_by_day(days: list[TwinDay]) -> list[tuple[date, float, float]]:
    """Return day, live minus twin in USD, and the same in percent of capital, over all instances; oldest first."""
    found: dict[date, list[TwinDay]] = {}
    for day in days:
        found.setdefault(day.on, []).append(day)
    made = []
    for on, of_day in sorted(found.items()):
        usd = sum(day.live_usd - day.twin_usd for day in of_day)
        made.append((on, usd, usd / sum(day.capital_usd for day in of_day) * 100))
    return made


def _days_of(session: Session, name: str, until_on: date) -> list[TwinDay]:
    first = equity.earliest(session, name + DO_NOTHING)
    last = twin_days.last_on(session, name)
    if first is None:
        return []
    # The day of the first mark was not lived whole.
    begin = kst_day(first.at) + timedelta(days=1) if last is None else last + timedelta(days=1)
    found = (_day_of(session, name, begin + timedelta(days=k)) for k in range((until_on - begin).days + 1))
    return list(islice((day for day in found if day is not None), DAYS_AT_ONCE))


def _day_of(session: Session, name: str, on: date) -> TwinDay | None:
    twin_ends, live_ends = day_ends(session, on, name + DO_NOTHING), day_ends(session, on, name)
    canary_ends = day_ends(session, on, name + CANARY)
    twin, live, canary = twin_ends[1], live_ends[1], canary_ends[1]
    if twin is None or live is None or live.mode not in LIVE_MODES or twin_ends[0] is None or live_ends[0] is None:
        return None
    capital = live.capital_usd + (canary.capital_usd if canary is not None else Decimal(0))
    if capital <= 0 or twin.capital_usd <= 0:
        return None
    on_same_capital = equity_change_usd(*twin_ends) * capital / twin.capital_usd
    made = equity_change_usd(*live_ends) + equity_change_usd(*canary_ends)
    return TwinDay(name, on, float(made), float(on_same_capital), float(capital))


def _mean_figure(values: list[float]) -> Figure:
    n = len(values)
    if n == 0:
        return Figure(None, None, None, n, "no_twin")
    if n < MIN_SEQUENCE_DAYS:
        return Figure(None, None, None, n, "too_few_days", n, MIN_SEQUENCE_DAYS)
    d: Series = np.asarray(values, dtype=np.float64)
    if not (d != d[0]).any():
        return Figure(None, None, None, n, "no_difference")
    low, high = (_known(float(path[-1])) for path in confidence_sequence_path(d, LEVEL))
    if low is None or high is None:
        return Figure(None, None, None, n, "not_a_number")
    return Figure(float(d.mean()), low, high, n)


def _times(figure: Figure, n: int) -> Figure:
    if figure.value is None or figure.low is None or figure.high is None:
        return figure
    return Figure(figure.value * n, figure.low * n, figure.high * n, n)


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
