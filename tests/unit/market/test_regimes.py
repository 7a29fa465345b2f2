from datetime import timedelta

import numpy as np
import pytest

from core.errors import BadInput
from market.candles import MINUTE_MS
from market.regimes import WINDOW_HOURS, classify, hourly_regimes
from tests.candle_factory import START, walk


def _closes(n: int = 1_500, seed: int = 3) -> np.ndarray:
    return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.005, n)))


def test_changing_the_future_changes_no_label_before_it() -> None:
    closes = _closes()
    labels = classify(closes)
    for cut in (30, 400, 1_000):
        shuffled = closes.copy()
        np.random.default_rng(cut).shuffle(shuffled[cut:])
        assert classify(shuffled)[:cut] == labels[:cut]
        assert classify(closes[:cut]) == labels[:cut]


def test_a_steady_climb_is_an_upward_trend_and_its_mirror_a_downward_one() -> None:
    noise = np.random.default_rng(5).normal(0, 0.0005, 200)
    climb = 100 * np.exp(np.cumsum(0.002 + noise))
    assert set(classify(climb)[WINDOW_HOURS:]) == {"trend_up"}
    assert set(classify(1 / climb)[WINDOW_HOURS:]) == {"trend_down"}


def test_wild_hours_after_quiet_ones_are_turbulent() -> None:
    quiet = np.random.default_rng(3).normal(0, 0.001, 3_000)
    wild = np.tile([0.02, -0.02], 24)
    labels = classify(100 * np.exp(np.cumsum(np.concatenate([quiet, wild]))))
    assert set(labels[-24:]) == {"turbulent"}
    before = labels[:3_000]
    assert max(set(before), key=before.count) == "calm"


def test_too_little_history_has_no_label() -> None:
    assert classify(_closes(WINDOW_HOURS)) == [None] * WINDOW_HOURS
    assert classify(np.array([])) == []
    assert classify(_closes(WINDOW_HOURS + 1))[-1] is not None


def test_a_price_that_does_not_move_is_calm() -> None:
    assert set(classify(np.full(100, 50.0))[WINDOW_HOURS:]) == {"calm"}


def test_an_impossible_close_is_refused() -> None:
    closes = _closes(100)
    closes[50] = np.nan
    with pytest.raises(BadInput, match="not a finite number"):
        classify(closes)


def test_an_hour_takes_the_close_of_its_last_candle() -> None:
    hours = hourly_regimes(walk(4 * 48), 15 * MINUTE_MS)
    assert len(hours) == 48
    assert hours[0].start_at == START
    assert hours[1].end_at == START + timedelta(hours=2)
    assert hours[1].close == walk(8).close[7]


def test_candles_longer_than_an_hour_are_refused() -> None:
    with pytest.raises(BadInput, match="at most an hour"):
        hourly_regimes(walk(10, interval_ms=240 * MINUTE_MS), 240 * MINUTE_MS)
