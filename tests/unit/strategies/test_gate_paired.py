"""The paired test holds its level, sees a real edge, and cannot be fooled by leverage, copies or NaN."""

import numpy as np
import pytest

from strategies.gate.paired import (
    block_t_p_value,
    hac_p_value,
    paired_difference,
    paired_test,
)


def correlated_pair(rng, n, edge_ir=0.0, rho=0.9):
    """Two daily series with fat tails and clustered volatility; the candidate's difference has the given annual IR."""
    volatility = 0.01 * np.exp(np.cumsum(rng.normal(0, 0.05, n)) * 0.3)
    shared, own, other = (rng.standard_t(4, n) * volatility for _ in range(3))
    incumbent = np.sqrt(rho) * shared + np.sqrt(1 - rho) * own
    candidate = np.sqrt(rho) * shared + np.sqrt(1 - rho) * other
    edge = edge_ir / np.sqrt(365) * (candidate - incumbent).std()
    return candidate + edge, incumbent


def rejections(level, n_series, n, **pair):
    rng = np.random.default_rng(20260104)
    return sum(paired_test(*correlated_pair(rng, n, **pair)).p_value <= level for _ in range(n_series)) / n_series


@pytest.mark.parametrize("level", [0.05, 0.0077])
def test_seeded_nulls_are_accepted_no_more_often_than_the_level(level):
    n_series = 600
    assert rejections(level, n_series, 365) <= level + 3 * np.sqrt(level * (1 - level) / n_series)


def test_an_edge_of_four_is_seen_on_two_years():
    assert rejections(0.0077, 100, 730, edge_ir=4.0) >= 0.6


@pytest.mark.parametrize("factor", [1.5, 0.5, 3.0])
def test_leverage_alone_is_never_better(factor):
    rng = np.random.default_rng(7)
    incumbent = rng.normal(0.001, 0.01, 730)
    test = paired_test(incumbent * factor, incumbent)
    assert test.p_value is None
    assert "multiple" in test.refusal


def test_leverage_with_a_little_noise_passes_no_more_often_than_the_level():
    rng = np.random.default_rng(11)
    passed = 0
    for _ in range(300):
        incumbent = rng.normal(0.001, 0.01, 365)
        passed += paired_test(1.5 * incumbent + rng.normal(0, 0.0005, 365), incumbent).p_value <= 0.05
    assert passed / 300 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_the_difference_is_matched_in_volatility():
    rng = np.random.default_rng(3)
    incumbent, candidate = rng.normal(0, 1, 100), rng.normal(0, 4, 100)
    expected = candidate * incumbent.std(ddof=1) / candidate.std(ddof=1) - incumbent
    assert np.allclose(paired_difference(candidate, incumbent), expected)


def broken_pairs():
    rng = np.random.default_rng(5)
    good = rng.normal(0, 0.01, 365)
    holed = good.copy()
    holed[17] = np.nan
    return [
        (holed, good, "not a number"),
        (good, np.where(np.arange(365) == 3, np.inf, good), "not a number"),
        (good[:59], good[:59] * 2, "too few"),
        (good, good, "incumbent"),
        (np.full(365, 0.01), good, "does not vary"),
        (good, np.zeros(365), "does not vary"),
        (good, good[:364], "days"),
    ]


@pytest.mark.parametrize(("candidate", "incumbent", "why"), broken_pairs())
def test_what_cannot_be_compared_gets_no_p_value(candidate, incumbent, why):
    test = paired_test(candidate, incumbent)
    assert test.p_value is None
    assert why in test.refusal


def test_p_is_the_worse_of_the_two_methods():
    candidate, incumbent = correlated_pair(np.random.default_rng(1), 400, edge_ir=2.0)
    test = paired_test(candidate, incumbent)
    d = paired_difference(candidate, incumbent)
    assert test.p_value == max(block_t_p_value(d), hac_p_value(d))


def test_the_block_test_is_a_plain_t_test_on_block_means():
    from scipy import stats

    d = np.random.default_rng(2).normal(0.1, 1, 240)
    expected = stats.ttest_1samp(d.reshape(24, 10).mean(axis=1), 0, alternative="greater").pvalue
    assert block_t_p_value(d) == pytest.approx(expected)


def test_a_quarter_of_weekly_tests_on_nulls_promotes_no_more_often_than_the_budget():
    rng = np.random.default_rng(20260401)
    n_quarters, alpha, n_tests = 80, 0.10, 13
    with_any = 0
    for _ in range(n_quarters):
        promotions = 0
        for _ in range(n_tests):
            level = alpha / n_tests * (1 + promotions)
            promotions += paired_test(*correlated_pair(rng, 365)).p_value <= level
        with_any += promotions > 0
    assert with_any / n_quarters <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / n_quarters)
