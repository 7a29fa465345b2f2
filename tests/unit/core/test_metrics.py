"""The formulas against published numbers and hand-made cases."""

import math
from decimal import Decimal

import numpy as np
import pytest

from core import metrics


def test_probabilistic_sharpe_matches_the_published_hedge_fund_example():
    sharpe = 0.036 / 0.079
    assert metrics.probabilistic_sharpe(sharpe, 24, -2.448, 10.164) == pytest.approx(0.913, abs=5e-4)
    assert metrics.probabilistic_sharpe(sharpe, 24, 0.0, 3.0) == pytest.approx(0.981, abs=1e-3)


@pytest.mark.parametrize(
    ("n_trials", "skewness", "kurtosis", "expected"),
    [(100, -3, 10, 0.9004), (46, -3, 10, 0.9505), (88, 0, 3, 0.9505)],
)
def test_deflated_sharpe_matches_the_published_example(n_trials, skewness, kurtosis, expected):
    daily = 2.5 / math.sqrt(250)
    found = metrics.deflated_sharpe(daily, 1250, skewness, kurtosis, n_trials, 0.5 / 250)
    assert found == pytest.approx(expected, abs=5e-4)


def test_the_benchmark_of_a_hundred_trials_is_the_published_one():
    assert math.sqrt(0.5 / 250) * metrics.expected_max_normal(100) == pytest.approx(0.1132, abs=5e-5)


@pytest.mark.parametrize(("n", "expected"), [(10, 1.5746), (100, 2.5306), (1000, 3.2551)])
def test_expected_maximum_of_normal_draws_matches_the_published_table(n, expected):
    assert metrics.expected_max_normal(n) == pytest.approx(expected, abs=5e-5)


def test_sharpe_is_annualised_by_365_days_with_the_sample_deviation():
    assert metrics.sharpe([1.0, 2.0, 3.0]) == pytest.approx(2.0 * math.sqrt(365))


@pytest.mark.parametrize(
    "series", [[], [1.0, 2.0], [1.0, math.nan, 2.0], [0.1, 0.1, 0.1], [math.inf, 1.0, 2.0], [1e9, 1e9, 1e9]]
)
def test_what_cannot_be_a_sharpe_ratio_is_none(series):
    assert metrics.sharpe(series) is None
    assert metrics.deflated_sharpe_of(series, 10) is None


def test_drawdown_is_the_largest_fall_from_a_peak_in_percent():
    assert metrics.max_drawdown_pct([100, 120, 90, 130, 117]) == pytest.approx(25.0)
    assert metrics.max_drawdown_pct([Decimal(100), Decimal(101)]) == 0.0
    assert metrics.max_drawdown_pct([]) is None
    assert metrics.max_drawdown_pct([0.0, 1.0]) is None


def test_more_trials_deflate_more_and_one_deflates_nothing():
    series = [0.4, -0.2, 0.5, 0.1, -0.1, 0.3, 0.2, -0.3, 0.6, 0.1]
    by_trials = [metrics.deflated_sharpe_of(series, n) for n in (1, 10, 100)]
    assert by_trials[0] > by_trials[1] > by_trials[2]


def test_the_interval_of_a_mean_holds_it_nine_times_in_ten_and_repeats_itself():
    rng = np.random.default_rng(3)
    intervals = [metrics.mean_interval(rng.normal(1.0, 5.0, 60), seed) for seed in range(200)]
    assert 0.82 < np.mean([low <= 1.0 <= high for low, high in intervals]) < 0.95
    days = rng.normal(size=30)
    assert metrics.mean_interval(days, 7) == metrics.mean_interval(days, 7) != metrics.mean_interval(days, 8)
