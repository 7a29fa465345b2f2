"""Each of the five leaks is planted and found; without it the same check is silent."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from market.candles import Candles
from ml.evaluate.leaks import (
    MIN_PURGE_EFFECT,
    fold_isolation,
    future_features,
    prefix_invariance,
    purge_effect,
    purging,
    shuffled_labels,
)
from ml.evaluate.protocol import predict_out_of_fold
from ml.features.scaling import Scaler
from ml.labels import sign_label
from ml.models.logistic import FittedLogistic, Logistic
from ml.models.random_forest import RandomForest
from ml.models.xgboost_trees import XgboostTrees
from ml.splits import Fold, purged_walk_forward
from tests.ml_world import HOUR_MS, planted

EXPERTS = (
    Logistic(0.1),
    RandomForest(n_trees=8, min_leaf=10, column_share=0.5, row_share=0.5),
    XgboostTrees(n_trees=10),
)
NAMES = tuple(expert.name for expert in EXPERTS)


@pytest.fixture(scope="module")
def world():
    table = planted(2400, 0.1, 3)
    labels = sign_label(table, 4)
    return table, labels, purged_walk_forward(labels, 1200, 2400, 600, 24)


def candles_of(n: int = 300) -> Candles:
    rng = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    return Candles(np.arange(n, dtype=np.int64) * HOUR_MS, close, close * 1.01, close * 0.99, close, np.ones(n))


def past_only(candles: Candles):
    change = np.append(np.nan, np.diff(np.log(candles.close)))
    return np.column_stack([change, np.cumsum(np.nan_to_num(change))])


def scaled_by_the_whole(candles: Candles):
    values = past_only(candles)
    return (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0)


def filled_backwards(candles: Candles):
    values = past_only(candles)
    values[0, 0] = values[1, 0] if len(values) > 100 else np.nan
    return values


def test_features_that_read_the_future_differ_on_prefixes():
    assert not prefix_invariance(past_only, candles_of(), (50, 123, 299)).is_leak
    for build in (scaled_by_the_whole, filled_backwards):
        found = prefix_invariance(build, candles_of(), (50, 123, 299))
        assert found.is_leak and "column" in found.message


def test_a_protocol_that_learns_its_tests_shows_skill_on_shuffled_labels(world):
    table, labels, folds = world

    def with_folds(used):
        return lambda y: predict_out_of_fold(table.values, table.segment, labels, y, used, EXPERTS, 1)

    leaky = tuple(Fold(np.concatenate([fold.train, fold.test[::2]]), fold.test) for fold in folds)
    assert not shuffled_labels(with_folds(folds), labels.y, NAMES, 5).is_leak
    found = shuffled_labels(with_folds(leaky), labels.y, NAMES, 5)
    assert found.is_leak and found.measured > 8


def test_a_column_made_of_the_label_is_named(world):
    table, labels, _ = world
    rows = np.flatnonzero(labels.is_known)
    assert not future_features(table.values, table.names, labels.y, rows).is_leak
    noise = np.random.default_rng(2).normal(0, 0.02, len(table))
    planted_column = np.column_stack([table.values, np.nan_to_num(labels.move) + noise])
    found = future_features(planted_column, (*table.names, "tomorrow"), labels.y, rows)
    assert found.is_leak and "tomorrow" in found.message


def test_training_rows_that_reach_a_test_are_counted(world):
    _, labels, folds = world
    assert not purging(labels, folds, 24, 1).is_leak
    unpurged = tuple(Fold(np.arange(fold.test[0]), fold.test) for fold in folds)
    found = purging(labels, unpurged, 24, 1)
    assert found.is_leak and found.measured == sum(4 for _ in folds)
    after = (replace(folds[0], train=np.append(folds[0].train, folds[0].test[-1] + 10)),)
    assert purging(labels, after, 24, 1).is_leak


def test_without_purging_the_score_rises():
    """Measured before: 0.30 to 0.45."""
    assert all(purge_effect(seed) > 3 * MIN_PURGE_EFFECT for seed in (1, 2, 3))


@dataclass(frozen=True)
class ScaledByAllRows(Logistic):
    """The usual mistake: the scaler is fitted before the split."""

    name: str = "scaled_by_all_rows"

    def fit(self, x, segment, rows, y, weight, seed):
        scaler = Scaler.fit(x)
        honest = Logistic.fit(self, scaler.transform(x), segment, rows, y, weight, seed)
        return FittedLogistic(Scaler(scaler.mean, scaler.scale, honest.scaler.clip), honest.weights, honest.bias)


@dataclass(frozen=True)
class ColumnsChosenByAllRows(Logistic):
    """The other usual mistake: columns are chosen by what all rows say."""

    name: str = "columns_chosen_by_all_rows"

    def fit(self, x, segment, rows, y, weight, seed):
        kept = np.argsort(np.nanstd(x, axis=0))[:3]
        masked = np.zeros_like(x)
        masked[:, kept] = x[:, kept]
        return Logistic.fit(self, masked, segment, rows, y, weight, seed)


def test_a_scaler_or_selection_fitted_on_all_rows_is_seen(world):
    table, labels, folds = world
    assert not fold_isolation(table.values, table.segment, labels.y, folds[0], EXPERTS, 1).is_leak
    for mistake in (ScaledByAllRows(0.1), ColumnsChosenByAllRows(0.1)):
        found = fold_isolation(table.values, table.segment, labels.y, folds[0], (*EXPERTS, mistake), 1)
        assert found.is_leak and mistake.name in found.message
