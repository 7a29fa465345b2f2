"""Longer candles out of shorter ones."""

import numpy as np

from market.candles import Candles


def whole_candles(candles: Candles, interval_ms: int, longer_ms: int) -> Candles:
    """Return the candles of `longer_ms`, aligned to whole intervals since 1970, of which every part is there.

    `candles` of `interval_ms` lie in the order of time. Candles as long as asked, or longer, are returned as they are.
    """
    if interval_ms >= longer_ms or not len(candles):
        return candles
    starts_at = candles.opened_at_ms // longer_ms * longer_ms
    first = np.flatnonzero(np.append(True, starts_at[1:] != starts_at[:-1]))
    n_parts = np.diff(np.append(first, len(candles)))
    last = first + n_parts - 1
    whole = n_parts == longer_ms // interval_ms
    joined = Candles(
        starts_at[first],
        candles.open[first],
        np.maximum.reduceat(candles.high, first),
        np.minimum.reduceat(candles.low, first),
        candles.close[last],
        np.add.reduceat(candles.volume, first),
    )
    return joined.rows(whole)
