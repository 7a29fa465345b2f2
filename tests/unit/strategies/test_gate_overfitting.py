"""The probability of backtest overfitting on noise, on re-centred noise, and with a true edge among the noise."""

import numpy as np
import pytest

from strategies.gate.overfitting import overfitting_probability


def test_recentred_noise_is_always_overfitted():
    noise = np.random.default_rng(765).normal(0, 1, (100, 2400))
    recentred = (noise - noise.mean(axis=1, keepdims=True)) / noise.std(axis=1, keepdims=True)
    assert overfitting_probability(recentred) == 1.0


def test_noise_is_a_coin_and_one_true_edge_makes_it_less():
    """As measured before: .51 on noise, .17 with one true annual Sharpe ratio of 2.3 among 50."""
    rng = np.random.default_rng(51)
    noise = rng.normal(0, 1, (40, 50, 1000))
    edged = noise.copy()
    edged[:, 7] += 2.3 / np.sqrt(365)
    assert np.mean([overfitting_probability(results) for results in noise]) == pytest.approx(0.51, abs=0.09)
    assert np.mean([overfitting_probability(results) for results in edged]) == pytest.approx(0.17, abs=0.09)


def test_one_true_configuration_among_noise_is_not_called_overfitted():
    noise = np.random.default_rng(4).normal(0, 0.01, (20, 1460))
    noise[7] += 4 / np.sqrt(365) * 0.01
    assert overfitting_probability(noise) <= 0.1


@pytest.mark.parametrize(
    "results", [np.ones((1, 100)), np.ones((3, 59)), np.full((3, 100), np.nan), np.zeros((3, 100))]
)
def test_overfitting_of_nothing_comparable_is_none(results):
    assert overfitting_probability(results) is None
