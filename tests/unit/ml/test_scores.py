"""Scores as worked out by hand and beside scikit-learn's; intervals that cover; thresholds that never look ahead."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from ml.calibration import sigmoid
from ml.evaluate import scores
from ml.evaluate.tasks import BINARY, THREE, class_probabilities

HOUR = 3_600_000


def binary(n: int = 4000, seed: int = 1, bias: float = 0.0):
    rng = np.random.default_rng(seed)
    score = rng.normal(0, 1, n)
    y = (rng.random(n) < sigmoid(score)).astype(float)
    return class_probabilities((np.asarray(sigmoid(score + bias)),)), y


def test_losses_are_scikit_learns():
    p, y = binary()
    assert scores.log_losses(p, y, BINARY).mean() == pytest.approx(log_loss(y, p))
    assert scores.brier_losses(p, y, BINARY).mean() == pytest.approx(2 * brier_score_loss(y, p[:, 1]))


def test_skill_is_the_share_of_the_priors_loss_that_is_saved():
    p, y = binary()
    prior = np.full((len(y), 2), 0.5)
    losses, before = (scores.log_losses(given, y, BINARY) for given in (p, prior))
    assert scores.skill(before, before) == 0
    assert scores.skill(losses, before) == pytest.approx(1 - losses.sum() / (len(y) * np.log(2)))


def test_three_classes_multiply_out_and_the_likeliest_is_predicted():
    p = class_probabilities((np.array([0.5, 0.9, 0.6]), np.array([0.5, 0.1, 1.0])))
    np.testing.assert_allclose(p, [[0.25, 0.5, 0.25], [0.81, 0.1, 0.09], [0, 0.4, 0.6]])
    assert scores.hits(p, np.array([0.0, -1, -1]), THREE).tolist() == [True, True, False]


def test_a_coin_and_a_constant_have_no_skill_by_any_score():
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, 5000).astype(float)
    constant = np.full((5000, 2), 0.5)
    assert scores.auc(constant, y, BINARY) == 0.5
    assert scores.balanced_accuracy(constant, y, BINARY) == 0.5 and scores.matthews(constant, y, BINARY) == 0
    assert scores.auc(constant, np.ones(5000), BINARY) is None


def test_the_calibration_error_sees_a_bias_and_forgives_noise():
    straight, y = binary(20_000)
    bent, same_y = binary(20_000, bias=0.5)
    assert scores.calibration_error(straight, y, BINARY) < 0.012
    assert scores.calibration_error(bent, same_y, BINARY) == pytest.approx(0.095, abs=0.02)


def test_the_covered_share_is_chosen_without_the_future():
    rng = np.random.default_rng(3)
    score = np.abs(rng.normal(0, 1, 6000))
    chosen = scores.most_confident(score, 0.1)
    assert chosen[1000:].mean() == pytest.approx(0.1, abs=0.015) and not chosen[:500].any()
    changed = score.copy()
    changed[3000:] *= 10
    assert np.array_equal(scores.most_confident(changed, 0.1)[:3000], chosen[:3000])


def test_week_blocks_widen_the_interval_of_clustered_hits():
    rng = np.random.default_rng(4)
    at_ms = np.arange(20_000) * HOUR
    week = at_ms // scores.WEEK_MS
    weekly = rng.random(int(week.max()) + 1) < 0.5
    clustered, free = weekly[week].astype(float), rng.integers(0, 2, 20_000).astype(float)
    wide, narrow = (np.diff(scores.mean_interval(values, at_ms, 1))[0] for values in (clustered, free))
    assert narrow == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(20_000), rel=0.15)
    assert wide > 8 * narrow
    assert scores.mean_interval(free[:100], at_ms[:100], 1) is None


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """Measured before: 93.5 % of 200 at 95 %."""
    rng = np.random.default_rng(5)
    at_ms = np.arange(168 * 40) * HOUR
    covered = 0
    for draw in range(200):
        level = np.repeat(rng.normal(0.53, 0.03, 40), 168)
        low, high = scores.mean_interval((rng.random(len(level)) < level).astype(float), at_ms, draw)
        covered += low <= 0.53 <= high
    assert 0.89 <= covered / 200 <= 0.99


def test_labels_that_overlap_count_once():
    rows = np.arange(100)
    assert scores.effective_n(rows, rows + 1) == 100
    assert scores.effective_n(rows, rows + 5) == 20
    assert scores.effective_n(np.array([0, 1, 7]), np.array([3, 4, 9])) == 2
