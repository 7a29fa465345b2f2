"""Regimes of past hours, looked up without looking ahead: at a time, the newest hour that had ended by then."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from core.clock import kst_day_bounds
from market.bars import BarArchive
from market.regimes import RegimeHour, hourly_regimes

RegimeAt = Callable[[str, datetime], str | None]
"""The regime of a symbol as known at a time."""

_HISTORY = timedelta(days=31)
_FRESH = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class RegimeHistory:
    """Labelled hours by symbol, oldest first."""

    hours: Mapping[str, tuple[RegimeHour, ...]]

    @classmethod
    def load(cls, archive: BarArchive, symbols: Sequence[str], start_at: datetime, end_at: datetime) -> "RegimeHistory":
        """Return the regimes of `symbols` between two times; a symbol without candles has none."""
        held = [symbol for symbol in symbols if symbol in set(archive.symbols())]
        interval_ms = archive.interval_ms if held else 0
        return cls(
            {
                symbol: hourly_regimes(archive.candles(symbol, start_at - _HISTORY, end_at), interval_ms)
                for symbol in held
            }
        )

    def regime_at(self, symbol: str, at: datetime) -> str | None:
        """Return the regime of the newest hour that had ended at `at`; None when it is unknown or hours old."""
        hours = self.hours.get(symbol, ())
        place = bisect_right(hours, at, key=lambda hour: hour.end_at) - 1
        if place < 0 or at - hours[place].end_at > _FRESH:
            return None
        return hours[place].regime

    def regime_of_day(self, symbols: Sequence[str], on: date) -> str | None:
        """Return the most frequent regime of a KST day's hours over `symbols`; None without labels, ties by name."""
        start_at, end_at = kst_day_bounds(on)
        counts = Counter(hour.regime for symbol in symbols for hour in self._within(symbol, start_at, end_at))
        known = sorted(((-n, regime) for regime, n in counts.items() if regime is not None))
        return known[0][1] if known else None

    def _within(self, symbol: str, start_at: datetime, end_at: datetime) -> tuple[RegimeHour, ...]:
        hours = self.hours.get(symbol, ())
        first = bisect_right(hours, start_at, key=lambda hour: hour.end_at)
        return hours[first : bisect_right(hours, end_at, key=lambda hour: hour.end_at)]
