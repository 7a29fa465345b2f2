"""Calibration finds what was bent, is scikit-learn's, and goes through JSON."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from core.errors import BadInput, Corrupt
from ml.calibration import (
    Isotonic,
    Platt,
    fit_calibration,
    fit_isotonic,
    fit_platt,
    from_json,
    logit,
    sigmoid,
    to_json,
)


def bent(n: int = 20_000, scale: float = 0.5, bias: float = -0.3):
    """Return overconfident scores, labels and the true probabilities."""
    rng = np.random.default_rng(11)
    score = rng.normal(0, 1.5, n)
    truth = sigmoid(scale * score + bias)
    return score, (rng.random(n) < truth).astype(float), truth


def test_platt_finds_the_temperature_and_bias_that_bent_it():
    score, y, truth = bent()
    found = fit_calibration(sigmoid(score), y)
    assert found.scale == pytest.approx(0.5, abs=0.03) and found.bias == pytest.approx(-0.3, abs=0.04)
    assert np.abs(found.apply(sigmoid(score)) - truth).max() < 0.02


def test_platt_is_scikit_learns_unpenalised_logistic_regression():
    score, y, _ = bent(3000)
    found = fit_platt(score, y)
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(score[:, None], y)
    assert found.scale == pytest.approx(float(theirs.coef_[0, 0]), rel=1e-3)
    assert found.bias == pytest.approx(float(theirs.intercept_[0]), rel=1e-3)


def test_a_calibrated_model_is_left_alone_and_few_rows_change_little():
    score, y, _ = bent(20_000, 1.0, 0.0)
    found = fit_calibration(sigmoid(score), y)
    assert (found.scale, found.bias) == pytest.approx((1, 0), abs=0.04)
    few = fit_calibration(np.array([0.6, 0.4]), np.array([1.0, 0.0]), ridge=100)
    assert (few.scale, few.bias) == pytest.approx((1, 0), abs=0.2)


def test_scores_that_are_all_the_same_give_the_share():
    found = fit_platt(np.full(9, 3.0), np.array([1.0] * 6 + [0.0] * 3))
    assert found.of_scores(np.array([3.0, -8.0])) == pytest.approx(6.5 / 10)


def test_isotonic_is_scikit_learns_where_every_row_is_a_knot():
    score, y, _ = bent(300)
    p = sigmoid(score)
    found = fit_isotonic(p, y, 300)
    theirs = IsotonicRegression(y_min=1e-4, y_max=1 - 1e-4, out_of_bounds="clip").fit(p, y)
    np.testing.assert_allclose(found.apply(p), theirs.predict(p), atol=1e-9)


def test_isotonic_straightens_what_is_not_a_temperature():
    rng = np.random.default_rng(12)
    p = rng.uniform(0, 1, 40_000)
    truth = np.where(p < 0.5, 0.2, 0.7)
    y = (rng.random(len(p)) < truth).astype(float)
    away = np.abs(p - 0.5) > 0.05
    assert np.abs(fit_isotonic(p, y).apply(p) - truth)[away].max() < 0.05


def test_extreme_scores_stay_finite_and_clipped():
    assert sigmoid(np.array([-1e6, 1e6])).tolist() == [0.0, 1.0]
    assert Platt().apply(np.array([0.0, 1.0])) == pytest.approx([1e-4, 1 - 1e-4])
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()
    separated = fit_platt(np.array([-1.0, 1.0]), np.array([0.0, 1.0]))
    assert np.isfinite([separated.scale, separated.bias]).all()


@pytest.mark.parametrize("calibration", [Platt(0.1, -0.2), Isotonic((0.1, 0.7), (0.2, 0.2))])
def test_json_gives_back_the_same(calibration):
    assert from_json(to_json(calibration)) == calibration


@pytest.mark.parametrize(
    "text",
    ["", "{}", '{"kind":"platt","scale":NaN,"bias":0}', '{"kind":"isotonic","x":[0.2,0.1],"y":[0,1]}',
     '{"kind":"isotonic","x":[0.1,0.2],"y":[1,0]}', '{"kind":"other"}'],
)  # fmt: skip
def test_what_is_no_calibration_is_refused(text):
    with pytest.raises(Corrupt):
        from_json(text)


def test_too_few_rows_are_refused():
    with pytest.raises(BadInput):
        fit_calibration(np.array([0.5]), np.array([1.0]))
