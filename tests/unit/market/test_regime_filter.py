"""Trend, range or volatile: shares that add up, half where the lines are, and no flicker between two that are close."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from market.regime_filter import LEAD, RegimeFilter, follow_regimes
from market.regimes import TREND_T, TURBULENT_SHARE, classify


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1)), min_size=1, max_size=60))
def test_the_shares_add_up_to_one_whatever_comes(hours: list[tuple[float, float]]) -> None:
    follower = RegimeFilter()
    for t, rank in hours:
        view = follower.update(t, rank)
        shares = (view.trend, view.range, view.volatile)
        assert all(-1e-12 <= share <= 1 for share in shares) and sum(shares) == pytest.approx(1)


def test_each_share_is_a_half_on_its_line() -> None:
    assert RegimeFilter().update(TREND_T, 0.0).trend == pytest.approx(0.5)
    assert RegimeFilter().update(-TREND_T, 0.0).trend == pytest.approx(0.5)
    assert RegimeFilter().update(0.0, TURBULENT_SHARE).volatile == pytest.approx(0.5, abs=0.01)


def test_a_regime_is_left_only_for_one_that_leads() -> None:
    follower = RegimeFilter()
    assert follower.update(4.0, 0.2).regime == "trend"
    views = [follower.update(0.0, 0.2) for _ in range(8)]
    called = [view.regime for view in views]
    first = called.index("range")
    assert called == ["trend"] * first + ["range"] * (len(called) - first) and first > 0
    assert views[first].range >= views[first].trend + LEAD > 0
    assert all(view.range < view.trend + LEAD for view in views[:first])


def test_hours_that_swing_round_a_line_change_nothing() -> None:
    follower = RegimeFilter()
    follower.update(4.0, 0.2)
    assert {follower.update(TREND_T + swing, 0.2).regime for swing in (0.1, -0.1) * 20} == {"trend"}


def test_a_restored_filter_goes_on_as_if_nothing_had_been() -> None:
    rng = np.random.default_rng(4)
    hours = list(zip(rng.normal(0, 2, 50).tolist(), rng.random(50).tolist(), strict=True))
    whole, half = RegimeFilter(), RegimeFilter()
    expected = [whole.update(*hour) for hour in hours]
    for hour in hours[:20]:
        half.update(*hour)
    restored = RegimeFilter(half.shares, half.called)
    assert [restored.update(*hour) for hour in hours[20:]] == expected[20:]


def test_made_regimes_are_called_and_nothing_is_known_before_a_day() -> None:
    rng = np.random.default_rng(2)
    calm, wild = rng.normal(0, 0.002, 24 * 40), rng.normal(0, 0.02, 24 * 3)
    up = rng.normal(0.002, 0.002, 24 * 3)
    closes = 100 * np.exp(np.cumsum(np.concatenate([calm, wild, calm[:240], up])))
    views = follow_regimes(closes)
    assert views[:24] == [None] * 24 and len(views) == len(closes)
    called = [None if view is None else view.regime for view in views]
    assert called[24 * 43 - 10 : 24 * 43].count("volatile") >= 8
    assert called[-24:].count("trend") >= 20 and views[-1].direction == 1
    turbulent = [n for n, label in enumerate(classify(closes)) if label == "turbulent"]
    assert np.mean([views[n].volatile for n in turbulent]) > 0.5


@pytest.mark.parametrize(("t", "rank"), [(float("nan"), 0.5), (float("inf"), 0.5), (1.0, float("nan"))])
def test_what_is_no_number_is_refused_and_changes_nothing(t: float, rank: float) -> None:
    follower = RegimeFilter()
    follower.update(1.0, 0.5)
    before = follower.shares
    with pytest.raises(BadInput, match="has no regime"):
        follower.update(t, rank)
    assert follower.shares == before
