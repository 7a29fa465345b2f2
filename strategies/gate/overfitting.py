"""How likely the best of many configurations is only the luckiest: a screen's figure, never evidence."""

import math
from itertools import combinations

import numpy as np

from core.metrics import Series
from strategies.gate.paired import MIN_DAYS


def overfitting_probability(results: Series, n_blocks: int = 8) -> float | None:
    """Return the probability of backtest overfitting by combinatorially symmetric cross-validation, or None.

    Bailey, Borwein, Lopez de Prado, Zhu 2017. `results` is configurations x days. Every half of the blocks picks its
    best configuration by Sharpe ratio; the figure is the share of halves whose pick ranks in the lower half on the
    other blocks. None for fewer than two configurations or 60 days, on NaN, or when a configuration does not vary in
    some half.
    """
    if results.ndim != 2 or results.shape[0] < 2 or results.shape[1] < MIN_DAYS or not np.isfinite(results).all():
        return None
    blocks = np.array_split(results, n_blocks, axis=1)
    sizes = np.array([block.shape[1] for block in blocks], dtype=np.float64)
    with np.errstate(over="ignore"):
        sums = np.array([block.sum(axis=1) for block in blocks])
        squares = np.array([(block**2).sum(axis=1) for block in blocks])
    inside = np.zeros((math.comb(n_blocks, n_blocks // 2), n_blocks))
    for row, half in zip(inside, combinations(range(n_blocks), n_blocks // 2), strict=True):
        row[list(half)] = 1.0
    picked = _sharpe_of(inside, sums, squares, sizes)
    judged = _sharpe_of(1.0 - inside, sums, squares, sizes)
    if picked is None or judged is None:
        return None
    of_pick = np.take_along_axis(judged, picked.argmax(axis=1)[:, None], axis=1)
    # The middle rank among equals, as in `scipy.stats.rankdata`.
    rank = (judged < of_pick).sum(axis=1) + ((judged == of_pick).sum(axis=1) + 1) / 2
    return float((rank / (results.shape[0] + 1) <= 0.5).mean())


def _sharpe_of(halves: Series, sums: Series, squares: Series, sizes: Series) -> Series | None:
    """Return halves x configurations; `halves` is halves x blocks of ones and zeros."""
    n = (halves @ sizes)[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        mean = halves @ sums / n
        variance = halves @ squares / n - mean**2
    # A sum that overflowed is a NaN, which compares false.
    if not (variance > 0).all():
        return None
    return np.asarray(mean / np.sqrt(variance), dtype=np.float64)
