"""Candle patterns by TA-Lib: its 61 definitions, each with the sign that TA-Lib gives it.

TA-Lib judges a candle by the averages of up to ten candles before it, so the last bars give what the whole history
gives.
"""

from typing import Final

import numpy as np
import talib

from market.candles import Candles, Floats

CANDLE_PATTERNS: Final = tuple(sorted(name for name in dir(talib) if name.startswith("CDL")))
LOOKBACK_BARS: Final = 32
"""More than the longest pattern with its averages: any more bars before change nothing."""


def scan_candles(candles: Candles) -> dict[str, Floats]:
    """Return for each pattern an array (n,) of 1 or -1 at the bars where it completes and 0 elsewhere.

    Names are those of TA-Lib in lower case without `CDL`. Bars must be one unbroken run.
    """
    columns = [np.ascontiguousarray(each) for each in (candles.open, candles.high, candles.low, candles.close)]
    return {_name(function): np.sign(getattr(talib, function)(*columns)).astype(float) for function in CANDLE_PATTERNS}


def _name(function: str) -> str:
    return function.removeprefix("CDL").lower()
