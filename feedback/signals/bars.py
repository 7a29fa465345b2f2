"""From closed base bars to the bars of longer intervals, and from bars to rows of features that may be trusted.

A bar that lacks one of its base bars is never made, so the row after it begins a new segment. A candle that cannot be
one, or whose close is more than twice or less than half of the one before, is not read at all: what it would leave in
the averages would outlive it. A feed that stands still for a minute says nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from market.candles import Candles, Floats, is_sound
from ml.serve import BarRow

MAX_JUMP = math.log(2.0)
"""Of the logarithm of the close from bar to bar."""
FROZEN_MS = 60_000


@dataclass(frozen=True, slots=True)
class Candle:
    """One closed candle; price in quote currency, volume in base units."""

    opened_at_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class FeatureSource(Protocol):
    """Carries the features of one series: `ml.features.stream.FeatureStream`."""

    @property
    def segment(self) -> int:
        """Number of the unbroken run that the newest bar is in."""
        ...

    def update(
        self,
        opened_at_ms: int,
        open: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        extras: Floats | None = None,
    ) -> Floats:
        """Add a closed candle and return its row, in an array that the next call writes to again."""
        ...


MakeFeatures = Callable[[int], FeatureSource]
"""Takes an interval in milliseconds."""


class Aggregator:
    """Base candles of one symbol in, candles of one longer interval out, aligned to whole intervals since 1970."""

    def __init__(self, base_ms: int, interval_ms: int) -> None:
        """`interval_ms` is a multiple of `base_ms`."""
        self._base_ms, self._interval_ms = base_ms, interval_ms
        self._parts: list[Candle] = []

    def add(self, candle: Candle) -> Candle | None:
        """Take the next base candle and return the longer one that it completes."""
        starts_at_ms = candle.opened_at_ms // self._interval_ms * self._interval_ms
        expected_ms = self._parts[-1].opened_at_ms + self._base_ms if self._parts else starts_at_ms
        if candle.opened_at_ms != expected_ms:
            # A base candle is missing: what it belonged to is never made.
            self._parts = []
            if candle.opened_at_ms != starts_at_ms:
                return None
        self._parts.append(candle)
        if candle.opened_at_ms + self._base_ms != starts_at_ms + self._interval_ms:
            return None
        parts, self._parts = self._parts, []
        return Candle(
            starts_at_ms,
            parts[0].open,
            max(part.high for part in parts),
            min(part.low for part in parts),
            parts[-1].close,
            sum(part.volume for part in parts),
        )


class Screen:
    """What of one symbol's base candles is read at all."""

    def __init__(self, base_ms: int) -> None:
        """Begin before the first candle."""
        self._base_ms = base_ms
        self._opened_at_ms = -1
        self._seen_close = math.nan
        self._frozen_ms = 0

    def passes(self, candle: Candle) -> bool:
        """Whether to read the next candle: it is later than the last one, and its numbers can be right."""
        if candle.opened_at_ms <= self._opened_at_ms or not is_sound(columns_of([candle]))[0]:
            return False
        before, self._seen_close = self._seen_close, candle.close
        if math.isfinite(before) and abs(math.log(candle.close / before)) > MAX_JUMP:
            return False
        self._opened_at_ms = candle.opened_at_ms
        stands_still = candle.volume == 0 and candle.high == candle.low == before
        self._frozen_ms = self._frozen_ms + self._base_ms if stands_still else 0
        return True

    @property
    def problem(self) -> str:
        """Why nothing may be said of the newest candle, or nothing."""
        return f"the feed stands still for {self._frozen_ms // 1000} s" if self._frozen_ms >= FROZEN_MS else ""


class Series:
    """The rows of one symbol and interval."""

    def __init__(self, interval_ms: int, make_features: MakeFeatures) -> None:
        """Begin before the first candle."""
        self.interval_ms = interval_ms
        self._features = make_features(interval_ms)

    def add(self, candle: Candle, extras: Floats | None = None, problem: str = "") -> BarRow:
        """Return the row of the next closed candle."""
        values = self._features.update(
            candle.opened_at_ms, candle.open, candle.high, candle.low, candle.close, candle.volume, extras
        )
        closed_at_ms = candle.opened_at_ms + self.interval_ms
        return BarRow(closed_at_ms, candle.close, self._features.segment, values.copy(), problem)


def candles_of(candles: Candles) -> list[Candle]:
    """Return columns as single candles."""
    times = candles.opened_at_ms.tolist()
    return [Candle(at, *row) for at, row in zip(times, candles.values().tolist(), strict=True)]


def columns_of(candles: list[Candle]) -> Candles:
    """Return single candles as columns."""
    rows = np.array([[c.open, c.high, c.low, c.close, c.volume] for c in candles], dtype=np.float64).reshape(-1, 5)
    return Candles(np.array([c.opened_at_ms for c in candles], dtype=np.int64), *rows.T)
