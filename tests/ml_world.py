"""Made series with known skill, for the tests of models: a planted signal, a leak, a break of regime."""

import numpy as np

from market.candles import Floats, Integers
from ml.features.table import FeatureTable

HOUR_MS = 3_600_000
FIRST_MS = 1_600_000_000_000 // HOUR_MS * HOUR_MS


def table_of(
    close: Floats,
    high: Floats | None = None,
    low: Floats | None = None,
    segment: Integers | None = None,
    values: Floats | None = None,
    names: tuple[str, ...] | None = None,
) -> FeatureTable:
    """Return a table of hours around the closes; without highs and lows each bar is a point."""
    n = len(close)
    found = np.zeros((n, 1)) if values is None else values
    return FeatureTable(
        symbol="BTCUSDT",
        interval_ms=HOUR_MS,
        names=names or tuple(f"x{column}" for column in range(found.shape[1])),
        schema_sha256="0" * 64,
        closed_at_ms=FIRST_MS + HOUR_MS * np.arange(1, n + 1, dtype=np.int64),
        close=close,
        high=close if high is None else high,
        low=close if low is None else low,
        segment=np.zeros(n, dtype=np.int64) if segment is None else segment,
        values=found,
    )


def planted(n: int, skill: float, seed: int, n_noise: int = 6, break_at: int | None = None) -> FeatureTable:
    """Return a walk whose next return has the sign of column 0 with probability 1/2 + skill, and noise columns.

    From row `break_at` on the sign is turned: what was learned before is wrong after. Columns 1 and 2 are the last
    return and the absolute last return.
    """
    rng = np.random.default_rng(seed)
    signal = rng.choice([-1.0, 1.0], n)
    agrees = rng.random(n) < 0.5 + skill
    if break_at is not None:
        agrees[break_at:] = ~agrees[break_at:]
    sign = np.where(agrees, signal, -signal)
    size = np.abs(rng.normal(0, 0.01, n)) + 1e-5
    returns = np.concatenate([[0.0], (sign * size)[:-1]])
    close = 100 * np.exp(np.cumsum(returns))
    noise = rng.normal(0, 1, (n, n_noise))
    values = np.column_stack([signal, returns, np.abs(returns), noise])
    return table_of(close, close * 1.002, close * 0.998, values=values)
