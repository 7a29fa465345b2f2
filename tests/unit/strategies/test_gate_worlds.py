"""The made worlds have the moments that they are said to have, and the same seed makes the same world."""

import numpy as np
import pytest

from strategies.gate.evaluation import trend
from strategies.gate.evaluation.segments import moments_of, sharpe_over
from strategies.gate.evaluation.worlds import N_DAYS, N_SEALED, SEEN, make_market, make_proposals, own_noise


def world(seed=3, n=40, **over):
    return make_proposals(np.random.default_rng(seed), n, 20_000, **over)


def test_trials_correlate_with_the_incumbent_and_differ_on_a_quarter_of_the_days():
    made = world()
    d = made.trials[:, 0] - made.incumbent
    correlations = [np.corrcoef(a, b)[0, 1] for a, b in zip(made.trials[:, 0], made.incumbent, strict=True)]
    assert np.mean(correlations) == pytest.approx(0.9, abs=0.01)
    assert np.mean(d != 0) == pytest.approx(0.25, abs=0.01)
    assert made.incumbent.std() == pytest.approx(0.01, rel=0.05)
    assert np.mean([np.mean(x**4) / np.mean(x**2) ** 2 for x in d]) > 10


def test_the_incumbent_has_its_sharpe_ratio_and_volatility_clusters():
    returns = make_market(np.random.default_rng(4), 400, 1_000).shared
    ratio = returns.mean() / 0.01 * np.sqrt(365)
    assert ratio == pytest.approx(1.5, abs=4 * 0.95 * np.sqrt(365 / 400_000))
    # One extreme day would drown the correlation of squares.
    sizes = np.abs(returns)
    clustered = [np.corrcoef(x[5:], x[:-5])[0, 1] for x in sizes]
    assert np.mean(clustered) > 0.05


def test_a_planted_edge_has_its_information_ratio_and_nobody_else_has_one():
    made = world(seed=5, n=300, planted_ir=4.0)
    for trial, ir in ((0, 4.0), (1, 0.0)):
        d = made.trials[:, trial] - made.incumbent
        found = d.mean() / d.std() * np.sqrt(365)
        assert found == pytest.approx(ir, abs=4 * np.sqrt(365 / d.size))
    assert (made.picked == 0).all() and made.is_given


def test_the_search_takes_what_looks_best_on_seen_days_alone():
    made = world(n=5)
    expected = (made.trials[:, :, SEEN].mean(axis=2) / made.trials[:, :, SEEN].std(axis=2)).argmax(axis=1)
    assert made.picked.tolist() == expected.tolist()
    assert np.array_equal(made.candidate[2], made.trials[2, made.picked[2]])


def test_the_same_seed_makes_the_same_world():
    assert np.array_equal(world(n=2).trials, world(n=2).trials)
    assert not np.array_equal(world(seed=4, n=2).trials, world(n=2).trials)


def test_noise_of_one_set_tells_nothing_of_another():
    own = own_noise(np.random.default_rng(6), np.full((50, 1_000), 0.01), 2)
    assert abs(np.corrcoef(own[:, 0].ravel(), own[:, 1].ravel())[0, 1]) < 0.02


def test_moments_over_parts_are_the_sharpe_ratios_of_the_parts():
    returns = np.random.default_rng(1).normal(0.001, 0.01, (3, 240))
    moments = moments_of(returns)
    for start, stop in ((0, 24), (0, 16), (16, 24), (4, 8)):
        part = returns[:, start * 10 : stop * 10]
        assert np.allclose(moments.sharpe(start, stop), part.mean(axis=1) / part.std(axis=1, ddof=1))
        assert np.allclose(moments.total(start, stop), part.sum(axis=1))
    assert moments_of(np.ones((1, 910))).sizes.sum() == 910
    assert np.isnan(sharpe_over(np.zeros((2, 30)))).all()


def test_momentum_is_long_after_a_rise_and_short_after_a_fall_and_knows_no_future():
    n_days = trend.WARM_UP + 6
    returns = np.full((1, 1, n_days), 0.01)
    returns[..., -3:] = -0.05
    prices = np.concatenate([np.zeros((1, 1, 1)), returns.cumsum(axis=2)], axis=2)
    result = trend.momentum(prices, returns, 5)[0]
    assert result.tolist() == pytest.approx([0.01, 0.01, 0.01, -0.05, 0.05, 0.05])


def test_trend_rules_on_martingales_earn_nothing():
    made = trend.make_trend_proposals(np.random.default_rng(8), 40)
    assert made.trials.shape == (40, 50, N_DAYS)
    ratios = sharpe_over(made.trials[:, :, :N_SEALED]).mean(axis=1) * np.sqrt(N_SEALED)
    assert abs(ratios.mean()) < 4 * ratios.std(ddof=1) / np.sqrt(40)
