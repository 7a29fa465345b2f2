"""The watch over a change in force: how often one that does no harm is taken back, and how soon one that does."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import Corrupt
from core.metrics import DAYS_PER_YEAR
from strategies.gate.boundary import HORIZON_DAYS, calibrate_boundary, rollback_days
from strategies.gate.evaluation.worlds import (
    ACTIVE_SHARE,
    CORRELATION,
    N_DAYS,
    N_SEALED,
    VOLATILITY,
    make_market,
    own_noise,
)
from strategies.gate.paired import paired_difference

SHIFTS = (0, -2, -4, -6, -10)
"""Information ratios of what the change does once it is in force."""

Days = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Watched:
    """Day from 1 on which the watch ended, by world; 0 where it never did."""

    boundary: Days
    """By the calibrated boundary."""
    either: Days
    """By boundary or loss budget, whichever came first: both together are calibrated."""


def watch(rng: np.random.Generator, n_worlds: int) -> dict[int, Watched]:
    """Return by shift what became of 90 days in force; boundary and budget come from the pair's own sealed days."""
    market = make_market(rng, n_worlds, N_DAYS)
    incumbent, candidate = (market.shared + own_noise(rng, market.volatility, 1)[:, 0] for _ in range(2))
    ended: dict[int, list[tuple[int, int]]] = {shift: [] for shift in SHIFTS}
    for world in range(n_worlds):
        d = paired_difference(candidate[world, :N_SEALED], incumbent[world, :N_SEALED])
        boundary = d if isinstance(d, str) else calibrate_boundary(d, seed=int(rng.integers(2**31)))
        if isinstance(boundary, str):
            raise Corrupt(f"a made pair has no boundary: {boundary}")
        live = slice(N_DAYS - HORIZON_DAYS, N_DAYS)
        ratio = incumbent[world, :N_SEALED].std(ddof=1) / candidate[world, :N_SEALED].std(ddof=1)
        in_force = candidate[world, live] * ratio - incumbent[world, live]
        # Harm comes on days on which the two differ: spread over all days, the first quiet week would give it away.
        differs = candidate[world, live] != incumbent[world, live]
        harmed = in_force + np.array([harm_a_day(shift) for shift in SHIFTS])[:, None] * differs
        crossed, spent = rollback_days(harmed, boundary)
        for shift, first, second in zip(SHIFTS, crossed.tolist(), spent.tolist(), strict=True):
            ended[shift].append((first, min(first or second, second or first)))
    return {shift: Watched(*np.array(pairs, dtype=np.intp).T) for shift, pairs in ended.items()}


def harm_a_day(annual_ir: float) -> float:
    """Return what a day on which the two differ has to add, for an information ratio of the difference over all days.

    With a share w of such days and a mean m, the variance of the difference grows by m^2 (1/w - 1).
    """
    per_day = annual_ir / math.sqrt(DAYS_PER_YEAR)
    spread = VOLATILITY * math.sqrt(2 * (1 - CORRELATION))
    mean = per_day * spread / math.sqrt(1 - per_day**2 * (1 / ACTIVE_SHARE - 1))
    return mean / ACTIVE_SHARE
