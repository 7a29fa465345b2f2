"""Drift, comparison and scores while a model speaks: errors as promised, however often one looks."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from ml.online.adwin import Adwin
from ml.online.comparison import BETTER, MIN_SCORED, Comparison, Evidence
from ml.online.scores import Settled, score, score_by
from ml.online.shift import MUCH, FeatureReference


def drifts(values: np.ndarray) -> list[int]:
    found, window = [], Adwin()
    for place, value in enumerate(values):
        if window.update(float(value)):
            found.append(place)
            window = Adwin()
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(8))
def test_drifts_are_those_of_the_library_that_begins_anew_after_each(seed: int) -> None:
    from river.drift import ADWIN

    rng = np.random.default_rng(seed)
    stretches = [rng.random(int(rng.integers(200, 1_500))) * 0.4 + shift for shift in rng.random(4) * 0.5]
    values, theirs, oracle = np.concatenate(stretches), [], ADWIN()
    for place, value in enumerate(values):
        oracle.update(float(value))
        if oracle.drift_detected:
            theirs.append(place)
    assert drifts(values) == theirs and theirs


def test_a_stream_that_never_changes_is_hardly_ever_called_changed() -> None:
    rng = np.random.default_rng(3)
    n_alarmed = sum(bool(drifts(rng.random(2_000))) for _ in range(40))
    assert n_alarmed <= 3


def test_the_window_forgets_what_is_no_longer_so() -> None:
    window = Adwin()
    for value in [0.2] * 1_000 + [0.6] * 1_000:
        window.update(value)
    assert window.mean == pytest.approx(0.6, abs=0.01) and window.n <= 1_010 and window.n_drifts >= 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300))
def test_the_window_adds_up_whatever_comes(values: list[float]) -> None:
    window = Adwin()
    for value in values:
        window.update(value)
    kept = values[len(values) - window.n :]
    assert window.mean == pytest.approx(np.mean(kept), abs=1e-9)
    assert window.spread == pytest.approx(np.var(kept) * len(kept), abs=1e-6)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_score_is_refused_and_changes_nothing(value: float) -> None:
    window = Adwin()
    window.update(0.5)
    with pytest.raises(BadInput, match="says nothing"):
        window.update(value)
    assert window.n == 1


def test_a_model_that_is_not_better_is_hardly_ever_called_so_at_any_time() -> None:
    rng = np.random.default_rng(5)
    n_wrong = 0
    for _ in range(200):
        evidence = Evidence()
        truth = rng.uniform(0.3, 0.7, 1_500)
        labels = (rng.random(1_500) < truth).astype(int)
        noisy = np.clip(truth + rng.normal(0, 0.05, 1_500), 0, 1)
        ever = False
        for p, q, y in zip(truth, noisy, labels, strict=True):
            evidence.add(float(p), float(q), int(y))
            ever = ever or evidence.value > BETTER
        n_wrong += ever
    assert n_wrong <= 18, "at most one in twenty, with the noise of 200 streams"


def test_equal_models_never_move_and_a_better_one_is_told() -> None:
    rng = np.random.default_rng(6)
    truth = rng.uniform(0.35, 0.65, 6_000)
    labels = (rng.random(6_000) < truth).astype(int)
    same, better = Evidence(), Comparison(1)
    for row, (p, y) in enumerate(zip(truth, labels, strict=True)):
        same.add(0.5, 0.5, int(y))
        better.add(row, 0.5, float(p), int(y))
    assert same.value == 1.0 and not same.is_better
    assert better.for_second.is_better and better.for_first.value < 0.05


def test_evidence_counts_only_after_enough_labels() -> None:
    evidence = Evidence()
    for _ in range(MIN_SCORED - 1):
        evidence.add(0.3, 0.7, 1)
    assert evidence.value > BETTER and not evidence.is_better
    evidence.add(0.3, 0.7, 1)
    assert evidence.is_better


def test_labels_that_overlap_are_not_counted_twice() -> None:
    comparison = Comparison(5)
    assert [comparison.add(bar, 0.4, 0.6, 1) for bar in range(11)] == [bar % 5 == 0 for bar in range(11)]
    assert comparison.for_second.n == 3


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(0, 1)), max_size=60))
def test_a_restored_comparison_goes_on_as_if_nothing_had_been(rows: list[tuple[float, float, int]]) -> None:
    whole, half = Evidence(), Evidence()
    for place, row in enumerate(rows):
        whole.add(*row)
        half.add(*row)
        if place % 7 == 0:
            half = Evidence.from_plain(json.loads(json.dumps(half.to_plain())))
    assert half == whole and math.isfinite(whole.value) and whole.value > 0


@pytest.mark.parametrize("row", [(1.2, 0.5, 1), (0.5, math.nan, 1), (0.5, 0.5, 2)])
def test_what_cannot_be_compared_is_refused(row: tuple[float, float, int]) -> None:
    with pytest.raises(BadInput, match="no probabilities"):
        Evidence().add(*row)


def test_features_that_lie_as_before_have_an_index_of_chance_and_moved_ones_more() -> None:
    rng = np.random.default_rng(7)
    reference = FeatureReference.fit(("same", "moved", "lost"), rng.normal(size=(4_000, 3)))
    recent = rng.normal(size=(1_000, 3))
    recent[:, 1] += 1.0
    recent[::3, 2] = np.nan
    same, moved, lost = reference.index(recent)
    assert same < 4 * reference.expected_by_chance(1_000) < 0.1 and moved > MUCH and lost > MUCH
    again = FeatureReference.from_plain(json.loads(json.dumps(reference.to_plain())))
    assert np.array_equal(again.index(recent), reference.index(recent))


def test_a_feature_with_few_values_and_one_without_any_have_an_index() -> None:
    x = np.column_stack([np.tile([0.0, 1.0], 500), np.full(1_000, np.nan)])
    reference = FeatureReference.fit(("weekend", "unknown"), x)
    assert reference.index(x[:200]).tolist() == pytest.approx([0.0, 0.0], abs=0.05)
    assert reference.index(np.zeros((200, 2)))[1] > MUCH


@pytest.mark.parametrize(
    "plain", [{}, {"names": [], "edges": [], "counts": []}, {"names": ["a"], "edges": [[1]], "counts": [[1]]}]
)
def test_a_reference_that_is_none_is_refused(plain: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="no reference"):
        FeatureReference.from_plain(plain)


ROW = Settled("p-1", "BTCUSDT", 1, "a" * 64, "trend", 0.6, 0.5, 1)


def test_scores_are_those_of_counting_by_hand() -> None:
    rows = [replace(ROW, probability=p, y=y) for p, y in ((0.6, 1), (0.6, 0), (0.3, 0), (0.8, 1))]
    found = score(rows)
    assert found is not None and found.accuracy == 0.75 and found.n == 4
    assert found.log_loss == pytest.approx(-np.mean(np.log([0.6, 0.4, 0.7, 0.8])))
    assert found.log_loss_skill == pytest.approx(1 - found.log_loss / math.log(2))
    assert found.brier_skill == pytest.approx(1 - np.mean([0.16, 0.36, 0.09, 0.04]) / 0.25)
    assert found.ece == pytest.approx((abs(1.2 - 1) + abs(0.3 - 0) + abs(0.8 - 1)) / 4)
    assert score([]) is None


def test_overlapping_labels_widen_the_interval_and_groups_are_told_apart() -> None:
    hourly = [replace(ROW, y=k % 2) for k in range(240)]
    daily = [replace(row, horizon_bars=24) for row in hourly]
    plain, wide = score(hourly), score(daily)
    assert plain.accuracy_ci[1] - plain.accuracy_ci[0] < wide.accuracy_ci[1] - wide.accuracy_ci[0]
    assert wide.n_effective == pytest.approx(10)
    groups = score_by([*hourly, replace(ROW, probability=0.71, regime="range")], lambda row: row.bucket)
    assert list(groups) == ["0.60-0.65", "0.70-0.75"] and groups["0.70-0.75"].n == 1
