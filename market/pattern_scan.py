"""All patterns of a row of candles at once, none of them across a gap."""

import numpy as np

from market.candle_patterns import scan_candles
from market.candles import Candles, Floats
from market.chart_patterns import scan_charts


def scan_patterns(candles: Candles, interval_ms: int) -> dict[str, Floats]:
    """Return for each pattern an array (n,) of 1 or -1 at the bars where it completes and 0 elsewhere.

    `candles` lie in the order of time; where one is missing every pattern begins anew.
    """
    starts = np.ones(len(candles))
    starts[1:] = np.diff(candles.opened_at_ms) != interval_ms
    edges = [*np.flatnonzero(starts).tolist(), len(candles)]
    runs = [scan_candles(candles.rows(slice(a, b))) for a, b in zip(edges, edges[1:], strict=False)]
    joined = {name: np.concatenate([run[name] for run in runs]) for name in (runs[0] if runs else ())}
    return scan_charts(candles, starts) | joined
