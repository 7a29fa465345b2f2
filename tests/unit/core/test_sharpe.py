"""Sharpe inference against the numbers its authors published, and against skfolio."""

import math

import numpy as np
import pytest
from scipy import stats

from core import sharpe
from core.sharpe import NORMAL, ReturnShape

# A hedge fund index, 24 months: Bailey, Lopez de Prado 2012, and again Lopez de Prado, Lipton, Zoonekynd 2025.
FUND = 0.036 / 0.079
FUND_SHAPE = ReturnShape(skewness=-2.448, kurtosis=10.164)


def test_probabilistic_sharpe_matches_the_published_hedge_fund():
    assert sharpe.probabilistic_sharpe(FUND, 24, -2.448, 10.164) == pytest.approx(0.913, abs=5e-4)
    assert sharpe.probabilistic_sharpe(FUND, 24, 0.0, 3.0) == pytest.approx(0.981, abs=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_probabilistic_and_deflated_sharpe_agree_with_skfolio(seed):
    from skfolio import measures

    rng = np.random.default_rng(seed)
    returns = rng.standard_t(5, 300) * 0.01 + 0.001
    shape = sharpe.return_shape(returns)
    found = sharpe.probabilistic_sharpe(returns.mean() / returns.std(ddof=1), 300, shape.skewness, shape.kurtosis, 0.02)
    assert found == pytest.approx(measures.probabilistic_sharpe_ratio(returns, 0.02), abs=1e-3)
    trials = rng.normal(0, 0.05, 40)
    found = sharpe.deflated_sharpe(
        returns.mean() / returns.std(ddof=1), 300, shape.skewness, shape.kurtosis, 40, trials.var(ddof=1)
    )
    assert found == pytest.approx(measures.deflated_sharpe_ratio(returns, trials), abs=2e-3)


def test_the_error_under_fat_tails_matches_the_published_one():
    assert math.sqrt(sharpe.sharpe_variance(FUND, 24, FUND_SHAPE)) == pytest.approx(0.329, abs=5e-4)
    assert math.sqrt(sharpe.sharpe_variance(FUND, 24)) == pytest.approx(0.214, abs=5e-4)


@pytest.mark.parametrize(
    ("benchmark", "autocorrelation", "expected"), [(0.0, 0.0, 0.987), (0.1, 0.0, 0.939), (0.0, 0.2, 0.966)]
)
def test_probabilistic_sharpe_at_the_benchmark_matches_the_published_one(benchmark, autocorrelation, expected):
    shape = ReturnShape(FUND_SHAPE.skewness, FUND_SHAPE.kurtosis, autocorrelation)
    found = sharpe.probabilistic_sharpe_at_benchmark(FUND, 24, shape, benchmark)
    assert found == pytest.approx(expected, abs=5e-4)


def test_error_rates_of_the_test_match_the_published_ones():
    power = sharpe.sharpe_test_power(0.0, 0.5, 24, FUND_SHAPE)
    assert 1 - power == pytest.approx(0.315, abs=5e-4)
    assert sharpe.planned_false_discovery(0.05, 0.05, power) == pytest.approx(0.581, abs=5e-4)
    assert sharpe.observed_false_discovery(FUND, 0.0, 0.5, 24, 0.05, FUND_SHAPE) == pytest.approx(0.306, abs=5e-4)


def test_the_power_is_the_share_of_simulated_tests_that_reject():
    n, level = 250, 0.05
    returns = np.random.default_rng(9).normal(0.1, 1.0, (4000, n))
    ratios = returns.mean(axis=1) / returns.std(axis=1)
    rejected = stats.norm.sf(ratios * math.sqrt(n)) <= level
    assert np.mean(rejected) == pytest.approx(sharpe.sharpe_test_power(0.0, 0.1, n, NORMAL, level), abs=0.03)


@pytest.mark.parametrize(
    ("n_trials", "skewness", "kurtosis", "expected"),
    [(100, -3, 10, 0.9004), (46, -3, 10, 0.9505), (88, 0, 3, 0.9505)],
)
def test_deflated_sharpe_matches_the_published_example(n_trials, skewness, kurtosis, expected):
    daily = 2.5 / math.sqrt(250)
    found = sharpe.deflated_sharpe(daily, 1250, skewness, kurtosis, n_trials, 0.5 / 250)
    assert found == pytest.approx(expected, abs=5e-4)


def test_the_benchmark_of_a_hundred_trials_is_the_published_one():
    assert math.sqrt(0.5 / 250) * sharpe.expected_max_normal(100) == pytest.approx(0.1132, abs=5e-5)


@pytest.mark.parametrize(("n", "expected"), [(10, 1.5746), (100, 2.5306), (1000, 3.2551)])
def test_expected_maximum_of_normal_draws_matches_the_published_table(n, expected):
    assert sharpe.expected_max_normal(n) == pytest.approx(expected, abs=5e-5)


def test_more_trials_deflate_more_and_one_deflates_nothing():
    series = [0.4, -0.2, 0.5, 0.1, -0.1, 0.3, 0.2, -0.3, 0.6, 0.1]
    by_trials = [sharpe.deflated_sharpe_of(series, n) for n in (1, 10, 100)]
    assert by_trials[0] > by_trials[1] > by_trials[2]


def test_five_years_is_too_short_for_forty_five_trials_of_nothing():
    assert sharpe.min_backtest_years(45, 1.0) == pytest.approx(5.0, abs=0.01)
    assert sharpe.min_backtest_years(1, 1.0) is None
    assert sharpe.min_backtest_years(45, 0.0) is None


@pytest.mark.parametrize(
    ("periods_per_year", "shape", "years"),
    [(250, NORMAL, 2.73), (52, NORMAL, 2.83), (12, NORMAL, 3.24), (12, ReturnShape(-0.72, 5.78), 4.99)],
)
def test_the_minimum_track_record_of_sharpe_two_against_one_matches_the_published_table(periods_per_year, shape, years):
    root = math.sqrt(periods_per_year)
    found = sharpe.min_track_record(2 / root, 1 / root, shape)
    assert found / periods_per_year == pytest.approx(years, abs=5e-3)


def test_the_minimum_track_record_at_the_benchmark_matches_the_published_one():
    found = sharpe.min_track_record_at_benchmark(FUND, 0.0, FUND_SHAPE)
    assert found == pytest.approx(13.029, abs=5e-4)


def test_a_track_record_of_the_minimum_length_just_reaches_the_level():
    shape = ReturnShape(-0.5, 6.0, 0.1)
    n = math.ceil(sharpe.min_track_record_at_benchmark(0.12, 0.02, shape))
    assert sharpe.probabilistic_sharpe_at_benchmark(0.12, n, shape, 0.02) >= 0.95
    assert sharpe.probabilistic_sharpe_at_benchmark(0.12, n - 1, shape, 0.02) < 0.95


@pytest.mark.parametrize(("ratio", "error"), [(0.5, 0.137), (1.5, 0.188), (3.0, 0.303)])
def test_standard_errors_of_sixty_periods_match_los_table(ratio, error):
    assert sharpe.sharpe_standard_error(ratio, 60) == pytest.approx(error, abs=5e-4)


@pytest.mark.parametrize(("rho", "eta"), [(0.0, 3.46), (0.2, 2.88), (-0.2, 4.17)])
def test_annualisation_under_autocorrelation_matches_los_table(rho, eta):
    assert sharpe.annualisation_factor(12, [rho**lag for lag in range(1, 12)]) == pytest.approx(eta, abs=5e-3)


def test_the_shape_of_a_series_is_that_of_scipy_and_its_first_autocorrelation():
    noise = np.random.default_rng(2).standard_normal(5000)
    series = np.array(noise)
    for t in range(1, series.size):
        series[t] += 0.3 * series[t - 1]
    shape = sharpe.return_shape(series)
    assert shape.autocorrelation == pytest.approx(0.3, abs=0.04)
    assert (shape.skewness, shape.kurtosis) == (stats.skew(series), stats.kurtosis(series, fisher=False))


@pytest.mark.parametrize(
    "series", [[], [1.0, 2.0], [1.0, math.nan, 2.0], [0.1, 0.1, 0.1], [math.inf, 1.0, 2.0], [1e9, 1e9, 1e9]]
)
def test_what_has_no_sharpe_ratio_has_no_inference(series):
    assert sharpe.deflated_sharpe_of(series, 10) is None
    assert sharpe.return_shape(series) is None


@pytest.mark.parametrize(
    "found",
    [
        sharpe.probabilistic_sharpe(math.nan, 24, 0.0, 3.0),
        sharpe.probabilistic_sharpe(0.1, 2, 0.0, 3.0),
        sharpe.probabilistic_sharpe(2.0, 24, 2.0, 1.0),
        sharpe.probabilistic_sharpe(0.1, 24, 0.0, 3.0, math.nan),
        sharpe.sharpe_variance(0.1, 24, ReturnShape(autocorrelation=1.0)),
        sharpe.sharpe_variance(0.1, 24, ReturnShape(kurtosis=math.nan)),
        sharpe.probabilistic_sharpe_at_benchmark(math.inf, 24),
        sharpe.deflated_sharpe(0.1, 100, 0.0, 3.0, 10, -1.0),
        sharpe.deflated_sharpe(0.1, 100, 0.0, 3.0, 0, 0.1),
        sharpe.min_track_record(0.1, 0.1),
        sharpe.min_track_record_at_benchmark(0.1, 0.2),
        sharpe.sharpe_test_power(0.0, 0.1, 100, NORMAL, 0.0),
        sharpe.planned_false_discovery(0.0, 0.05, 0.5),
        sharpe.observed_false_discovery(0.1, 0.0, 0.1, 100, 1.0),
        sharpe.annualisation_factor(12, [-1.0] * 11),
        sharpe.annualisation_factor(12, [math.nan]),
    ],
)
def test_what_cannot_be_computed_is_none(found):
    assert found is None
