"""What chance does to a bucket: the two ways in which trades are permuted when nothing is in a pattern.

Trades of one day share the day's luck, so the day is the block of both.
- Hour, volatility, symbol, side and strategy are compared within days. With r the deviation of a trade from the mean of
  its day and S_d the sum of r inside the bucket on day d, chance flips the signs of whole days. Luck that a whole day
  shares cancels out.
- Weekday and regime hardly change within a day. There chance shuffles the labels of whole days among the days, matched
  by their order within the day, and the statistic is the difference of the means.
"""

from collections.abc import Sequence

import numpy as np

from feedback.patterns.labels import Floats, LabelledTrades, Mask

N_PERMUTATIONS = 2_000
CHUNK = 250
"""Draws made at once: bounds the memory."""


def sign_flip_p_values(labelled: LabelledTrades, insides: Sequence[Mask], seed: int) -> Floats:
    """Return the two-sided p of each bucket within days, by seeded flips of T = sum(S_d). At least 1/2001."""
    by_day = np.array([labelled.sums_by_day(inside) for inside in insides])
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(N_PERMUTATIONS, by_day.shape[1]))
    return _share_as_large(np.abs(signs @ by_day.T), np.abs(by_day.sum(axis=1)))


def day_shuffle_p_values(labelled: LabelledTrades, insides: Sequence[Mask], seed: int) -> Floats:
    """Return the two-sided p of each bucket when the labels of whole days are shuffled. At least 1/2001."""
    observed, drawn = day_shuffles(labelled, insides, seed)
    return _share_as_large(np.abs(drawn), np.abs(observed))


def day_shuffles(labelled: LabelledTrades, insides: Sequence[Mask], seed: int) -> tuple[Floats, Floats]:
    """Return the lead of each bucket in bps as observed, and under seeded shuffles of whole days (draws x buckets).

    The lead is mean inside less mean outside, and 0 where one of the two is empty.
    """
    _, first, counts = np.unique(labelled.day, return_index=True, return_counts=True)
    day_of, rank = np.repeat(np.arange(len(counts)), counts), np.arange(len(labelled.day)) - np.repeat(first, counts)
    inside = np.array(insides)
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(len(counts)), (N_PERMUTATIONS, 1)), axis=1)
    drawn = np.empty((N_PERMUTATIONS, len(insides)))
    for start in range(0, N_PERMUTATIONS, CHUNK):
        source = order[start : start + CHUNK, day_of]
        # Trade number i of n in a day takes the label of trade number i * m // n of the day it is matched with.
        labels_from = first[source] + rank * counts[source] // counts[day_of]
        for place, mine in enumerate(inside):
            drawn[start : start + CHUNK, place] = _leads(labelled.net_bps, mine[labels_from])
    return _leads(labelled.net_bps, inside), drawn


def _leads(values: Floats, insides: Mask) -> Floats:
    n_inside = insides.sum(axis=1)
    n_outside = len(values) - n_inside
    total = insides @ values
    difference = total / np.maximum(n_inside, 1) - (values.sum() - total) / np.maximum(n_outside, 1)
    return np.where((n_inside > 0) & (n_outside > 0), difference, 0.0)


def _share_as_large(drawn: Floats, observed: Floats) -> Floats:
    # A little slack: the same sum in another order differs in its last bits.
    as_large = drawn >= observed * (1 - 1e-12)
    return np.asarray((1 + as_large.sum(axis=0)) / (1 + N_PERMUTATIONS), dtype=np.float64)
