"""Where the time of a training is cut: learned from, calibrated on, measured on, in this order, purged between."""

from dataclasses import dataclass

import numpy as np

from core.errors import BadInput
from market.candles import Integers
from ml.train.fitting import Split
from ml.train.tables import Pool
from ml.train.windows import window_lengths

TRAIN_SHARE, CALIBRATION_SHARE = 0.7, 0.15
"""Of the labelled rows by time; the rest measures."""
MIN_ROWS = 50
"""Of each part: fewer say nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Cuts:
    """Rows of a pool, rising."""

    train: Integers
    calibrate: Integers
    measure: Integers


def cut_by_time(pool: Pool, embargo_bars: int) -> Cuts:
    """Return the three parts; a row is in one whose label is settled `embargo_bars` before the next part begins.

    Raises BadInput when one would hold fewer than 50 rows or only one class.
    """
    rows = np.flatnonzero(pool.labels.is_known)
    at, settled = pool.closed_at_ms[rows], pool.settled_at_ms[rows] + embargo_bars * pool.interval_ms
    first, second = np.quantile(at, [TRAIN_SHARE, TRAIN_SHARE + CALIBRATION_SHARE], method="higher")
    cuts = Cuts(rows[settled < first], rows[(at >= first) & (settled < second)], rows[at >= second])
    for name, part in (("learn from", cuts.train), ("calibrate on", cuts.calibrate), ("measure on", cuts.measure)):
        if len(part) < MIN_ROWS:
            raise BadInput(f"{len(part)} labelled rows to {name} are fewer than {MIN_ROWS}", "Give a longer period")
        if len(np.unique(pool.labels.y[part])) < 2:
            raise BadInput(f"the rows to {name} all have one label", "Give a longer period or another threshold")
    return cuts


def split_by_time(pool: Pool, rows: Integers, lookback: int, valid_share: float, embargo_bars: int) -> Split:
    """Return the places in `rows` that a net learns from and, later and purged, those that tell it when to stop.

    Only rows with a whole window count. Raises BadInput when a side would be empty.
    """
    whole = np.flatnonzero(window_lengths(pool.segment, rows, lookback) == lookback)
    if not len(whole):
        raise BadInput(f"no run of bars is as long as {lookback} rows", "Give a longer period or a shorter sequence")
    at = pool.closed_at_ms[rows[whole]]
    begin = np.quantile(at, 1 - valid_share, method="higher")
    settled = pool.settled_at_ms[rows[whole]] + embargo_bars * pool.interval_ms
    split = Split(whole[settled < begin], whole[at >= begin])
    if not len(split.train):
        raise BadInput(f"{len(whole)} rows with a whole window are too few to learn from", "Give a longer period")
    return split
