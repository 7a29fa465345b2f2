"""Closed bars, one closing time after the other, all symbols together: from the archive, or from memory in a replay."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from core.clock import Clock
from feedback.signals.bars import Candle, candles_of
from market.bars import BarArchive
from market.candles import Candles, from_ms, ms_of, no_candles

Read = Callable[[str, datetime, datetime], Candles]
"""Takes a symbol; gives its candles that closed after one time and at or before another."""


@dataclass(frozen=True, slots=True)
class BarFeed:
    """Never gives a bar that closes after the clock."""

    symbols: tuple[str, ...]
    interval_ms: int
    clock: Clock
    read: Read

    def after(self, after_ms: int, until_at: datetime | None = None) -> Iterator[tuple[int, Mapping[str, Candle]]]:
        """Yield each closing time after `after_ms`, up to `until_at` or the clock, with the bars that closed then."""
        until = self.clock.now() if until_at is None else min(until_at, self.clock.now())
        closed: dict[int, dict[str, Candle]] = {}
        for symbol in self.symbols:
            for candle in candles_of(self.read(symbol, from_ms(after_ms), until)):
                closed.setdefault(candle.opened_at_ms + self.interval_ms, {})[symbol] = candle
        for closed_at_ms in sorted(closed):
            yield closed_at_ms, closed[closed_at_ms]


def archive_feed(archive: BarArchive, symbols: tuple[str, ...]) -> BarFeed:
    """Return what reads the archive's files again each time."""

    def read(symbol: str, after_at: datetime, until_at: datetime) -> Candles:
        return archive.candles(symbol, after_at, until_at) if symbol in archive.symbols() else no_candles()

    return BarFeed(symbols, archive.interval_ms, archive.clock, read)


def recorded_feed(archive: BarArchive, symbols: tuple[str, ...], start_at: datetime, clock: Clock) -> BarFeed:
    """Return what holds the recorded bars from `start_at` on in memory, and tells of them as `clock` goes on."""
    held = {symbol: archive.candles(symbol, start_at) for symbol in symbols}
    interval_ms = archive.interval_ms

    def read(symbol: str, after_at: datetime, until_at: datetime) -> Candles:
        candles = held[symbol]
        bounds = np.array([ms_of(after_at), ms_of(until_at)]) - interval_ms
        first, last = np.searchsorted(candles.opened_at_ms, bounds, side="right")
        return candles.rows(slice(int(first), int(last)))

    return BarFeed(symbols, interval_ms, clock, read)
