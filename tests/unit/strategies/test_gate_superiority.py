"""SPA and StepM over a pool: noise is not superior, a true edge is named, one broken trial refuses all."""

import math

import numpy as np
import pytest

from strategies.gate.superiority import superiority_test


def pool(rng, n_trials, n_days=365):
    incumbent = rng.standard_t(5, n_days) * 0.01
    shared = rng.standard_t(5, n_days) * 0.002
    return incumbent + shared + rng.standard_t(5, (n_trials, n_days)) * 0.004, incumbent


def test_noise_is_called_superior_about_as_often_as_the_level():
    """Measured before on 50 correlated nulls: 7 % at 5 %, for SPA and for StepM."""
    rng = np.random.default_rng(50)
    found = [superiority_test(*pool(rng, 10), seed, n_resamples=100) for seed in range(40)]
    allowed = 0.07 + 3 * math.sqrt(0.07 * 0.93 / 40)
    assert np.mean([result.p_value <= 0.05 for result in found]) <= allowed
    assert np.mean([bool(result.superior) for result in found]) <= allowed


def test_the_trials_with_an_edge_are_named():
    trials, incumbent = pool(np.random.default_rng(51), 20)
    trials[[3, 11]] += 0.002
    result = superiority_test(trials, incumbent, 1)
    assert result.superior == (3, 11)
    assert result.p_value <= 0.01


def test_a_wild_trial_does_not_drown_a_steady_one():
    """Hansen's statistic is the largest t; the largest mean would be the wild one's noise."""
    trials, incumbent = pool(np.random.default_rng(52), 5)
    trials[0] += 0.0015
    trials[1] = 0.1 * incumbent + np.random.default_rng(53).standard_t(5, 365) * 0.05
    assert superiority_test(trials, incumbent, 1).superior == (0,)


def test_steps_may_end_with_every_trial_superior():
    """The second trial is found only after the first is out of the way, and then nobody is left."""
    trials, incumbent = pool(np.random.default_rng(54), 2)
    trials += np.array([[0.004], [0.0007]])
    assert superiority_test(trials, incumbent, 1, n_resamples=200).superior == (0, 1)


def test_the_same_seed_gives_the_same_answer():
    trials, incumbent = pool(np.random.default_rng(55), 5)
    assert superiority_test(trials, incumbent, 1) == superiority_test(trials, incumbent, 1)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda trials, incumbent: np.append(trials, [incumbent], axis=0), "trial 3: the candidate is the incumbent"),
        (lambda trials, incumbent: np.append(trials, [2 * incumbent], axis=0), "multiple"),
        (lambda trials, incumbent: np.append([np.full(365, np.nan)], trials, axis=0), "trial 0: a daily result"),
        (lambda trials, incumbent: np.append(trials, [np.full(365, 0.1)], axis=0), "does not vary"),
        (lambda trials, incumbent: trials[:, :300], "days"),
        (lambda trials, incumbent: trials[:0], "no trial"),
    ],
)
def test_one_trial_that_cannot_be_compared_refuses_the_pool(spoil, why):
    trials, incumbent = pool(np.random.default_rng(56), 3)
    result = superiority_test(spoil(trials, incumbent), incumbent, 1)
    assert (result.p_value, result.superior) == (None, ())
    assert why in result.refusal
