"""The sets miss as often as promised, on any sequence, and say nothing where they know nothing."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput, Conflict, Corrupt
from ml.calibration import sigmoid
from ml.conformal import AdaptiveConformal, coverage


def drive(state: AdaptiveConformal, p, y, delay: int = 0) -> list[str]:
    sides = []
    for bar, probability in enumerate(p):
        if bar > delay:
            state.settle(y[bar - delay - 1])
        sides.append(state.predict(float(probability)))
    for label in y[max(len(y) - delay - 1, 0) :]:
        state.settle(label)
    return sides


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 5),
    st.sampled_from([0.005, 0.05, 0.5]),
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=300),
)
def test_the_share_of_misses_keeps_its_bound_on_any_sequence(delay, gamma, bars):
    state = AdaptiveConformal(target=0.1, gamma=gamma)
    drive(state, [p for p, _ in bars], [float(y) for _, y in bars], delay)
    assert state.n_settled == len(bars)
    assert abs(state.n_missed / state.n_settled - 0.1) <= state.bound(delay) + 1e-12


def test_the_bound_holds_against_an_adversary_that_turns_each_signal():
    state = AdaptiveConformal(target=0.1, gamma=0.01)
    rng = np.random.default_rng(1)
    for p in rng.uniform(0, 1, 4000):
        side = state.predict(float(p))
        state.settle(0.0 if side == "up" or (side != "down" and p > 0.5) else 1.0)
    assert abs(state.n_missed / 4000 - 0.1) <= state.bound() < 0.03


def test_calibrated_probabilities_are_covered_and_a_break_of_regime_is_followed():
    rng = np.random.default_rng(2)
    n = 8000
    score = rng.normal(0, 2, n)
    y = (rng.random(n) < sigmoid(score)).astype(float)
    y[n // 2 :] = 1 - y[n // 2 :]
    state = AdaptiveConformal(target=0.1, gamma=0.01)
    sides = drive(state, sigmoid(score), y)
    assert coverage(sides, y) == pytest.approx(0.9, abs=0.012)
    single = np.array([side in ("up", "down") for side in sides])
    assert 0.15 < single[1000 : n // 2].mean() < 0.95
    for part in np.array_split(np.arange(n), 8):
        assert coverage([sides[bar] for bar in part], y[part]) > 0.8


def test_before_any_label_nothing_is_signalled():
    assert AdaptiveConformal().set_of(0.99) == "both"


def test_a_label_that_is_never_known_counts_nowhere():
    state = AdaptiveConformal()
    state.predict(0.7)
    assert not state.settle(math.nan) and state.n_settled == 0 and state.bound() is None


def test_json_gives_back_the_same_state():
    rng = np.random.default_rng(3)
    p, y = rng.uniform(0, 1, 700), rng.integers(0, 2, 700).astype(float)
    whole, parted = AdaptiveConformal(), AdaptiveConformal()
    expected = drive(whole, p, y)
    found = []
    for bar, probability in enumerate(p):
        if bar:
            parted.settle(y[bar - 1])
        parted = AdaptiveConformal.from_json(parted.to_json())
        found.append(parted.predict(float(probability)))
    assert found == expected


def test_what_promises_nothing_is_refused():
    with pytest.raises(BadInput):
        AdaptiveConformal(target=0.0)
    with pytest.raises(Conflict):
        AdaptiveConformal().settle(1.0)
    for text in ("", "{}", AdaptiveConformal().to_json().replace("[]", '[["up", 2]]')):
        with pytest.raises(Corrupt):
            AdaptiveConformal.from_json(text)
