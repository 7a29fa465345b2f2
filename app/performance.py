"""Equity of the account day by day, beside holding the traded symbols. Sums over stored marks; nothing is judged here.

Read through one lookup per instance and day, so the cost does not grow with the number of marks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from core.clock import kst_day, kst_day_bounds
from core.model.trade import EquityPoint
from core.store import Session, equity
from feedback.results import LIVE_MODES

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class DayTotal:
    """The account at one time, in USD. `hold_usd` is None where no price is known to hold against."""

    at: datetime
    equity_usd: Decimal
    hold_usd: Decimal | None
    costs_usd: Decimal


@dataclass(frozen=True, slots=True)
class Result:
    """What a stretch of time brought, in USD."""

    pnl_usd: Decimal
    hold_usd: Decimal | None
    costs_usd: Decimal
    capital_usd: Decimal


def live_marks(session: Session) -> list[EquityPoint]:
    """Return the newest mark of every instance that trades the account's capital."""
    newest = (equity.latest(session, instance_id) for instance_id in equity.instances(session))
    return [mark for mark in newest if mark is not None and mark.mode in LIVE_MODES]


def daily_totals(session: Session, now: datetime, n_days: int) -> list[DayTotal]:
    """Return the account at the start of each of the last `n_days` KST days and at `now`, oldest first.

    Days before the first mark are left out. Holding means: the equity of the first time, split over the symbols of
    each instance in equal parts, bought then and never touched.
    """
    live = live_marks(session)
    if not live:
        return []
    today = kst_day(now)
    times = [kst_day_bounds(today - timedelta(days=back))[0] for back in range(n_days - 1, -1, -1)]
    first = {mark.instance_id: equity.earliest(session, mark.instance_id) for mark in live}
    started_at = min(mark.at for mark in first.values() if mark is not None)
    kept = [at for at in times if at > started_at]
    if len(kept) < len(times):
        kept.insert(0, started_at)
    kept.append(now)
    columns = [_column(session, mark, first[mark.instance_id], kept) for mark in live]
    return [_sum(at, [column[row] for column in columns]) for row, at in enumerate(kept)]


def result_between(first: DayTotal, last: DayTotal, capital_usd: Decimal) -> Result:
    """Return what lies between two totals of one series."""
    known = first.hold_usd is not None and last.hold_usd is not None
    return Result(
        pnl_usd=last.equity_usd - first.equity_usd,
        hold_usd=(last.hold_usd or _ZERO) - (first.hold_usd or _ZERO) if known else None,
        costs_usd=last.costs_usd - first.costs_usd,
        capital_usd=capital_usd,
    )


def today_of(totals: Sequence[DayTotal]) -> tuple[DayTotal, DayTotal] | None:
    """Return the totals at the start of the present KST day and now, or None without any."""
    return (totals[-2], totals[-1]) if len(totals) > 1 else None


def _column(
    session: Session, newest: EquityPoint, first: EquityPoint | None, times: Sequence[datetime]
) -> list[DayTotal]:
    marks = [equity.at_or_before(session, newest.instance_id, at) for at in times]
    base = marks[0] or first or newest
    start_usd = newest.capital_usd + _made(marks[0])
    return [
        DayTotal(
            at=at,
            # Capital that was moved in or out meanwhile is no gain: the series stands on the present capital.
            equity_usd=newest.capital_usd + _made(mark),
            hold_usd=_hold(start_usd, base, mark),
            costs_usd=_ZERO if mark is None else mark.costs_usd,
        )
        for at, mark in zip(times, marks, strict=True)
    ]


def _made(mark: EquityPoint | None) -> Decimal:
    return _ZERO if mark is None else mark.equity_usd - mark.capital_usd


def _hold(start_usd: Decimal, base: EquityPoint, mark: EquityPoint | None) -> Decimal | None:
    if mark is None:
        return start_usd
    ratios = [mark.prices[name] / price for name, price in base.prices.items() if price > 0 and name in mark.prices]
    return start_usd * sum(ratios, _ZERO) / len(ratios) if ratios else None


def _sum(at: datetime, parts: Sequence[DayTotal]) -> DayTotal:
    holds = [part.hold_usd for part in parts]
    return DayTotal(
        at=at,
        equity_usd=sum((part.equity_usd for part in parts), _ZERO),
        hold_usd=None if any(hold is None for hold in holds) else sum((hold or _ZERO for hold in holds), _ZERO),
        costs_usd=sum((part.costs_usd for part in parts), _ZERO),
    )
