"""Folds as worked out by hand, beside skfolio's, and no label on both sides of a border."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skfolio.model_selection import CombinatorialPurgedCV

from core.errors import BadInput
from ml.labels import Labels
from ml.splits import combinatorial_purged, purged_walk_forward, uniqueness_weights


def labels_of(n: int, horizon: int) -> Labels:
    end = np.arange(n) + horizon
    end[end >= n] = -1
    y = np.where(end >= 0, 1.0, np.nan)
    return Labels(y, end, y)


def test_a_walk_forward_by_hand():
    first, second = purged_walk_forward(labels_of(30, 3), 12, 24, 6, embargo_bars=2)
    # A label of row i is settled at i + 3, and two more bars pass before row 12: i + 5 < 12.
    assert first.train.tolist() == list(range(7)) and first.test.tolist() == list(range(12, 18))
    assert second.train.tolist() == list(range(13)) and second.test.tolist() == list(range(18, 24))


def test_a_rolling_window_forgets_the_oldest():
    _, second = purged_walk_forward(labels_of(30, 3), 12, 24, 6, 2, train_bars=8)
    assert second.train.tolist() == [10, 11, 12]


def test_rows_without_a_label_are_on_neither_side():
    labels = labels_of(40, 2)
    labels.end[[3, 21]] = -1
    (fold,) = purged_walk_forward(labels, 20, 30, 10, 0)
    assert 3 not in fold.train and 21 not in fold.test and len(fold.test) == 9


@settings(deadline=None)
@given(st.integers(0, 12), st.integers(0, 30), st.integers(0, 10_000))
def test_no_label_reaches_from_training_into_a_test(horizon, embargo, seed):
    rng = np.random.default_rng(seed)
    n = 300
    end = np.arange(n) + rng.integers(0, horizon + 1, n)
    end[end >= n] = -1
    labels = Labels(np.ones(n), end, np.ones(n))
    for fold in purged_walk_forward(labels, 100, n, 70, embargo):
        assert labels.end[fold.train].max() + embargo < fold.test.min()
    for fold in combinatorial_purged(labels, 5, 2, embargo):
        is_test = np.zeros(n + 1, dtype=bool)
        for row in fold.test:
            is_test[row : labels.end[row] + 1] = True
        touched = [row for row in fold.train if is_test[row : labels.end[row] + 1].any()]
        assert touched == []


def test_combinatorial_folds_test_every_row_equally_often():
    folds = combinatorial_purged(labels_of(120, 4), 6, 2, 3)
    assert len(folds) == 15
    times = np.bincount(np.concatenate([fold.test for fold in folds]), minlength=116)
    assert (times[:116] == 5).all()


def test_combinatorial_folds_are_skfolios():
    """There a label ends with its row, so purging is given as a size: both keep the horizon clear before a test."""
    n, horizon, embargo = 120, 4, 7
    labels = labels_of(n + horizon, horizon)
    ours = combinatorial_purged(labels, 6, 2, embargo)
    theirs = CombinatorialPurgedCV(6, 2, purged_size=horizon, embargo_size=embargo).split(np.zeros((n, 1)))
    tests = {tuple(np.sort(np.concatenate(test))): set(train) for train, test in theirs}
    for fold in ours:
        assert set(fold.train) <= tests[tuple(fold.test)]
        assert len(tests[tuple(fold.test)]) - len(fold.train) <= 2 * embargo


def test_uniqueness_by_hand():
    # spans (1,2), (2,3), (5,5): bars 1 and 3 belong to one label, bar 2 to two
    labels = Labels(np.ones(6), np.array([2, 3, -1, -1, 5, -1]), np.ones(6))
    assert uniqueness_weights(labels, np.array([0, 1, 4])).tolist() == [0.75, 0.75, 1.0]


def test_labels_that_overlap_h_times_have_one_hth_of_their_own():
    labels = labels_of(500, 5)
    weights = uniqueness_weights(labels, np.arange(495))
    assert weights[10:485] == pytest.approx(0.2)
    assert weights.sum() == pytest.approx(499 / 5, abs=1)


def test_splits_that_cannot_be_are_refused():
    with pytest.raises(BadInput, match="rows to learn from"):
        purged_walk_forward(labels_of(30, 3), 4, 24, 6, 24)
    with pytest.raises(BadInput, match="leave none"):
        purged_walk_forward(labels_of(30, 3), 40, 50, 6, 2)
    with pytest.raises(BadInput, match="groups"):
        combinatorial_purged(labels_of(30, 3), 5, 5, 2)
    with pytest.raises(BadInput, match="folds"):
        combinatorial_purged(labels_of(300, 3), 30, 10, 2)
    with pytest.raises(BadInput, match="uniqueness"):
        uniqueness_weights(labels_of(30, 3), np.array([29]))
