"""Which rows a model may learn from and which it is judged on, without a label reaching from one into the other.

A label of row i is settled at row `end[i]`: the span i..end[i] must not touch the span of any test row, and an embargo
of further bars is kept, since features are dependent over more than the horizon. Purging, embargo, combinatorial
splits and uniqueness after Lopez de Prado (2018), chapters 4, 7 and 12.
"""

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from core.errors import BadInput
from market.candles import Floats, Integers
from ml.labels import Labels

MAX_COMBINATIONS = 500


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Rows to learn from and rows to be judged on, both in order and all with a label."""

    train: Integers
    test: Integers


def purged_walk_forward(
    labels: Labels,
    first_test: int,
    last_test: int,
    test_bars: int,
    embargo_bars: int,
    train_bars: int | None = None,
    first_train: int = 0,
) -> tuple[Fold, ...]:
    """Return folds of `test_bars` rows from `first_test` up to `last_test` (not included), each trained on its past.

    A row is learned from when its label is settled and `embargo_bars` more bars have passed before the test begins,
    and, with `train_bars`, when it is among that many last rows. The last fold may be shorter, at least a quarter.
    Raises BadInput where a fold would have no rows on a side.
    """
    if test_bars < 1 or embargo_bars < 0 or first_test < 1:
        raise BadInput(
            f"folds of {test_bars} bars from row {first_test} with an embargo of {embargo_bars} bars make no sense"
        )
    last_test = min(last_test, len(labels))
    rows = np.flatnonzero(labels.is_known)
    folds: list[Fold] = []
    for start in range(first_test, last_test, test_bars):
        stop = min(start + test_bars, last_test)
        if stop - start < test_bars / 4 and folds:
            break
        oldest = first_train if train_bars is None else max(first_train, start - train_bars)
        train = rows[(rows >= oldest) & (labels.end[rows] + embargo_bars < start)]
        test = rows[(rows >= start) & (rows < stop)]
        if not len(train) or not len(test):
            raise BadInput(
                f"the fold that tests rows {start} to {stop - 1} has {len(train)} rows to learn from and {len(test)} to"
                " be judged on",
                "Give a longer series or shorter folds",
            )
        folds.append(Fold(train, test))
    if not folds:
        raise BadInput(
            f"{last_test} rows leave none to be judged on after the first {first_test}", "Give a longer series"
        )
    return tuple(folds)


def combinatorial_purged(
    labels: Labels, n_groups: int, n_test_groups: int, embargo_bars: int, first: int = 0, last: int | None = None
) -> tuple[Fold, ...]:
    """Return a fold for each choice of `n_test_groups` out of `n_groups` equal runs of rows: the spread of a score.

    A training row is left out when the span of its label touches that of a test row, or when it comes within
    `embargo_bars` after a tested run and its last label.
    """
    if not 1 <= n_test_groups < n_groups:
        raise BadInput(f"{n_test_groups} of {n_groups} groups cannot be tested", "Test at least one, and not all")
    if (count := comb(n_groups, n_test_groups)) > MAX_COMBINATIONS:
        raise BadInput(f"{n_test_groups} of {n_groups} groups are {count} folds", f"Take at most {MAX_COMBINATIONS}")
    rows = np.flatnonzero(labels.is_known)
    rows = rows[(rows >= first) & (rows < (len(labels) if last is None else last))]
    groups = np.array_split(rows, n_groups)
    if any(len(group) == 0 for group in groups):
        raise BadInput(f"{len(rows)} labelled rows do not fill {n_groups} groups", "Take fewer groups")
    folds = []
    for chosen in combinations(range(n_groups), n_test_groups):
        train = rows[~np.isin(rows, np.concatenate([groups[g] for g in chosen]))]
        for group in (groups[g] for g in chosen):
            reaches = int(labels.end[group].max())
            is_clear = (labels.end[train] < group[0]) | (train > reaches + embargo_bars)
            train = train[is_clear]
        folds.append(Fold(train, np.concatenate([groups[g] for g in chosen])))
    return tuple(folds)


def uniqueness_weights(labels: Labels, rows: Integers) -> Floats:
    """Return (len(rows),) how much of its own each label is, in (0, 1]: the mean of 1 / concurrency over its span.

    The span of row i are the bars i + 1 to end[i], whose returns the label is made of; concurrency counts the labels
    of `rows` over each bar. Every row must have a label.
    """
    if bool((labels.end[rows] < 0).any()):
        raise BadInput("rows without a label have no uniqueness", "Give the rows of a fold")
    if not len(rows):
        return np.empty(0)
    first, last = rows + 1, labels.end[rows] + 1
    change = np.zeros(int(last.max()) + 1)
    np.add.at(change, first, 1.0)
    np.add.at(change, last, -1.0)
    concurrency = np.cumsum(change)
    share = np.where(concurrency > 0.5, 1 / np.maximum(concurrency, 1.0), 0.0)
    total = np.concatenate([[0.0], np.cumsum(share)])
    weights: Floats = (total[last] - total[first]) / (last - first)
    return weights
