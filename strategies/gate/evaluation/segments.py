"""Sharpe ratios over parts of a history from sums over 24 segments: halves, thirds, sixths and eighths of one pass."""

from dataclasses import dataclass

import numpy as np

from core.metrics import Series

N_SEGMENTS = 24


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums and sums of squares over segments in a row; the last axis is the segments."""

    sums: Series
    squares: Series
    sizes: Series
    """Days of each segment."""

    def sharpe(self, start: int = 0, stop: int = N_SEGMENTS) -> Series:
        """Return the Sharpe ratios per day over segments `start` to `stop`; NaN where nothing varies."""
        return sharpe_from(
            self.sums[..., start:stop].sum(axis=-1),
            self.squares[..., start:stop].sum(axis=-1),
            float(self.sizes[start:stop].sum()),
        )

    def total(self, start: int, stop: int) -> Series:
        """Return the sums over segments `start` to `stop`."""
        return np.asarray(self.sums[..., start:stop].sum(axis=-1), dtype=np.float64)


def moments_of(returns: Series) -> Moments:
    """Return the moments along the last axis, which is days."""
    n_days = returns.shape[-1]
    edges = np.linspace(0, n_days, N_SEGMENTS + 1).round().astype(np.int64)
    sums = np.add.reduceat(returns, edges[:-1], axis=-1)
    squares = np.add.reduceat(returns * returns, edges[:-1], axis=-1)
    return Moments(sums, squares, np.diff(edges).astype(np.float64))


def sharpe_over(returns: Series) -> Series:
    """Return the Sharpe ratios per day along the last axis; NaN where nothing varies."""
    return sharpe_from(returns.sum(axis=-1), (returns * returns).sum(axis=-1), float(returns.shape[-1]))


def sharpe_from(sums: Series, squares: Series, n: float) -> Series:
    """Return mean over standard deviation (n - 1) from sums over `n` days; NaN where nothing varies."""
    mean = sums / n
    variance = (squares - n * mean**2) / (n - 1)
    return np.asarray(mean / np.sqrt(np.where(variance > 0, variance, np.nan)), dtype=np.float64)
