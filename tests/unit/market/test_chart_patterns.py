"""Chart patterns: each drawn by hand and found once, at the break of its line; no later bar changes it."""

import numpy as np
import pytest

from market.candle_patterns import CANDLE_PATTERNS, LOOKBACK_BARS, scan_candles
from market.candles import Candles
from market.chart_patterns import CHART_PATTERNS, scan_charts


def candles_through(points: list[float], bars_a_leg: int = 12, half_range: float = 0.5) -> Candles:
    """Candles along straight legs between prices, after thirty bars at the first of them."""
    legs = [np.linspace(a, b, bars_a_leg, endpoint=False) for a, b in zip(points, points[1:], strict=False)]
    flat = points[0] + 0.2 * np.tile([1.0, -1.0], 15)
    close = np.concatenate([flat, *legs, [points[-1]]])
    opened = np.concatenate([[close[0]], close[:-1]])
    at = np.arange(len(close), dtype=np.int64) * 3_600_000
    high, low = np.maximum(opened, close) + half_range, np.minimum(opened, close) - half_range
    return Candles(at, opened, high, low, close, np.ones(len(close)))


DRAWN = {
    "double_top": ([100, 130, 115, 130, 105], -1),
    "head_and_shoulders": ([100, 125, 112, 138, 112, 125, 100], -1),
    "ascending_triangle": ([100, 130, 112, 130, 120, 140], 1),
}
MIRROR = {
    "double_top": "double_bottom",
    "head_and_shoulders": "inverse_head_and_shoulders",
    "ascending_triangle": "descending_triangle",
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawn_pattern_is_found_once_at_the_break_of_its_line(name: str) -> None:
    points, sign = DRAWN[name]
    signs = scan_charts(candles_through([float(p) for p in points]))[name]
    [row] = np.flatnonzero(signs)
    assert signs[row] == sign
    line = {"double_top": 115, "head_and_shoulders": 112, "ascending_triangle": 130}[name]
    close = candles_through([float(p) for p in points]).close
    before, after = close[row - 1], close[row]
    assert (before - line) * sign <= 1.0 and (after - line) * sign > 0


@pytest.mark.parametrize("name", DRAWN)
def test_the_mirror_of_a_pattern_is_its_opposite(name: str) -> None:
    points, sign = DRAWN[name]
    mirrored = scan_charts(candles_through([250.0 - p for p in points]))
    assert mirrored[MIRROR[name]].sum() == -sign and mirrored[name].sum() == 0


def test_a_breakout_fires_on_the_way_out_of_a_range_and_not_again_beyond_it() -> None:
    signs = scan_charts(candles_through([100, 101, 99, 101, 99, 101, 99, 130]))
    assert signs["breakout_up"].sum() == 1 and not signs["breakout_down"].any()


def test_later_bars_change_no_earlier_pattern() -> None:
    rng = np.random.default_rng(8)
    candles = candles_through(list(100 + np.cumsum(rng.normal(0, 9, 80))))
    whole = scan_charts(candles)
    assert sum(np.count_nonzero(each) for each in whole.values()) > 10
    for n in (200, 500, 811):
        cut = scan_charts(candles.rows(slice(0, n)))
        assert all(np.array_equal(cut[name], whole[name][:n]) for name in CHART_PATTERNS)


def test_nothing_crosses_a_gap() -> None:
    candles = candles_through([100, 130, 115, 130, 105])
    starts = np.zeros(len(candles))
    starts[60] = 1
    assert not scan_charts(candles, starts)["double_top"].any()


def test_scaled_prices_give_the_same_patterns() -> None:
    rng = np.random.default_rng(9)
    candles = candles_through(list(1000 + np.cumsum(rng.normal(0, 40, 60))))
    scaled = Candles(candles.opened_at_ms, *(4 * values for values in candles.values().T[:4]), candles.volume)
    ours, theirs = scan_charts(candles), scan_charts(scaled)
    assert all(np.array_equal(ours[name], theirs[name]) for name in CHART_PATTERNS)


def test_candle_patterns_need_no_more_bars_than_said() -> None:
    rng = np.random.default_rng(10)
    close = 100 + np.cumsum(rng.normal(0, 1, 400))
    opened = close - rng.normal(0, 0.8, 400)
    at = np.arange(400, dtype=np.int64)
    high, low = np.maximum(opened, close) + rng.random(400), np.minimum(opened, close) - rng.random(400)
    candles = Candles(at, opened, high, low, close, np.ones(400))
    whole = scan_candles(candles)
    assert len(whole) == len(CANDLE_PATTERNS) == 61 and sum(bool(each.any()) for each in whole.values()) > 25
    for n in range(LOOKBACK_BARS + 1, 400, 7):
        recent = scan_candles(candles.rows(slice(n - LOOKBACK_BARS - 1, n)))
        assert all(recent[name][-1] == whole[name][n - 1] for name in whole)
