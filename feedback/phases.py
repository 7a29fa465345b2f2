"""Hours of one symbol's day: regimes merged into stretches, and the moves that stood out. Pure, over candles."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np

from core.clock import to_ns
from core.model.dataset import MarketPhase
from market.bars import BarArchive
from market.candles import Candles, from_ms
from market.regimes import RegimeHour, hourly_regimes

HISTORY = timedelta(days=31)
"""What regimes and the size of a usual move are measured against."""
MIN_HOURS = 48
"""Fewer earlier hours than this do not tell what a usual move is."""


@dataclass(frozen=True, slots=True)
class SymbolDay:
    """One symbol's candles up to a day's end, with history before its start."""

    symbol: str
    interval_ms: int
    start_at: datetime
    end_at: datetime
    candles: Candles
    hours: tuple[RegimeHour, ...]

    @property
    def day_hours(self) -> tuple[RegimeHour, ...]:
        """The hours that lie in the day."""
        return tuple(hour for hour in self.hours if self.start_at <= hour.start_at and hour.end_at <= self.end_at)

    @property
    def n_missing(self) -> int:
        """How many candles the day lacks."""
        start_ms, end_ms = to_ns(self.start_at) // 1_000_000, to_ns(self.end_at) // 1_000_000
        opened = self.candles.opened_at_ms
        return (end_ms - start_ms) // self.interval_ms - int(((opened >= start_ms) & (opened < end_ms)).sum())

    def close_at(self, at: datetime) -> tuple[datetime, float] | None:
        """Return closing time and close of the newest candle closed at or before `at`, or None."""
        closed_ms = self.candles.opened_at_ms + self.interval_ms
        place = int(np.searchsorted(closed_ms, to_ns(at) // 1_000_000, side="right")) - 1
        if place < 0:
            return None
        return from_ms(int(closed_ms[place])), float(self.candles.close[place])

    def realised_bps(self, start_at: datetime, end_at: datetime) -> float:
        """Return the volatility between two times in bps of an hour: the root of the mean hourly sum of squares."""
        closed_ms = self.candles.opened_at_ms + self.interval_ms
        first, last = to_ns(start_at) // 1_000_000, to_ns(end_at) // 1_000_000
        returns = np.diff(np.log(self.candles.close))
        inside = (closed_ms[1:] > first) & (closed_ms[1:] <= last)
        n_hours = (last - first) / 3_600_000
        return float(np.sqrt(np.sum(returns[inside] ** 2) / n_hours)) * 1e4


def load_symbol_day(archive: BarArchive, symbol: str, start_at: datetime, end_at: datetime) -> SymbolDay:
    """Return a symbol's day with the history before it. Raises UnknownName for a symbol without candles."""
    candles = archive.candles(symbol, start_at - HISTORY, end_at)
    interval_ms = archive.interval_ms
    return SymbolDay(symbol, interval_ms, start_at, end_at, candles, hourly_regimes(candles, interval_ms))


def find_phases(day: SymbolDay) -> tuple[MarketPhase, ...]:
    """Return the day's hours merged where neighbours share a regime; hours without a label are left out."""
    phases = []
    for regime, group in groupby(_stretches(day.day_hours), key=lambda hour: (hour[0], hour[1].regime)):
        hours = [hour for _, hour in group]
        if regime[1] is not None:
            phases.append(_phase(day, hours, regime[1]))
    return tuple(phases)


def usual_move_bps(day: SymbolDay) -> float | None:
    """Return the standard deviation of an hourly move before the day in bps; None with under 48 hours of history."""
    closes = np.array([hour.close for hour in day.hours if hour.end_at <= day.start_at])
    if len(closes) <= MIN_HOURS:
        return None
    return float(np.diff(np.log(closes)).std(ddof=1)) * 1e4


def hourly_moves_bps(day: SymbolDay) -> Iterator[tuple[RegimeHour, float]]:
    """Yield every hour of the day with its move from the close before, in bps."""
    for hour in day.day_hours:
        before = day.close_at(hour.start_at)
        if before is not None:
            yield hour, (hour.close / before[1] - 1) * 1e4


def _stretches(hours: Sequence[RegimeHour]) -> Iterator[tuple[int, RegimeHour]]:
    # A number that grows at every gap, so that hours are merged only with their direct neighbours.
    n = 0
    for place, hour in enumerate(hours):
        if place and hours[place - 1].end_at != hour.start_at:
            n += 1
        yield n, hour


def _phase(day: SymbolDay, hours: Sequence[RegimeHour], regime: str) -> MarketPhase:
    start_at, end_at = hours[0].start_at, hours[-1].end_at
    before = day.close_at(start_at)
    first_close = float(day.candles.open[0]) if before is None else before[1]
    return MarketPhase(
        symbol=day.symbol,
        start_at=start_at,
        end_at=end_at,
        regime=regime,
        return_bps=(hours[-1].close / first_close - 1) * 1e4,
        volatility_bps=day.realised_bps(start_at, end_at),
    )
