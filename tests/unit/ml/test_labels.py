"""Labels as worked out by hand, and that none crosses a segment or looks elsewhere than its horizon."""

import numpy as np
import pytest

from core.errors import BadInput
from ml.labels import (
    SIGMA_WARMUP_BARS,
    Labels,
    big_move_label,
    ewma_sigma,
    meta_label,
    move_over_sigma,
    sign_label,
    triple_barrier,
    two_percent,
)
from tests.ml_world import planted, table_of

NAN = np.nan


def same(found: Labels, y: list[float], end: list[int]) -> None:
    np.testing.assert_array_equal(found.y, y)
    np.testing.assert_array_equal(found.end, end)
    assert (np.isnan(found.move) == np.isnan(found.y)).all()


def test_signs_look_exactly_the_horizon_ahead():
    table = table_of(np.array([100.0, 101, 100, 103, 103, 99]))
    same(sign_label(table, 1), [1, 0, 1, NAN, 0, NAN], [1, 2, 3, -1, 5, -1])
    same(sign_label(table, 2), [NAN, 1, 1, 0, NAN, NAN], [-1, 3, 4, 5, -1, -1])
    assert sign_label(table, 1).move[0] == pytest.approx(np.log(1.01))


def test_no_label_crosses_a_segment():
    table = table_of(np.array([100.0, 101, 100, 103, 104, 99]), segment=np.array([0, 0, 0, 1, 1, 1]))
    same(sign_label(table, 1), [1, 0, NAN, 1, 0, NAN], [1, 2, -1, 4, 5, -1])
    same(sign_label(table, 2), [NAN, NAN, NAN, 0, NAN, NAN], [-1, -1, -1, 5, -1, -1])
    for labels in (triple_barrier(table, 2, 1.0), big_move_label(table, 2, 0.01), two_percent(table, 2)):
        known = labels.is_known
        assert (table.segment[labels.end[known]] == table.segment[known]).all()


def test_moves_count_in_simple_returns():
    table = table_of(np.array([100.0, 102.1, 100.0, 97.9, 98.9]))
    same(big_move_label(table, 1, 0.02), [1, 1, 1, 0, NAN], [1, 2, 3, 4, -1])
    same(two_percent(table, 1), [1, -1, -1, 0, NAN], [1, 2, 3, 4, -1])


def test_sigma_is_the_weighted_root_mean_square_and_starts_anew_in_each_segment():
    rng = np.random.default_rng(3)
    returns = rng.normal(0, 0.01, 60)
    table = table_of(100 * np.exp(np.cumsum(returns)), segment=np.repeat([0, 1], 30))
    sigma = ewma_sigma(table, 10)
    assert np.isnan(sigma[:SIGMA_WARMUP_BARS]).all() and np.isnan(sigma[30 : 30 + SIGMA_WARMUP_BARS]).all()
    past = returns[31:60]
    weight = 0.5 ** (np.arange(len(past))[::-1] / 10)
    assert sigma[59] == pytest.approx(np.sqrt(weight @ past**2 / weight.sum()), rel=1e-12)


def flat_then(moves: list[float], highs: list[float] | None = None, lows: list[float] | None = None):
    """Return a table of +-1 % returns, sigma 1 %, that goes on by log moves, and the row before them."""
    before = np.tile([0.01, -0.01], 20)
    log_close = np.concatenate([[0.0], np.cumsum(np.concatenate([before, moves]))])
    high, low = log_close.copy(), log_close.copy()
    n = len(moves)
    if highs is not None:
        high[-n:] = highs
    if lows is not None:
        low[-n:] = lows
    return table_of(np.exp(log_close), np.exp(high), np.exp(low)), len(before)


def test_the_first_barrier_that_is_touched_decides():
    # sigma 1 %, k 1, horizon 4: barriers at +-2 % of log price
    table, row = flat_then([0.005, 0.005, -0.04, 0.0], highs=[0.01, 0.021, 0.0, -0.03], lows=[0.0, 0.0, -0.05, -0.03])
    found = triple_barrier(table, 4, 1.0)
    assert (found.y[row], found.end[row]) == (1.0, row + 2)
    assert found.move[row] == pytest.approx(0.02, rel=1e-9)


def test_no_touch_is_class_zero_at_the_horizon():
    table, row = flat_then([0.005, 0.005, -0.005, 0.001])
    found = triple_barrier(table, 4, 1.0)
    assert (found.y[row], found.end[row]) == (0.0, row + 4)
    assert found.move[row] == pytest.approx(0.006, rel=1e-9)


def test_both_barriers_in_one_candle_are_not_guessed():
    table, row = flat_then([0.0, 0.0, 0.0, 0.0], highs=[0.03, 0.0, 0.0, 0.0], lows=[-0.03, 0.0, 0.0, 0.0])
    found = triple_barrier(table, 4, 1.0)
    assert np.isnan(found.y[row]) and found.end[row] == -1 and np.isnan(found.move[row])


def test_a_move_over_sigma_scales_with_volatility():
    table, row = flat_then([0.015, 0.015, 0.0, 0.0])
    assert move_over_sigma(table, 4, 1.4).y[row] == 1 and move_over_sigma(table, 4, 1.6).y[row] == 0


def test_a_signal_is_worth_taking_only_after_fees():
    table, row = flat_then([0.005, 0.005, -0.005, 0.001])
    side = np.zeros(len(table))
    side[row] = 1
    assert meta_label(table, side, 4, 1.0, 59).y[row] == 1
    assert meta_label(table, side, 4, 1.0, 61).y[row] == 0
    assert meta_label(table, -side, 4, 1.0, 0).y[row] == 0
    assert meta_label(table, side, 4, 1.0, 20, use_barriers=False).y[row] == 1
    assert np.isnan(np.delete(meta_label(table, side, 4, 1.0, 20).y, row)).all()


def test_labels_do_not_know_what_comes_after_their_end():
    whole = planted(400, 0.1, 5)
    for k in (150, 333):
        part = table_of(whole.close[:k], whole.high[:k], whole.low[:k])
        for make in (lambda t: triple_barrier(t, 12, 1.0), lambda t: sign_label(t, 5), lambda t: two_percent(t)):
            cut, all_of_it = make(part), make(whole)
            np.testing.assert_array_equal(cut.y[: k - 12], all_of_it.y[: k - 12])
            np.testing.assert_array_equal(cut.end[: k - 12], all_of_it.end[: k - 12])


@pytest.mark.parametrize(
    "ask",
    [
        lambda t: sign_label(t, 0),
        lambda t: big_move_label(t, 5, 0.0),
        lambda t: triple_barrier(t, 5, -1.0),
        lambda t: meta_label(t, np.zeros(3), 5, 1.0, 20),
        lambda t: meta_label(t, np.zeros(50), 5, 1.0, -1),
    ],
)
def test_what_makes_no_label_is_refused(ask):
    with pytest.raises(BadInput):
        ask(planted(50, 0.1, 1))
