"""Candles for tests: a seeded walk, sound by default."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from market.candles import MINUTE_MS, Candles, ms_of

START = datetime(2026, 2, 1, tzinfo=UTC)
QUARTER_HOUR_MS = 15 * MINUTE_MS


def walk(
    n: int,
    start_at: datetime = START,
    interval_ms: int = QUARTER_HOUR_MS,
    price: float = 60_000.0,
    seed: int = 1,
) -> Candles:
    dice = np.random.default_rng(seed)
    close = np.round(price * np.exp(np.cumsum(dice.normal(0, 0.002, n))), 2)
    open_ = np.concatenate([[price], close[:-1]])
    high = np.round(np.maximum(open_, close) * 1.001, 2)
    low = np.round(np.minimum(open_, close) * 0.999, 2)
    volume = np.round(dice.uniform(1, 9, n), 3)
    return Candles(ms_of(start_at) + np.arange(n, dtype=np.int64) * interval_ms, open_, high, low, close, volume)


def csv_lines(candles: Candles) -> list[str]:
    rows = zip(candles.opened_at_ms, candles.values(), strict=True)
    return [",".join([str(at), *(repr(float(value)) for value in values)]) for at, values in rows]


def write_csv(path: Path, lines: list[str], header: str = "ts,open,high,low,close,volume") -> Path:
    path.write_text("\n".join([header, *lines] if header else lines) + "\n", encoding="utf-8")
    return path
