"""Intervals of observations that hang together: hand-worked small cases, and how often the truth is inside."""

import math

import numpy as np
import pytest
from scipy import stats

from core.clustered import (
    clustered_share,
    clustered_slope,
    degrees_of_freedom,
    lag_weeks,
    share_difference,
    weekly_variance,
)
from core.metrics import jeffreys_interval


def weeks_of(*counts):
    return np.repeat(np.arange(len(counts)), counts)


def test_the_variance_adds_up_weeks_and_weighs_their_neighbours_by_bartlett():
    # Weekly sums 1, 2, -3 and no weight between weeks: (1 + 4 + 9) * 3 / 2.
    influence, weeks = np.array([0.5, 0.5, 2.0, -3.0]), np.array([7, 7, 8, 9])
    assert weekly_variance(influence, weeks, 0) == pytest.approx(21.0)
    # With one lag: 14 + 2 * 1/2 * (1*2 + 2*(-3)) = 10, and 3 / (3 - 1 - 1) = 3.
    assert weekly_variance(influence, weeks, 1) == pytest.approx(30.0)


def test_a_week_without_observations_still_lies_between_its_neighbours():
    influence = np.array([1.0, 1.0, 1.0, 1.0])
    apart, together = np.array([0, 2, 4, 6]), np.array([0, 1, 2, 3])
    assert weekly_variance(influence, apart, 1) == pytest.approx(4 * 4 / 2)
    assert weekly_variance(influence, together, 1) == pytest.approx((4 + 3) * 4 / 2)


def test_a_share_of_alternating_weeks_is_the_hand_worked_one():
    # Ten weeks of two: both hit or both miss. Weekly sums of (hit - 1/2)/20 are +-1/20, the variance (10/400) * 10/9.
    hits = np.tile([True, True, False, False], 5)
    found = clustered_share(hits, weeks_of(*[2] * 10), 0)
    shrink = (stats.norm.ppf(0.95) / stats.t.ppf(0.95, 9)) ** 2
    assert found.n_effective == pytest.approx(0.25 / (10 / 400 * 10 / 9) * shrink)
    assert (found.value, found.n, found.freedom) == (0.5, 20, 9.0)
    assert (found.low, found.high) == jeffreys_interval(0.5 * found.n_effective, found.n_effective)


def test_only_hits_are_not_more_certain_than_there_are_separate_stretches_of_weeks():
    found = clustered_share(np.ones(100, dtype=bool), weeks_of(*[10] * 10), lag_weeks(7))
    assert (found.value, found.n_effective, found.high) == (1.0, 5.0, 1.0)
    assert found.low == pytest.approx(stats.beta(5.5, 0.5).ppf(0.05))


@pytest.mark.parametrize(("days", "lag", "needed"), [(7, 2, 5), (30, 6, 9)])
def test_too_few_weeks_tell_nothing_and_say_how_many_are_needed(days, lag, needed):
    assert lag_weeks(days) == lag
    weeks = weeks_of(*[9] * (needed - 1))
    words = f"{needed - 1} weeks are too few to tell; {needed} are needed"
    assert clustered_share(weeks % 2 == 0, weeks, lag) == words
    assert clustered_slope(weeks.astype(float), weeks.astype(float), weeks, lag) == words


def test_degrees_of_freedom_shrink_with_the_lag_and_are_at_least_one():
    assert [degrees_of_freedom(20, lag) for lag in (0, 2, 6)] == [19.0, 10.0, pytest.approx(30 / 7)]
    assert degrees_of_freedom(3, 30) == 1.0


def test_a_difference_of_shares_is_newcombes():
    # Newcombe 1998, method 10, with Jeffreys' limits: the larger distances of either side, squared and added.
    weeks = weeks_of(*[4] * 20)
    one = clustered_share(np.arange(80) % 4 != 0, weeks, 0)
    other = clustered_share(np.arange(80) % 2 == 0, weeks, 0)
    value, low, high = share_difference(one, other)
    assert value == pytest.approx(0.25)
    assert value - low == pytest.approx(math.hypot(one.value - one.low, other.high - other.value))
    assert high - value == pytest.approx(math.hypot(one.high - one.value, other.value - other.low))


def test_a_slope_is_least_squares_and_its_interval_counts_weeks_not_observations():
    rng = np.random.default_rng(5)
    weeks = weeks_of(*[6] * 40)
    x = rng.normal(size=240)
    y = 0.5 * x + np.repeat(rng.normal(size=40), 6) * x
    found = clustered_slope(x, y, weeks, 0)
    assert found.value == pytest.approx(np.polyfit(x, y, 1)[0])
    assert found.low < 0.5 < found.high and found.n_effective < 120
    naive = stats.linregress(x, y)
    assert found.high - found.low > 2 * 1.645 * naive.stderr


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [([1.0] * 12, range(12), "do not differ"), (range(12), [float("nan")] * 12, "not a number")],
)
def test_what_has_no_slope_says_why(x, y, words):
    assert words in clustered_slope(np.array(x, dtype=float), np.array(y, dtype=float), np.arange(12), 0)


@pytest.mark.parametrize("horizon", [7, 30])
@pytest.mark.parametrize("shared", [0.0, 0.5, 0.95])
def test_the_truth_is_inside_about_nine_times_in_ten_when_windows_overlap(horizon, shared):
    """One proposal a day for two years whose windows share a market: the share of gains is 1/2."""
    rng = np.random.default_rng(int(horizon + 100 * shared))
    n, inside = 104 * 7, 0
    weeks = np.arange(n) // 7
    for _ in range(300):
        market = np.concatenate([[0.0], np.cumsum(rng.normal(size=n + horizon))])
        common = market[horizon : horizon + n] - market[:n]
        own = rng.normal(size=n) * math.sqrt(horizon)
        hits = math.sqrt(shared) * common + math.sqrt(1 - shared) * own > 0
        found = clustered_share(hits, weeks, lag_weeks(horizon))
        inside += found.low <= 0.5 <= found.high
    assert inside >= 0.83 * 300
