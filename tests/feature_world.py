"""Candles and inputs for the tests of features: made ones, and the recorded."""

import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.native_features import FeatureBars
from market.candles import Candles, Floats
from ml.features.registry import Registry

HOUR_MS = 3_600_000
START_MS = 1_600_000_000_000 // HOUR_MS * HOUR_MS


def data_dir() -> Path:
    """Return the folder of recorded data; skips the test without one, and fails it in CI."""
    named = os.environ.get("XCRACK_DATA_DIR", "")
    if not named and os.environ.get("CI") == "true":
        pytest.fail("XCRACK_DATA_DIR names no folder of recorded data")
    if not named:
        pytest.skip("XCRACK_DATA_DIR is not set: no recorded data to test with")
    return Path(named)


def recorded(symbol: str, n: int | None = None) -> Candles:
    """Return the first `n` recorded hours of a symbol, its outages included."""
    table = pq.read_table(data_dir() / "ohlcv" / f"binance_spot_1h_{symbol}.parquet").slice(0, n)
    return Candles(*(table[name].to_numpy() for name in ("ts", "open", "high", "low", "close", "volume")))


def made(n: int, seed: int = 1, silent: float = 0.03, interval_ms: int = HOUR_MS) -> Candles:
    """Return a seeded walk with gaps between bars, ties and a share of silent bars, but no missing one."""
    dice = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(dice.normal(0, 0.01, n) * (dice.random(n) > 0.05)))
    open_ = np.concatenate([[100.0], close[:-1]]) * np.exp(dice.normal(0, 0.001, n))
    high = np.maximum(open_, close) * np.exp(np.abs(dice.normal(0, 0.004, n)))
    low = np.minimum(open_, close) * np.exp(-np.abs(dice.normal(0, 0.004, n)))
    volume = np.exp(dice.normal(3, 1, n)) * (dice.random(n) >= silent)
    return Candles(START_MS + np.arange(n, dtype=np.int64) * interval_ms, open_, high, low, close, volume)


def made_extras(registry: Registry, candles: Candles, seed: int = 2) -> Floats:
    """Return inputs beside the candles, every one of them known at every bar and unlike every other."""
    dice = np.random.default_rng(seed)
    n = len(candles)
    extras = np.exp(np.cumsum(dice.normal(0, 0.01, (n, len(registry.extra_inputs))), axis=0))
    places = {name: place for place, name in enumerate(registry.extra_inputs)}
    extras[:, places["market_return"]] = dice.normal(0, 0.01, n)
    extras[:, places["order_flow"]] = dice.normal(0, 5, n)
    extras[:, places["bid"]] = candles.close * 0.9999
    extras[:, places["ask"]] = candles.close * (1.0001 + 0.0001 * dice.random(n))
    return extras


def bars(candles: Candles) -> FeatureBars:
    return FeatureBars(candles.opened_at_ms, candles.open, candles.high, candles.low, candles.close, candles.volume)


def bits(values: Floats) -> np.ndarray:
    """Return the numbers as integers of the same bits, so that 0 is not -0; one NaN is any other."""
    return np.where(np.isnan(values), np.nan, values).view(np.int64)
