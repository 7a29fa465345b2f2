"""Daily differences of a candidate to its incumbent as they come: fat tails, clustered volatility, many days alike."""

import numpy as np

from core.metrics import Series
from strategies.gate.sequential import FLOOR

ACTIVE_SHARE = 0.25
"""Of days on which the two differ by more than noise."""


def differences(rng: np.random.Generator, n_paths: int, n_days: int, annual_ir: float = 0.0) -> Series:
    """Return d, paths x days, of deviation about 0.001: GARCH(1,1) with t(5), most of it on a quarter of the days."""
    variance = np.ones(n_paths)
    paths = np.empty((n_paths, n_days))
    n_burn = 50
    for day in range(-n_burn, n_days):
        shock = rng.standard_t(5, n_paths) / np.sqrt(5 / 3) * np.sqrt(variance)
        variance = 0.05 + 0.08 * shock**2 + 0.87 * variance
        if day >= 0:
            size = np.where(rng.random(n_paths) < ACTIVE_SHARE, np.sqrt(0.96 / ACTIVE_SHARE), 0.2 / np.sqrt(0.75))
            paths[:, day] = shock * size
    return 0.001 * (paths + annual_ir / np.sqrt(365))


def stopped(d: Series, n_past: int) -> Series:
    """Return d (paths x days) with every loss after `n_past` days ended by a stop at 8 sigma of the days before."""
    held = d.copy()
    for day in range(n_past, d.shape[1]):
        held[:, day] = np.maximum(d[:, day], FLOOR * held[:, :day].std(axis=1, ddof=1))
    return held
