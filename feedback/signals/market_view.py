"""What is known of one symbol's market beside the features, from its bars: volatility, traded volume, regime."""

import math
from collections import deque

import numpy as np

from feedback.signals.bars import Candle
from market.regimes import HOUR_MS, TRAILING_HOURS, WINDOW_HOURS, Regime, classify

HALF_LIFE_BARS = 24.0
WARMUP_BARS = 24
"""Returns that a volatility must rest on before it is told."""
KEEP_HOURS = TRAILING_HOURS + WINDOW_HOURS + 1
"""Closes that the newest regime depends on."""
_KEEP = 0.5 ** (1.0 / HALF_LIFE_BARS)


class Volatility:
    """Deviation of the log return of one bar, and what is traded in one, both averaged with a half-life of 24 bars."""

    def __init__(self, interval_ms: int) -> None:
        """Begin before the first bar."""
        self._interval_ms = interval_ms
        self._variance = self._turnover = self._weight = self._bars = 0.0
        self._close = math.nan
        self._n = 0

    def add(self, candle: Candle) -> None:
        """Take the next closed bar."""
        self._turnover = _KEEP * self._turnover + (1 - _KEEP) * candle.volume * candle.close
        self._bars = _KEEP * self._bars + 1 - _KEEP
        if math.isfinite(self._close):
            change = math.log(candle.close / self._close)
            self._variance = _KEEP * self._variance + (1 - _KEEP) * change * change
            self._weight = _KEEP * self._weight + 1 - _KEEP
            self._n += 1
        self._close = candle.close

    def bps_over(self, horizon_ms: int) -> float | None:
        """Return the standard deviation of the move over a horizon in bps, for independent bars; None while unknown."""
        if self._n < WARMUP_BARS:
            return None
        per_bar = math.sqrt(self._variance / self._weight)
        return 1e4 * per_bar * math.sqrt(horizon_ms / self._interval_ms)

    def turnover_per_s(self) -> float | None:
        """Return what is traded a second, in quote currency; None before the first bar."""
        return None if not self._bars else self._turnover / self._bars / (self._interval_ms / 1000)


class HourlyRegime:
    """The regime of the last whole hour, as `market.regimes` calls it."""

    def __init__(self) -> None:
        """Begin before the first bar."""
        self._closes: deque[float] = deque(maxlen=KEEP_HOURS)
        self._hour_ms: int | None = None
        self._close = math.nan
        self.regime: Regime | None = None

    def add(self, candle: Candle, closed_at_ms: int) -> None:
        """Take the next closed bar, at most an hour long."""
        hour_ms = candle.opened_at_ms // HOUR_MS * HOUR_MS
        if self._hour_ms is not None and hour_ms > self._hour_ms:
            self._end_hour()
        self._hour_ms, self._close = hour_ms, candle.close
        if closed_at_ms >= hour_ms + HOUR_MS:
            self._end_hour()
            self._hour_ms = None

    def _end_hour(self) -> None:
        self._closes.append(self._close)
        self.regime = classify(np.array(self._closes))[-1]
