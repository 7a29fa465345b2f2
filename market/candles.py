"""Closed candles of one symbol as arrays, the intervals they may have, and the decimal grid they lie on.

Prices are in quote currency, volumes in base units. A candle opened at `t` is known at `t + interval` and not before.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Self

import numpy as np
import numpy.typing as npt

from core.clock import from_ns, to_ns
from core.errors import BadInput

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MINUTE_MS = 60_000
INTERVALS: dict[int, str] = {
    MINUTE_MS: "1m",
    3 * MINUTE_MS: "3m",
    5 * MINUTE_MS: "5m",
    15 * MINUTE_MS: "15m",
    30 * MINUTE_MS: "30m",
    60 * MINUTE_MS: "1h",
    120 * MINUTE_MS: "2h",
    240 * MINUTE_MS: "4h",
    360 * MINUTE_MS: "6h",
    480 * MINUTE_MS: "8h",
    720 * MINUTE_MS: "12h",
    1440 * MINUTE_MS: "1d",
}
MAX_DECIMALS = 8
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9._-]{1,29}")


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """Arrays of equal length, one row a candle."""

    opened_at_ms: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __len__(self) -> int:
        return len(self.opened_at_ms)

    def rows(self, selected: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice) -> Self:
        """Return the selected candles, in the order of the selection."""
        return type(self)(
            self.opened_at_ms[selected],
            self.open[selected],
            self.high[selected],
            self.low[selected],
            self.close[selected],
            self.volume[selected],
        )

    def joined(self, other: Self) -> Self:
        """Return these candles followed by those of `other`."""
        return type(self)(
            np.concatenate([self.opened_at_ms, other.opened_at_ms]),
            np.concatenate([self.open, other.open]),
            np.concatenate([self.high, other.high]),
            np.concatenate([self.low, other.low]),
            np.concatenate([self.close, other.close]),
            np.concatenate([self.volume, other.volume]),
        )

    def values(self) -> Floats:
        """Return open, high, low, close and volume as one array of five columns."""
        return np.column_stack([self.open, self.high, self.low, self.close, self.volume])


def no_candles() -> Candles:
    """Return candles of length zero."""
    empty = np.empty(0, dtype=np.float64)
    return Candles(np.empty(0, dtype=np.int64), empty, empty, empty, empty, empty)


def is_sound(candles: Candles) -> npt.NDArray[np.bool_]:
    """Return, row by row, whether the numbers can be one candle's: finite, above zero, low <= open, close <= high."""
    finite = np.isfinite(candles.values()).all(axis=1)
    with np.errstate(invalid="ignore"):
        ordered = (candles.low <= np.minimum(candles.open, candles.close)) & (
            np.maximum(candles.open, candles.close) <= candles.high
        )
        positive = (candles.low > 0) & (candles.volume >= 0)
    return finite & ordered & positive


def interval_name(interval_ms: int) -> str:
    """Return `1m`, `15m`, `1h` …; raises BadInput for a length that is not one of `INTERVALS`."""
    name = INTERVALS.get(interval_ms)
    if name is None:
        raise BadInput(f"candles of {interval_ms} ms are not known", f"Use one of {', '.join(INTERVALS.values())}")
    return name


def interval_ms_of(name: str) -> int:
    """Return the milliseconds of an interval name; raises BadInput for another name."""
    for interval_ms, known in INTERVALS.items():
        if known == name:
            return interval_ms
    raise BadInput(f"'{name}' is no candle interval", f"Use one of {', '.join(INTERVALS.values())}")


def require_symbol(symbol: str) -> str:
    """Return `symbol`; raises BadInput unless it is ASCII upper case of 2 to 30 characters."""
    if _SYMBOL.fullmatch(symbol) is None:
        raise BadInput(
            f"'{symbol[:40]}' is no symbol", "Use the exchange's name in ASCII upper case, for example BTCUSDT"
        )
    return symbol


def grid_of(values: Floats) -> Decimal:
    """Return the coarsest power of ten, 1 to 1e-8, of which all `values` are multiples; 1e-8 when none is fine enough.

    This is the tick (or lot) that the decimals of a file prove. The exchange's own may be coarser, never finer.
    """
    for decimals in range(MAX_DECIMALS):
        if bool(np.all(np.abs(np.round(values, decimals) - values) <= 1e-12 * np.abs(values))):
            return Decimal(1).scaleb(-decimals)
    return Decimal(1).scaleb(-MAX_DECIMALS)


def ms_of(at: datetime) -> int:
    """Return whole milliseconds since 1970 of an aware time, rounded down."""
    return to_ns(at) // 1_000_000


def from_ms(at_ms: int) -> datetime:
    """Return the aware UTC time of milliseconds since 1970."""
    return from_ns(int(at_ms) * 1_000_000)
