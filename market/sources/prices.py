"""Prices of the traded symbols, from the bar archive: what its candles closed at or before the time asked for.

Per symbol S: `close_usd:S`; `return_24h_bps:S` = (close / close 24 hours before - 1) * 10,000; `volatility_24h_bps:S`
= standard deviation (ddof 1) of the log returns of 24 hours, times the square root of the candles in a day, * 10,000;
`volume_24h_usd:S` = sum of volume * close over 24 hours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

import numpy as np

from core.errors import UnknownName
from core.model.market import ContextField
from market.bars import BarArchive
from market.candles import Candles, from_ms, ms_of
from market.sources.reading import Quantity, Reading, missing, observed

DAY = timedelta(hours=24)
_DAY_MS = 86_400_000
_MIN_RETURNS = 12
_LARGE = 1e15


@dataclass(frozen=True, slots=True)
class Prices:
    """Reads the archive for `symbols`."""

    name: ClassVar[str] = "bars"
    archive: BarArchive
    symbols: tuple[str, ...]

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Four numbers a symbol. They go stale when the last candle is older than three candles and an hour."""
        return tuple(quantity for symbol in self.symbols for quantity in _quantities(symbol, timedelta(hours=1)))

    async def fetch(self, at: datetime) -> Reading:
        """Return the numbers of every symbol; a symbol without candles is missing."""
        fields: list[ContextField] = []
        for symbol in self.symbols:
            fields.extend(self._fields(symbol, at))
        return Reading(tuple(fields))

    def _fields(self, symbol: str, at: datetime) -> list[ContextField]:
        try:
            interval_ms = self.archive.interval_ms
            candles = self.archive.candles(symbol, at - DAY - timedelta(milliseconds=4 * interval_ms), at)
        except UnknownName:
            return [missing(quantity, "bars", "no candles of this symbol") for quantity in _quantities(symbol, DAY)]
        quantities = _quantities(symbol, timedelta(hours=1, milliseconds=3 * interval_ms))
        if len(candles) == 0:
            return [missing(quantity, "bars", "no candle closed in the last 24 hours") for quantity in quantities]
        closed_at = from_ms(int(candles.opened_at_ms[-1]) + interval_ms)
        numbers = _numbers(candles, ms_of(at), interval_ms)
        return [
            missing(quantity, "bars", "too few candles in 24 hours")
            if quantity.name.split(":")[0] not in numbers
            else observed(quantity, numbers[quantity.name.split(":")[0]], closed_at, "bars", at)
            for quantity in quantities
        ]


def _numbers(candles: Candles, at_ms: int, interval_ms: int) -> Mapping[str, float]:
    """Return the numbers that the candles prove; what they do not prove is absent."""
    closed_at_ms = candles.opened_at_ms + interval_ms
    numbers = {"close_usd": float(candles.close[-1])}
    inside = closed_at_ms > at_ms - _DAY_MS
    before = np.flatnonzero(~inside)
    if len(before):
        numbers["return_24h_bps"] = float((candles.close[-1] / candles.close[before[-1]] - 1) * 10_000)
    if inside.any():
        numbers["volume_24h_usd"] = float((candles.volume[inside] * candles.close[inside]).sum())
    day = candles.close[inside]
    if len(day) > _MIN_RETURNS:
        deviation = float(np.diff(np.log(day)).std(ddof=1))
        numbers["volatility_24h_bps"] = deviation * float(np.sqrt(_DAY_MS / interval_ms)) * 10_000
    return numbers


def _quantities(symbol: str, max_age: timedelta) -> tuple[Quantity, ...]:
    return (
        Quantity(f"close_usd:{symbol}", "USD", max_age, 0, _LARGE),
        Quantity(f"return_24h_bps:{symbol}", "bps", max_age, -10_000, 1e7),
        Quantity(f"volatility_24h_bps:{symbol}", "bps a day", max_age, 0, 1e7),
        Quantity(f"volume_24h_usd:{symbol}", "USD", max_age, 0, _LARGE),
    )
