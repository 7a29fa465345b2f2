"""TA-Lib's side of the columns: `python features_talib.py DATA.npz batch N` prints one JSON line."""

import json
import sys
import time

import numpy as np
import talib

PASSES = 3
Columns = dict[str, "np.ndarray"]


def averages(c: "np.ndarray") -> Columns:
    """Return moving averages and what is made of them."""
    made = {f"sma_{n}": talib.SMA(c, n) for n in (10, 20, 50, 100, 200)}
    made |= {f"ema_{n}": talib.EMA(c, n) for n in (9, 12, 26, 50, 200)}
    made |= {f"wma_{n}": talib.WMA(c, n) for n in (10, 20)}
    made |= {f"dema_{n}": talib.DEMA(c, n) for n in (20, 50)}
    made |= {f"tema_{n}": talib.TEMA(c, n) for n in (20, 50)}
    macd = dict(zip(("macd", "macd_signal", "macd_histogram"), talib.MACD(c, 12, 26, 9), strict=True))
    return made | {"trix_15": talib.TRIX(c, 15)} | {f"{name}_12_26_9": column for name, column in macd.items()}


def oscillators(h: "np.ndarray", low: "np.ndarray", c: "np.ndarray") -> Columns:
    """Return momentum and direction."""
    made = {f"rsi_{n}": talib.RSI(c, n) for n in (7, 14, 21)}
    made |= {f"cci_{n}": talib.CCI(h, low, c, n) for n in (14, 20)}
    for n in (10, 20):
        made |= {f"mom_{n}": talib.MOM(c, n), f"roc_{n}": talib.ROC(c, n)}
    made |= {"adx_14": talib.ADX(h, low, c, 14), "willr_14": talib.WILLR(h, low, c, 14)}
    made |= {"plus_di_14": talib.PLUS_DI(h, low, c, 14), "minus_di_14": talib.MINUS_DI(h, low, c, 14)}
    k, d = talib.STOCH(h, low, c, 14, 3, 0, 3, 0)
    return made | {"stoch_k_14_3_3": k, "stoch_d_14_3_3": d}


def spreads_and_volumes(h: "np.ndarray", low: "np.ndarray", c: "np.ndarray", v: "np.ndarray") -> Columns:
    """Return ranges, extremes and flows."""
    upper, middle, lower = talib.BBANDS(c, 20, 2, 2)
    made = {"bb_upper_20": upper, "bb_middle_20": middle, "bb_lower_20": lower}
    made |= {f"atr_{n}": talib.ATR(h, low, c, n) for n in (7, 14)}
    made |= {f"std_{n}": talib.STDDEV(c, n) for n in (10, 20)}
    for n in (20, 50):
        made |= {f"max_{n}": talib.MAX(c, n), f"min_{n}": talib.MIN(c, n)}
    made |= {"ad": talib.AD(h, low, c, v), "mfi_14": talib.MFI(h, low, c, v, 14)}
    return made | {"obv": talib.OBV(c, v), "vwap": talib.VWAP(h, low, c, v)}


def main() -> None:
    """Work out all columns and print how long each pass took and the last row."""
    data, n = np.load(sys.argv[1]), int(sys.argv[3])
    h, low, c, v = (np.ascontiguousarray(data[name][:n]) for name in ("high", "low", "close", "volume"))
    seconds = []
    for _ in range(PASSES):
        started = time.perf_counter()
        made = averages(c) | oscillators(h, low, c) | spreads_and_volumes(h, low, c, v)
        seconds.append(time.perf_counter() - started)
    last = {name: float(column[-1]) for name, column in made.items()}
    # It counts the first bar's volume, whose direction nobody knows.
    last["obv"] -= float(v[0])
    print(json.dumps({"seconds": seconds, "last": last}))


main()
