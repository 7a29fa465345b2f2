"""Which rows of a table a sequence model reads: up to `lookback`, back to where the unbroken run of bars began."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from market.candles import Integers


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Places of predictions whose windows have one length, so that they can be stacked."""

    length: int
    """Rows of each window, the predicted row included."""
    places: Integers
    """Where in the asked rows these are."""


def window_lengths(segment: Integers, rows: Integers, lookback: int) -> Integers:
    """Return (len(rows),) how many rows each window has: `lookback`, or fewer where its segment begins later.

    `segment` (n,) is the same number along an unbroken run and never comes back to an earlier run's number.
    """
    if len(segment) == 0:
        return np.empty(0, dtype=np.int64)
    begins = np.concatenate([[True], segment[1:] != segment[:-1]])
    first = np.maximum.accumulate(np.where(begins, np.arange(len(segment)), 0))
    return np.minimum(rows - first[rows] + 1, lookback)


def windows_by_length(segment: Integers, rows: Integers, lookback: int) -> Iterator[Windows]:
    """Yield the windows of `rows`, the longest first."""
    lengths = window_lengths(segment, rows, lookback)
    for length in np.unique(lengths)[::-1]:
        yield Windows(int(length), np.flatnonzero(lengths == length))


def window_rows(rows: Integers, length: int) -> Integers:
    """Return (len(rows), length) the rows of each window, oldest first."""
    return rows[:, None] + np.arange(1 - length, 1)
