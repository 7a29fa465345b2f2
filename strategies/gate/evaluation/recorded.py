"""Nulls of real returns: how often the sealed test's p-value rejects when the truth is turned into nothing.

The daily difference of two trend rules on recorded prices keeps its tails, its sparse days and its clusters; blocks of
it get a random sign each, which takes away whatever edge there was.
"""

from pathlib import Path

import numpy as np

from core.errors import BadInput
from core.metrics import Series
from market.ohlcv_files import parse_ohlcv
from strategies.gate.evaluation.trend import LOOKBACK, WARM_UP, momentum
from strategies.gate.evaluation.worlds import N_SEALED
from strategies.gate.paired import block_t_p_value, hac_p_value, paired_difference

FILES = tuple(f"binance_spot_1h_{name}USDT.parquet" for name in ("BTC", "ETH", "BNB", "LTC", "XRP"))
OTHER_LOOKBACKS = (10, 12, 15, 18, 25, 30, 40, 50, 60)
BLOCK_DAYS = 20
DAY_MS = 86_400_000


def load_differences(folder: Path) -> Series:
    """Return changes x days: volatility-matched differences of each other look-back to 20 days, the newest 730 days.

    Raises BadInput naming a file that is missing or cannot be read, and when there are too few days.
    """
    closes = [_daily_closes(folder / "ohlcv" / name) for name in FILES]
    first, last = max(min(one) for one in closes), min(max(one) for one in closes)
    days = np.arange(first, last + 1)
    if len(days) <= WARM_UP + N_SEALED:
        raise BadInput(f"{len(days)} days are in the candles of {folder}; {WARM_UP + N_SEALED + 1} are needed")
    prices = np.log(np.array([_filled(one, days) for one in closes]))
    returns = np.diff(prices, axis=1)
    incumbent = momentum(prices, returns, LOOKBACK)[-N_SEALED:]
    found = []
    for lookback in OTHER_LOOKBACKS:
        d = paired_difference(momentum(prices, returns, lookback)[-N_SEALED:], incumbent)
        if isinstance(d, str):
            raise BadInput(f"look-back {lookback} cannot be compared with {LOOKBACK} on the candles of {folder}: {d}")
        found.append(d)
    return np.array(found)


def null_p_values(rng: np.random.Generator, differences: Series, n_draws: int) -> list[float]:
    """Return the sealed test's p-value of so many nulls of each difference."""
    found = []
    n_blocks = -(-differences.shape[1] // BLOCK_DAYS)
    for d in differences:
        for _ in range(n_draws):
            signs = np.repeat(rng.choice([-1.0, 1.0], n_blocks), BLOCK_DAYS)[: d.size]
            p_block, p_hac = block_t_p_value(d * signs), hac_p_value(d * signs)
            found.append(1.0 if p_block is None or p_hac is None else max(p_block, p_hac))
    return found


def _daily_closes(path: Path) -> dict[int, float]:
    rows = parse_ohlcv(path)
    candles = rows.candles.rows(rows.has_time & (rows.candles.close > 0))
    # Rows are in the order of time, so that the last one of a day stays.
    return dict(zip((candles.opened_at_ms // DAY_MS).tolist(), candles.close.tolist(), strict=True))


def _filled(closes: dict[int, float], days: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[float]:
    """Return a close a day; a day without candles keeps the one before."""
    found: list[float] = []
    for day in days.tolist():
        found.append(closes.get(day, found[-1] if found else float("nan")))
    return found
