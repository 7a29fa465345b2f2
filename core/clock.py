"""The one source of time. Everything else takes a `Clock`; only `SystemClock` looks at the wall.

KST is a matter of edges: days, schedules and reports. Storage and arithmetic are UTC.
"""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import Protocol
from zoneinfo import ZoneInfo

KST = ZoneInfo("Asia/Seoul")


class Clock(Protocol):
    """Tells aware UTC time, and a monotonic reading in seconds for durations."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...


class SystemClock:
    """The wall clock of this machine."""

    def now(self) -> datetime:
        """Return the wall time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()


class VirtualClock:
    """Stands still until told to move; never goes back."""

    def __init__(self, start: datetime) -> None:
        self._now = require_utc(start)

    def now(self) -> datetime:
        """Return the time last set."""
        return self._now

    def monotonic(self) -> float:
        """Return the virtual time in seconds."""
        return self._now.timestamp()

    def advance_to(self, to: datetime) -> None:
        """Move to `to`; a time already passed raises ValueError."""
        if to < self._now:
            raise ValueError(f"the clock stands at {self._now.isoformat()} and cannot go back to {to.isoformat()}")
        self._now = require_utc(to)


def require_utc(at: datetime) -> datetime:
    """Return `at` in UTC; a naive time raises ValueError."""
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no time zone")
    return at.astimezone(UTC)


def to_ns(at: datetime) -> int:
    """Return nanoseconds since 1970 of an aware time, exact to the microsecond."""
    delta = require_utc(at) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1_000


def ns_reader(clock: Clock) -> Callable[[], int]:
    """Return what reads `clock` in nanoseconds since 1970; the system clock without a detour over datetime."""
    return time.time_ns if isinstance(clock, SystemClock) else lambda: to_ns(clock.now())


def from_ns(ns: int) -> datetime:
    """Return the aware UTC time of `ns` nanoseconds since 1970, rounded down to the microsecond."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1_000)


def kst_day(at: datetime) -> date:
    """Return the KST calendar day that holds `at`."""
    return at.astimezone(KST).date()


def kst_day_bounds(on: date) -> tuple[datetime, datetime]:
    """Return the UTC start (inclusive) and end (exclusive) of a KST day."""
    start = datetime.combine(on, time_of_day(0), KST)
    return start.astimezone(UTC), datetime.combine(on + timedelta(days=1), time_of_day(0), KST).astimezone(UTC)
