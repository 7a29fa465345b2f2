"""Every expert finds a planted signal, reads only its rows, is the same twice, and survives missing values."""

import numpy as np
import pytest

from core.errors import Corrupt
from ml.features.scaling import Scaler
from ml.models.ewma_volatility import EwmaVolatility
from ml.models.last_sign import LastSign
from ml.models.logistic import Logistic
from ml.models.prior import Prior
from ml.models.random_forest import RandomForest
from ml.models.reversal import Reversal
from ml.models.sma_cross import SmaCross
from ml.models.xgboost_trees import XgboostTrees

LEARNERS = [
    Logistic(0.1),
    RandomForest(n_trees=30, column_share=0.6, row_share=0.5, n_threads=1),
    XgboostTrees(n_trees=30, learning_rate=0.2, n_threads=1),
]
ANCHORS = [Prior(), LastSign(0), Reversal(0), SmaCross(0), EwmaVolatility(0)]
EVERY = [*LEARNERS, *ANCHORS]
N, HALF = 3000, 1500


def world(skill: float = 0.2, seed: int = 1):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (N, 6))
    y = (rng.random(N) < 0.5 + skill * np.sign(x[:, 0])).astype(float)
    return x, np.zeros(N, dtype=np.int64), y


def fit_half(expert, x, segment, y, seed=3):
    rows = np.arange(HALF)
    return expert.fit(x, segment, rows, y[rows], np.ones(HALF), seed)


@pytest.mark.parametrize("expert", LEARNERS, ids=lambda expert: expert.name)
def test_a_planted_signal_is_found_on_rows_not_learned_from(expert):
    x, segment, y = world()
    test = np.arange(HALF, N)
    p = fit_half(expert, x, segment, y).predict(x, segment, test)
    assert ((p > 0.5) == (y[test] == 1)).mean() > 0.66


@pytest.mark.parametrize("expert", EVERY, ids=lambda expert: expert.name)
def test_rows_that_were_not_given_change_nothing(expert):
    x, segment, y = world()
    rows = np.arange(HALF)
    other = x.copy()
    other[HALF:] = other[HALF:] * 100 + 7
    ours = fit_half(expert, x, segment, y).predict(x, segment, rows)
    assert np.array_equal(ours, fit_half(expert, other, segment, y).predict(x, segment, rows))


@pytest.mark.parametrize("expert", EVERY, ids=lambda expert: expert.name)
def test_missing_values_and_one_class_give_probabilities(expert):
    x, segment, y = world()
    x[::3, 0] = np.nan
    x[:, 3] = np.nan
    for labels in (y, np.ones(N), np.zeros(N)):
        p = fit_half(expert, x, segment, labels).predict(x, segment, np.arange(N))
        assert p.shape == (N,) and ((p >= 0) & (p <= 1)).all()


@pytest.mark.parametrize("expert", LEARNERS, ids=lambda expert: expert.name)
def test_weights_count(expert):
    x, segment, y = world()
    rows = np.arange(HALF)
    turned = y.copy()
    turned[: HALF // 2] = 1 - turned[: HALF // 2]
    weight = np.where(rows < HALF // 2, 1e-3, 1.0)
    p = expert.fit(x, segment, rows, turned[rows], weight, 3).predict(x, segment, np.arange(HALF, N))
    assert ((p > 0.5) == (y[HALF:] == 1)).mean() > 0.62


def test_a_rule_is_held_to_its_word():
    """Where up turns down, "goes on" has nothing to say and "turns" has."""
    x, segment, y = world(skill=-0.2)
    share = Prior().fit(x, segment, np.arange(HALF), y[:HALF], np.ones(HALF), 0).probability
    goes_on, turns = (fit_half(rule, x, segment, y) for rule in (LastSign(0), Reversal(0)))
    assert goes_on.above == goes_on.below == share
    assert turns.above == pytest.approx(0.3, abs=0.04) and turns.below == pytest.approx(0.7, abs=0.04)


def test_the_volatility_curve_is_a_logistic_one():
    rng = np.random.default_rng(5)
    x = rng.normal(-4, 0.5, (20_000, 1))
    y = (rng.random(20_000) < 1 / (1 + np.exp(-(2 * x[:, 0] + 7)))).astype(float)
    found = EwmaVolatility(0).fit(x, np.zeros(20_000, dtype=int), np.arange(20_000), y, np.ones(20_000), 0)
    assert (found.curve.scale, found.curve.bias) == pytest.approx((2, 7), rel=0.08)


def test_the_scaler_knows_only_finite_values_of_its_rows_and_goes_through_json():
    x = np.array([[1.0, 5, np.nan], [3.0, 5, np.inf], [np.nan, 5, 2.0]])
    scaler = Scaler.fit(x)
    assert (scaler.mean, scaler.scale) == ((2.0, 5.0, 2.0), (1.0, 1.0, 1.0))
    assert scaler.transform(np.array([[4.0, 9, np.nan], [99.0, 1, 5]])).tolist() == [[2, 0, 0], [5, 0, 0]]
    assert Scaler.from_json(scaler.to_json()) == scaler
    for text in ("", "{}", '{"mean":[1],"scale":[0],"clip":[1]}', '{"mean":[1],"scale":[1],"clip":[]}'):
        with pytest.raises(Corrupt):
            Scaler.from_json(text)
