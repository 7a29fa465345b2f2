"""Drives a signal room: reads the past once, then every bar that closes, in real time or as a driver says.

In real time a closing time waits a little for bars of symbols that are late, and then goes on without them. What closed
while the worker was down is spoken of too, for the record; the bridge drops what is too late to act on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.clock import Clock
from core.model.prediction import PredictionRecord
from feedback.signals.feed import BarFeed
from feedback.signals.room import SignalRoom
from market.candles import from_ms, ms_of

GRACE_MS = 5_000


@dataclass(slots=True)
class Speaker:
    """One thread at a time. `fetch` brings what has closed into the archive, where it does not come by itself."""

    room: SignalRoom
    feed: BarFeed
    clock: Clock
    begin_at: datetime
    """From where the past is read; the same for every start of a run that must repeat itself."""
    fetch: Callable[[], object] = lambda: None
    grace_ms: int = GRACE_MS
    from_at: datetime | None = None
    """Of earlier bars nothing is said, however late the clock stands: they are past."""
    _is_warm: bool = False

    def warm_up(self, until_at: datetime) -> None:
        """Read the bars from `begin_at` on that closed before `until_at`; once, and not before `from_at`."""
        if self._is_warm or self._is_before(until_at):
            return
        until_ms = ms_of(until_at)
        for closed_at_ms, candles in self.feed.after(ms_of(self.begin_at), until_at):
            if closed_at_ms < until_ms:
                self.room.warm_up(closed_at_ms, candles)
        self.room.reached_ms = max(self.room.reached_ms, min(until_ms - 1, ms_of(self.clock.now())))
        self._is_warm = True

    def speak(self) -> tuple[PredictionRecord, ...]:
        """Speak of every bar that closed since the last call, as far as all symbols' bars are there or overdue."""
        if self._is_before(self.clock.now()):
            return ()
        if not self._is_warm:
            self.fetch()
            self.warm_up(self._spoken_until())
        base_ms, now_ms = self.room.base_ms, ms_of(self.clock.now())
        if now_ms // base_ms * base_ms <= self.room.reached_ms:
            return ()
        self.fetch()
        records: list[PredictionRecord] = []
        for closed_at_ms, candles in self.feed.after(self.room.reached_ms):
            if len(candles) < len(self.room.symbols) and now_ms - closed_at_ms < self.grace_ms:
                break
            records += self.room.on_bars(closed_at_ms, candles)
        return tuple(records)

    def next_close(self, after_at: datetime) -> datetime:
        """Return when the next base bar closes after a time, of those that are spoken of."""
        if self.from_at is not None and after_at < self.from_at:
            return self.from_at
        base_ms = self.room.base_ms
        return from_ms((ms_of(after_at) // base_ms + 1) * base_ms)

    def _spoken_until(self) -> datetime:
        """Return until when bars are past: until now at a first start, else until the last bar that was spoken of."""
        now, last_at = self.clock.now(), self.room.last_kept_at()
        if last_at is None or not self.begin_at < last_at < now:
            return now
        return last_at + timedelta(milliseconds=1)

    def _is_before(self, at: datetime) -> bool:
        return self.from_at is not None and at < self.from_at
