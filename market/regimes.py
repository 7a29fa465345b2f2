"""What kind of market an hour was: calm, trend_up, trend_down or turbulent.

The label of hour t uses closes up to t only. With r the hourly log returns of the last 24 hours:
trend when |t| >= 1.5 for t = mean(r) / sd(r) * sqrt(24) (sd with ddof 1), by the sign of t;
otherwise turbulent when sd(r) ranks in the top third of its own trailing 30 days (itself included); otherwise calm.
Hours with fewer than 24 returns behind them have no label.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from core.errors import BadInput
from market.candles import Candles, Floats, Integers, from_ms

Regime = Literal["calm", "trend_up", "trend_down", "turbulent"]

HOUR_MS = 3_600_000
WINDOW_HOURS = 24
TRAILING_HOURS = 30 * 24
TREND_T = 1.5
TURBULENT_SHARE = 2 / 3
_BLOCK = 4_096


@dataclass(frozen=True, slots=True)
class RegimeHour:
    """One hour of one symbol. `regime` is None where too little history lies before it."""

    start_at: datetime
    end_at: datetime
    close: float
    regime: Regime | None


def classify(closes: Floats) -> list[Regime | None]:
    """Return the regime at every one of a row of hourly closes, oldest first; see the head of this file.

    Raises BadInput for a close that is not a finite number above zero.
    """
    t, rank = hourly_statistics(closes)
    labels: list[Regime | None] = [None] * min(len(closes), WINDOW_HOURS)
    return labels + [_label(float(t[n]), bool(rank[n] > TURBULENT_SHARE)) for n in range(len(t))]


def hourly_statistics(closes: Floats) -> tuple[Floats, Floats]:
    """Return t and the rank of the deviation, 0 to 1, at each close from the 25th on; see the head of this file.

    Raises BadInput for a close that is not a finite number above zero.
    """
    if not bool(np.all(np.isfinite(closes) & (closes > 0))):
        raise BadInput("a close is not a finite number above zero", "Import the candles with checks")
    if len(closes) <= WINDOW_HOURS:
        return np.empty(0), np.empty(0)
    returns = np.diff(np.log(closes))
    windows = np.lib.stride_tricks.sliding_window_view(returns, WINDOW_HOURS)
    deviation = windows.std(axis=1, ddof=1)
    # A move that never varies has no standard deviation: its mean alone tells the trend.
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.nan_to_num(windows.mean(axis=1) / deviation * np.sqrt(WINDOW_HOURS), nan=0.0)
    return t, _trailing_rank(deviation)


def hourly_regimes(candles: Candles, interval_ms: int) -> tuple[RegimeHour, ...]:
    """Return the labelled hours of one symbol's candles, oldest first.

    An hour's close is that of its last candle; an hour without a candle is absent and bridged by its neighbours.
    Raises BadInput for candles longer than an hour.
    """
    if interval_ms > HOUR_MS:
        raise BadInput(f"regimes need candles of at most an hour, these last {interval_ms // 60_000} minutes")
    starts, closes = _hourly_closes(candles)
    return tuple(
        RegimeHour(from_ms(int(start)), from_ms(int(start) + HOUR_MS), float(close), regime)
        for start, close, regime in zip(starts, closes, classify(closes), strict=True)
    )


def _hourly_closes(candles: Candles) -> tuple[Integers, Floats]:
    hours = candles.opened_at_ms // HOUR_MS * HOUR_MS
    is_last = np.append(hours[1:] != hours[:-1], True) if len(hours) else np.empty(0, dtype=bool)
    return hours[is_last], candles.close[is_last]


def _trailing_rank(values: Floats) -> Floats:
    """Return of what share of the trailing window that ends with it each value is above."""
    padded = np.concatenate([np.full(TRAILING_HOURS - 1, np.nan), values])
    trailing = np.lib.stride_tricks.sliding_window_view(padded, TRAILING_HOURS)
    known = np.minimum(np.arange(1, len(values) + 1), TRAILING_HOURS)
    below = np.empty(len(values), dtype=np.int64)
    for start in range(0, len(values), _BLOCK):  # blocks keep the comparison table small
        block = slice(start, start + _BLOCK)
        below[block] = (trailing[block] < values[block, None]).sum(axis=1)
    return np.asarray(below / known, dtype=np.float64)


def _label(t: float, is_turbulent: bool) -> Regime:
    if t >= TREND_T:
        return "trend_up"
    if t <= -TREND_T:
        return "trend_down"
    return "turbulent" if is_turbulent else "calm"
