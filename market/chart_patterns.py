"""Chart patterns, found bar by bar as they complete: a pattern is there at the close that breaks its line, not before.

Turning points are those of a zigzag: a high or a low from which the close went back by at least three average true
ranges (Wilder, 14 bars); each is known only at the bar that confirms it. A pattern needs turning points that agree
within one average true range (ATR), and fires once, with the sign of the move that it is held to announce.

| name | turning points, oldest first | fires when the close is |
|---|---|---|
| double_top, double_bottom | H L H, highs agree; mirrored | below the low; above the high |
| head_and_shoulders | H L H L H, shoulders agree, head above both by an ATR | below the lower low |
| inverse_head_and_shoulders | mirrored | above the higher high |
| ascending_triangle | H L H L, highs agree, lows rise by an ATR | above the higher high |
| descending_triangle | mirrored | below the lower low |
| breakout_up, breakout_down | none | beyond the range of the last 55 bars, after a close within it |
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from market.candles import Candles, Floats

REVERSAL_ATR: Final = 3.0
AGREE_ATR: Final = 1.0
ATR_BARS: Final = 14
RANGE_BARS: Final = 55
MAX_POINTS: Final = 6
CHART_PATTERNS: Final = (
    "double_top",
    "double_bottom",
    "head_and_shoulders",
    "inverse_head_and_shoulders",
    "ascending_triangle",
    "descending_triangle",
    "breakout_up",
    "breakout_down",
)


@dataclass(frozen=True, slots=True)
class TurningPoint:
    """A confirmed high (`sign` 1) or low (-1)."""

    sign: int
    price: float


@dataclass(slots=True)
class ChartScanner:
    """Follows one unbroken run of bars. Start another at a gap."""

    points: deque[TurningPoint] = field(default_factory=lambda: deque(maxlen=MAX_POINTS))
    fired: set[str] = field(default_factory=set)
    """Patterns of the newest turning points that have fired already."""
    _highs: deque[float] = field(default_factory=lambda: deque(maxlen=RANGE_BARS))
    _lows: deque[float] = field(default_factory=lambda: deque(maxlen=RANGE_BARS))
    _last: float | None = None
    _was_inside: bool = False
    _n: int = 0
    _atr: float = 0.0
    _sign: int = 0
    _extreme: float = 0.0

    def update(self, high: float, low: float, close: float) -> tuple[tuple[str, int], ...]:
        """Take the next bar; return the patterns that complete at its close, each with its sign."""
        self._follow_range(high, low)
        if self._n < ATR_BARS:
            self._extreme = close
        else:
            self._follow_turns(high, low, close)
        found = [*self._reversals(close), *self._breakouts(close)] if self._n >= ATR_BARS else []
        self._highs.append(high)
        self._lows.append(low)
        self._last = close
        return tuple(found)

    def _follow_range(self, high: float, low: float) -> None:
        last = low if self._last is None else self._last
        span = max(high, last) - min(low, last)
        self._n += 1
        n = min(self._n, ATR_BARS)
        self._atr += (span - self._atr) / n

    def _follow_turns(self, high: float, low: float, close: float) -> None:
        reversal = REVERSAL_ATR * self._atr
        if self._sign >= 0 and high > self._extreme:
            self._extreme, self._sign = high, self._sign or 1
        elif self._sign <= 0 and low < self._extreme:
            self._extreme, self._sign = low, self._sign or -1
        if self._sign and (self._extreme - close) * self._sign >= reversal:
            self.points.append(TurningPoint(self._sign, self._extreme))
            self.fired.clear()
            self._sign = -self._sign
            self._extreme = low if self._sign < 0 else high

    def _reversals(self, close: float) -> list[tuple[str, int]]:
        found = []
        for mirror, names in ((1, _TOPS), (-1, _BOTTOMS)):
            prices = [point.price * mirror for point in self.points]
            starts_high = [point.sign * mirror > 0 for point in self.points]
            for name, is_there in zip(names, self._shapes(prices, starts_high, close * mirror), strict=True):
                if is_there and name not in self.fired:
                    self.fired.add(name)
                    found.append((name, mirror if "triangle" in name else -mirror))
        return found

    def _shapes(self, prices: list[float], is_high: list[bool], close: float) -> tuple[bool, bool, bool]:
        """Return whether double top, head and shoulders, and ascending triangle complete at `close`."""
        atr, agree = self._atr, AGREE_ATR * self._atr
        ends_high = bool(is_high) and is_high[-1]
        double = shoulders = triangle = False
        if ends_high and len(prices) >= 3:
            first, low, second = prices[-3:]
            double = abs(first - second) <= agree and close < low
        if ends_high and len(prices) >= 5:
            left, low_1, head, low_2, right = prices[-5:]
            is_head = head >= max(left, right) + atr
            shoulders = is_head and abs(left - right) <= agree and close < min(low_1, low_2)
        if not ends_high and len(prices) >= 4:
            high_1, low_1, high_2, low_2 = prices[-4:]
            is_rising = abs(high_1 - high_2) <= agree and low_2 >= low_1 + atr
            triangle = is_rising and close > max(high_1, high_2)
        return double, shoulders, triangle

    def _breakouts(self, close: float) -> list[tuple[str, int]]:
        if len(self._highs) < RANGE_BARS:
            return []
        top, bottom = max(self._highs), min(self._lows)
        was_inside, self._was_inside = self._was_inside, bottom <= close <= top
        if not was_inside or self._was_inside:
            return []
        return [("breakout_up", 1)] if close > top else [("breakout_down", -1)]


_TOPS = ("double_top", "head_and_shoulders", "ascending_triangle")
_BOTTOMS = ("double_bottom", "inverse_head_and_shoulders", "descending_triangle")


def scan_charts(candles: Candles, segment_starts: Floats | None = None) -> dict[str, Floats]:
    """Return for each pattern an array (n,) of 1 or -1 at the bars where it completes and 0 elsewhere.

    `segment_starts` (n,) is not zero where an unbroken run of bars begins.
    """
    n = len(candles)
    signs = {name: np.zeros(n) for name in CHART_PATTERNS}
    scanner = ChartScanner()
    for row, (high, low, close) in enumerate(zip(candles.high, candles.low, candles.close, strict=True)):
        if segment_starts is not None and segment_starts[row]:
            scanner = ChartScanner()
        for name, sign in scanner.update(float(high), float(low), float(close)):
            signs[name][row] = sign
    return signs
