"""Markets worse than the sample, and the vetoes on what candidate and incumbent make on them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from core.errors import BadInput
from core.native import DAY_NS, KST_OFFSET_NS, Bars, Costs, generate
from core.native_paths import sweep_paths
from core.settings_sections import CostSettings
from market.synthetic import demo_market
from strategies.gate.shocks import SILENCE_NS, crash_windows, draw_days, gapped, wider
from strategies.gate.split import HistorySplit
from strategies.gate.stress import Paths, Scenario, path_checks, stress_check
from strategies.schema import default_params

START = datetime(2023, 1, 1, 15, tzinfo=UTC)
"""A midnight in Seoul."""


def flat(n_days=20, bar_ns=900_000_000_000):
    n = n_days * DAY_NS // bar_ns
    closed = np.arange(1, n + 1, dtype=np.int64) * bar_ns
    price = np.full(n, 100.0)
    columns = {name: price for name in ("open", "high", "low", "close", "volume")}
    return Bars(("A",), (Decimal("0.1"),), (Decimal("1"),), np.zeros(n, np.int16), closed - bar_ns, closed, **columns)


def worst(candidate, incumbent):
    return Scenario("gap", "a gap", [np.array(path) for path in candidate], [np.array(path) for path in incumbent])


def split(sealed_days, sealed_start, seen_start):
    sealed_end = sealed_start + timedelta(days=sealed_days)
    return HistorySplit(seen_start, sealed_start, sealed_end, seen_start, sealed_days, 365, 730)


def test_the_gap_lowers_every_price_after_it_by_thirty_percent_and_none_before():
    crashed = gapped(flat(), 0.5)
    assert set(crashed.close) == {100.0, 70.0}
    assert (np.diff(crashed.close) != 0).sum() == 1
    assert set(crashed.volume) == {100.0}


def test_a_silent_feed_holds_nothing_for_six_hours_and_then_the_fallen_prices():
    loud, silent = gapped(flat(), 0.5), gapped(flat(), 0.5, SILENCE_NS)
    assert len(loud) - len(silent) == 24
    steps = np.diff(silent.closed_at_ns)
    assert steps.max() - 900_000_000_000 == SILENCE_NS
    at = int(steps.argmax())
    assert (silent.close[at], silent.close[at + 1]) == (100.0, 70.0)


def test_in_a_gap_the_spread_is_ten_times_as_wide_and_fees_are_the_same():
    assert wider(CostSettings(maker_fee_bps=1.0, taker_fee_bps=4.0, slippage_bps=2.0)) == CostSettings(
        maker_fee_bps=1.0, taker_fee_bps=4.0, slippage_bps=20.0
    )


@pytest.mark.parametrize(
    ("candidate", "incumbent"),
    [([[np.nan]], [[-1.0]]), ([[-1.0]], [[np.nan]]), ([[1.0], [np.nan]], [[-1.0]]), ([], [])],
)
def test_a_crash_that_cannot_be_computed_does_not_pass(candidate, incumbent):
    assert not stress_check(worst(candidate, incumbent), 100.0).passed


@pytest.mark.parametrize(("day", "passed"), [(-10.0, True), (-10.1, False)])
def test_a_crash_may_cost_a_tenth_of_the_capital_whatever_the_incumbent_loses(day, passed):
    assert stress_check(worst([[day]], [[-1.0]]), 100.0).passed is passed


def test_a_path_in_twenty_may_be_a_quarter_worse_than_the_incumbents():
    rng = np.random.default_rng(3)
    incumbent = rng.normal(0, 100.0, (200, 30))
    assert all(check.passed for check in path_checks(Paths(incumbent * 1.25, incumbent), 1.0))
    assert not any(check.passed for check in path_checks(Paths(incumbent * 1.26, incumbent), 1.0))


def test_a_few_bad_paths_do_not_veto_and_one_that_is_no_number_does():
    calm = np.zeros((200, 30))
    few, broken = calm.copy(), calm.copy()
    few[:9, 3] = -1_000.0
    broken[0, 0] = np.nan
    assert all(check.passed for check in path_checks(Paths(few, calm), 100.0))
    assert not any(check.passed for check in path_checks(Paths(broken, calm), 100.0))


def test_a_drawdown_counts_from_the_start_of_the_path():
    falling = np.full((200, 30), -1.0)
    day, drawdown = path_checks(Paths(falling, np.zeros((200, 30))), 100.0)
    assert (day.value, day.passed) == (-1.0, True)
    assert (drawdown.value, drawdown.limit, drawdown.passed) == (-30.0, -20.0, False)


def test_paths_are_blocks_of_days_in_a_row_that_the_bars_hold():
    bars = flat(90)
    drawn = draw_days(bars, 7)
    assert drawn is not None
    assert drawn.shape == (200, 40)
    blocks = drawn.reshape(200, 8, 5)
    assert (np.diff(blocks, axis=2) == 1).all()
    n_days = len(np.unique((bars.closed_at_ns - 1 + KST_OFFSET_NS) // DAY_NS))
    assert (drawn.min(), drawn.max()) == (1, n_days - 1)
    assert np.array_equal(drawn, draw_days(bars, 7))
    assert draw_days(flat(58), 7) is None


def test_both_sides_of_a_path_see_the_same_market_and_the_same_seed_the_same_days():
    bars = generate(demo_market(5, START, 70, n_symbols=2))
    drawn = draw_days(bars, 1)
    assert drawn is not None
    params = default_params("momentum_scalping")
    made = sweep_paths("momentum_scalping", [params, params], bars, drawn[:5], 10, Costs(), Decimal(10_000))
    assert made.shape == (5, 2, 30)
    assert np.array_equal(made[:, 0], made[:, 1])
    assert np.abs(made).sum() > 0
    assert len({tuple(path) for path in made[:, 0]}) == 5


@pytest.mark.parametrize("day", [-1, 0, 70])
def test_a_day_that_is_none_is_refused_by_number(day):
    bars = generate(demo_market(5, START, 70, n_symbols=1))
    paths = np.array([[1, 2, day]], dtype=np.int64)
    with pytest.raises(BadInput, match=f"day {day}"):
        sweep_paths("sma_cross", [default_params("sma_cross")], bars, paths, 1, Costs(), Decimal(10_000))


def test_a_recorded_crash_is_replayed_where_the_bars_hold_it_and_never_from_sealed_days():
    span = (datetime(2019, 1, 1, tzinfo=UTC), datetime(2024, 12, 31, tzinfo=UTC))
    full = split(730, datetime(2022, 1, 1, tzinfo=UTC), datetime(2024, 1, 10, tzinfo=UTC))
    starts = [start for _, start, _ in crash_windows(full, span)]
    assert [f"{start:%Y-%m-%d}" for start in starts] == ["2020-03-12", "2021-05-19", "2024-08-05"]
    growing = split(700, datetime(2022, 1, 1, tzinfo=UTC), datetime(2024, 1, 10, tzinfo=UTC))
    starts = [start for _, start, _ in crash_windows(growing, span)]
    assert [f"{start:%Y-%m-%d}" for start in starts] == ["2024-08-05"]
    warm_from, start_at, end_at = crash_windows(full, span)[0]
    assert (start_at - warm_from, end_at - start_at) == (timedelta(days=10), timedelta(days=3))
    late = (datetime(2020, 3, 5, tzinfo=UTC), span[1])
    assert len(crash_windows(full, late)) == 2
