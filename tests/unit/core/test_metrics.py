"""The formulas against hand-made cases and other people's implementations."""

import math
from decimal import Decimal

import numpy as np
import pytest

from core import metrics


def test_sharpe_is_annualised_by_365_days_with_the_sample_deviation():
    assert metrics.sharpe([1.0, 2.0, 3.0]) == pytest.approx(2.0 * math.sqrt(365))


@pytest.mark.parametrize(
    "series", [[], [1.0, 2.0], [1.0, math.nan, 2.0], [0.1, 0.1, 0.1], [math.inf, 1.0, 2.0], [1e9, 1e9, 1e9]]
)
def test_what_cannot_be_a_sharpe_ratio_is_none(series):
    assert metrics.sharpe(series) is None


def test_drawdown_is_the_largest_fall_from_a_peak_in_percent():
    assert metrics.max_drawdown_pct([100, 120, 90, 130, 117]) == pytest.approx(25.0)
    assert metrics.max_drawdown_pct([Decimal(100), Decimal(101)]) == 0.0
    assert metrics.max_drawdown_pct([]) is None
    assert metrics.max_drawdown_pct([0.0, 1.0]) is None


def test_the_interval_of_a_mean_holds_it_nine_times_in_ten_and_repeats_itself():
    rng = np.random.default_rng(3)
    intervals = [metrics.mean_interval(rng.normal(1.0, 5.0, 60), seed) for seed in range(200)]
    assert 0.82 < np.mean([low <= 1.0 <= high for low, high in intervals]) < 0.95
    days = rng.normal(size=30)
    assert metrics.mean_interval(days, 7) == metrics.mean_interval(days, 7) != metrics.mean_interval(days, 8)


@pytest.mark.parametrize(("n_hits", "n"), [(0, 10), (1, 10), (5, 10), (30, 37), (37, 37)])
def test_the_jeffreys_interval_is_that_of_statsmodels(n_hits, n):
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(n_hits, n, alpha=0.1, method="jeffreys")
    expected = (0.0 if n_hits == 0 else low, 1.0 if n_hits == n else high)
    assert metrics.jeffreys_interval(n_hits, n) == pytest.approx(expected, abs=1e-9)


def test_the_jeffreys_interval_holds_the_share_about_nine_times_in_ten():
    hits = np.random.default_rng(1).binomial(30, 0.6, size=400)
    held = [low <= 0.6 <= high for low, high in (metrics.jeffreys_interval(int(k), 30) for k in hits)]
    assert 0.86 < np.mean(held) < 0.95


@pytest.mark.parametrize(("n_hits", "n", "confidence"), [(0, 0, 0.9), (3, 2, 0.9), (-1, 2, 0.9), (1, 2, 1.0)])
def test_what_is_no_share_has_no_jeffreys_interval(n_hits, n, confidence):
    assert metrics.jeffreys_interval(n_hits, n, confidence) is None
