"""Which days of the past are sealed. Decided once, at the first start, by a ledger row.

Oldest first: sealed, embargo, seen. A day that the system has lived was in a prompt and is never sealed. The sealed
stretch may only grow, and only into older days that arrive by a later import: nothing has looked at those.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import msgspec

from core.clock import kst_day, kst_day_bounds, require_utc
from core.errors import BadInput, Corrupt
from core.model.canonical import from_json
from core.settings_sections import GateSettings
from core.store import ledger
from core.store.session import Session
from strategies.gate.ports import BarSource

KIND = "split"


@dataclass(frozen=True, slots=True)
class HistorySplit:
    """Boundaries at KST midnights. `sealed_start_at == sealed_end_at` means that nothing is sealed."""

    first_start_at: datetime
    sealed_start_at: datetime
    sealed_end_at: datetime
    seen_start_at: datetime
    """End of the embargo: no screen looks further back."""
    n_sealed_days: int
    n_needed_days: int
    n_full_days: int = 0
    """So many sealed days were wanted when it was written: once they are there it never grows."""

    @property
    def is_full(self) -> bool:
        """Whether older days stay unsealed for good, so that a screen may replay crashes among them."""
        return self.n_sealed_days >= self.n_full_days

    @property
    def is_testable(self) -> bool:
        """Whether there are enough sealed days for a sealed test."""
        return self.n_sealed_days >= self.n_needed_days

    @property
    def shortfall(self) -> str:
        """What is missing for a sealed test, in words."""
        return (
            f"{self.n_sealed_days} sealed days are there and {self.n_needed_days} are needed; "
            f"import history from before {kst_day(self.sealed_start_at)}"
        )


def plan_split(
    start_at: datetime | None, end_at: datetime | None, first_start_at: datetime, settings: GateSettings
) -> HistorySplit:
    """Return how the history from `start_at` to `end_at` splits at a first start; None means there is no history."""
    first_start_at = require_utc(first_start_at)
    end = floor_midnight(first_start_at if end_at is None else min(end_at, first_start_at))
    start = end if start_at is None else min(ceil_midnight(start_at), end)
    n_days = _days_between(start, end)
    seen_start = end - timedelta(days=min(settings.seen_days, n_days))
    sealed_end = seen_start - timedelta(days=settings.embargo_days)
    return _sealed_from(start, first_start_at, sealed_end, seen_start, settings)


def read_split(session: Session) -> HistorySplit | None:
    """Return the split in force, or None before the first start."""
    row = ledger.last(session, KIND)
    try:
        return None if row is None else from_json(row.payload, HistorySplit)
    except msgspec.ValidationError as error:
        raise Corrupt(f"the ledger's split is unreadable: {error}", "Restore the database from a backup") from None


def write_split(session: Session, bars: BarSource, first_start_at: datetime, settings: GateSettings) -> HistorySplit:
    """Return the split in force; write it at the first start, and again when older history has come in."""
    start, end = history_span(bars)
    stored = read_split(session)
    if stored is None:
        planned = plan_split(start, end, first_start_at, settings)
    else:
        planned = grown_split(stored, start, settings)
        if planned == stored:
            return stored
    ledger.append(session, first_start_at, KIND, "", None, asdict(planned))
    return planned


def grown_split(stored: HistorySplit, start_at: datetime | None, settings: GateSettings) -> HistorySplit:
    """Return `stored`, its sealed stretch extended into older days if `start_at` allows; its end never moves."""
    if start_at is None or stored.is_full:
        return stored
    start = ceil_midnight(start_at)
    if start >= stored.sealed_start_at:
        return stored
    # The length that was wanted at first counts: settings that change must not seal days that a screen has read.
    wanted = settings.model_copy(update={"sealed_days": stored.n_full_days})
    return _sealed_from(start, stored.first_start_at, stored.sealed_end_at, stored.seen_start_at, wanted)


def seen_window(split: HistorySplit, now: datetime, bars_end_at: datetime, seen_days: int) -> tuple[datetime, datetime]:
    """Return the whole KST days that a screen may use: the last `seen_days` before now, never before the embargo's end.

    Lived days are in it. The start equals the end when there are none.
    """
    end = floor_midnight(min(now, bars_end_at))
    start = max(split.seen_start_at, floor_midnight(now) - timedelta(days=seen_days))
    return min(start, end), end


def history_span(bars: BarSource) -> tuple[datetime, datetime] | tuple[None, None]:
    """Return the stretch that all symbols share, or two Nones when there is none."""
    try:
        return bars.span()
    except BadInput:
        return None, None


def floor_midnight(at: datetime) -> datetime:
    """Return the KST midnight at or before `at`, in UTC."""
    return kst_day_bounds(kst_day(at))[0]


def ceil_midnight(at: datetime) -> datetime:
    """Return the KST midnight at or after `at`, in UTC."""
    start, end = kst_day_bounds(kst_day(at))
    return start if start == at else end


def _sealed_from(
    start: datetime, first_start_at: datetime, sealed_end: datetime, seen_start: datetime, settings: GateSettings
) -> HistorySplit:
    n_sealed = max(0, min(settings.sealed_days, _days_between(start, sealed_end)))
    return HistorySplit(
        first_start_at=first_start_at,
        sealed_start_at=sealed_end - timedelta(days=n_sealed),
        sealed_end_at=sealed_end,
        seen_start_at=seen_start,
        n_sealed_days=n_sealed,
        n_needed_days=settings.min_sealed_days,
        n_full_days=settings.sealed_days,
    )


def _days_between(start: datetime, end: datetime) -> int:
    return (end - start).days
