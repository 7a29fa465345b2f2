"""The data every side gets: seeded minute bars with eight decimals, so that no two averages tie."""

from pathlib import Path

import numpy as np

FAST = 20
SLOW = 50
FEE_BPS = 10.0
SWEEP = tuple((fast, slow) for fast in range(5, 55, 5) for slow in range(60, 160, 10))
"""One hundred pairs of windows."""


def bars_file(folder: Path, n_bars: int) -> Path:
    """Return the file with `n_bars` bars in `folder`, written at the first call."""
    path = folder / f"bars_{n_bars}.npz"
    if not path.exists():
        write_bars(path, n_bars)
    return path


def market_files(folder: Path, n_bars: int, n_symbols: int) -> list[Path]:
    """Return a file of `n_bars` bars for each symbol in `folder`, written at the first call."""
    paths = [folder / f"bars_{n_bars}_{symbol}.npz" for symbol in range(n_symbols)]
    for symbol, path in enumerate(paths):
        if not path.exists():
            write_bars(path, n_bars, symbol)
    return paths


def write_bars(path: Path, n_bars: int, symbol: int = 0) -> None:
    """Write an `.npz` of open, high, low, close, volume and opening times, and the windows; the same for every run."""
    rng = np.random.default_rng(20_260_101 + symbol)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 5e-4, n_bars))), 8)
    opened = np.concatenate([[100.0], np.round(close[:-1] * np.exp(rng.normal(0, 5e-5, n_bars - 1)), 8)])
    reach = np.abs(rng.normal(0, 2e-4, n_bars))
    np.savez(
        path,
        open=opened,
        high=np.round(np.maximum(opened, close) * (1 + reach), 8),
        low=np.round(np.minimum(opened, close) * (1 - reach), 8),
        close=close,
        volume=np.round(np.exp(rng.normal(2, 1, n_bars)), 3),
        opened_at_ns=np.int64(1_600_041_600_000_000_000) + np.arange(n_bars, dtype=np.int64) * 60_000_000_000,
        windows=np.array([FAST, SLOW]),
        fee_bps=np.array(FEE_BPS),
        sweep=np.array(SWEEP),
    )
