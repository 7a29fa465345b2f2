"""talipp's side of the columns: `python features_talipp.py DATA.npz update N` prints one JSON line.

It has no MFI and no MOM. Extremes of closes are its Donchian channels over bars that are points.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from talipp import indicators as ta
from talipp.ohlcv import OHLCV

KEPT = 400
"""Values that an indicator keeps; it would otherwise keep all."""


def of_closes() -> tuple[list[Any], dict[str, Callable[[], float]]]:
    """Return indicators that closes are added to, and the columns read from them."""
    simple = {f"sma_{n}": ta.SMA(n) for n in (10, 20, 50, 100, 200)}
    simple |= {f"ema_{n}": ta.EMA(n) for n in (9, 12, 26, 50, 200)}
    simple |= {f"wma_{n}": ta.WMA(n) for n in (10, 20)}
    for n in (20, 50):
        simple |= {f"dema_{n}": ta.DEMA(n), f"tema_{n}": ta.TEMA(n)}
    simple |= {f"rsi_{n}": ta.RSI(n) for n in (7, 14, 21)}
    simple |= {f"roc_{n}": ta.ROC(n) for n in (10, 20)}
    simple |= {f"std_{n}": ta.StdDev(n) for n in (10, 20)}
    macd, bands, trix = ta.MACD(12, 26, 9), ta.BB(20, 2), ta.TRIX(15)
    columns = {name: lambda found=found: found[-1] for name, found in simple.items()}
    columns |= {
        "macd_12_26_9": lambda: macd[-1].macd,
        "macd_signal_12_26_9": lambda: macd[-1].signal,
        "macd_histogram_12_26_9": lambda: macd[-1].histogram,
        "bb_upper_20": lambda: bands[-1].ub,
        "bb_middle_20": lambda: bands[-1].cb,
        "bb_lower_20": lambda: bands[-1].lb,
        "trix_15": lambda: trix[-1],
    }
    return [*simple.values(), macd, bands, trix], columns


def of_bars() -> tuple[list[Any], dict[str, Callable[[], float]]]:
    """Return indicators that bars are added to, and the columns read from them."""
    simple = {f"atr_{n}": ta.ATR(n) for n in (7, 14)}
    simple |= {f"cci_{n}": ta.CCI(n) for n in (14, 20)}
    simple |= {"obv": ta.OBV(), "ad": ta.AccuDist(), "vwap": ta.VWAP(), "willr_14": ta.Williams(14)}
    direction, stochastic = ta.ADX(14, 14), ta.Stoch(14, 3)
    signal = ta.SMA(3, input_indicator=stochastic, input_modifier=lambda found: found.d)
    columns = {name: lambda found=found: found[-1] for name, found in simple.items()}
    columns |= {
        "adx_14": lambda: direction[-1].adx,
        "plus_di_14": lambda: direction[-1].plus_di,
        "minus_di_14": lambda: direction[-1].minus_di,
        "stoch_k_14_3_3": lambda: stochastic[-1].d,
        "stoch_d_14_3_3": lambda: signal[-1],
    }
    return [*simple.values(), direction, stochastic], columns


def of_points() -> tuple[list[Any], dict[str, Callable[[], float]]]:
    """Return the extremes of closes."""
    channels = {n: ta.DonchianChannels(n) for n in (20, 50)}
    columns = {f"max_{n}": lambda found=found: found[-1].ub for n, found in channels.items()}
    columns |= {f"min_{n}": lambda found=found: found[-1].lb for n, found in channels.items()}
    return list(channels.values()), columns


def main() -> None:
    """Add bar after bar, read all columns after each, and print how long it took and the last row."""
    data, n = np.load(sys.argv[1]), int(sys.argv[3])
    rows = list(zip(*(data[name][:n].tolist() for name in ("open", "high", "low", "close", "volume")), strict=True))
    (closes, first), (bars, second), (points, third) = of_closes(), of_bars(), of_points()
    everything, columns = [*closes, *bars, *points], first | second | third
    warm = 500
    taken, last = 0.0, []
    for at, (open_, high, low, close, volume) in enumerate(rows):
        started = time.perf_counter()
        for indicator in closes:
            indicator.add(close)
        bar, point = OHLCV(open_, high, low, close, volume), OHLCV(close, close, close, close)
        for indicator in bars:
            indicator.add(bar)
        for indicator in points:
            indicator.add(point)
        if at >= warm:
            last = [read() for read in columns.values()]
        if at % KEPT == KEPT - 1:
            for indicator in everything:
                indicator.purge_oldest(max(0, len(indicator) - KEPT))
        if at >= warm:
            taken += time.perf_counter() - started
    found = dict(zip(columns, last, strict=True))
    # It gives one in ten thousand where others give percent, and counts the first bar's volume, which has no direction.
    found["trix_15"] /= 100
    found["obv"] -= rows[0][4]
    print(json.dumps({"seconds": [taken / (n - warm) * n], "last": found}))


main()
