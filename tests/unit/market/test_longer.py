"""Longer candles: only whole ones, with the numbers of their parts."""

import numpy as np

from feedback.signals.bars import Aggregator, Candle, candles_of, columns_of
from market.longer import whole_candles

MINUTE_MS = 60_000


def minutes(opened: list[int], seed: int = 1) -> list[Candle]:
    dice = np.random.default_rng(seed)
    return [Candle(at * MINUTE_MS, *sorted(dice.uniform(90, 110, 4).tolist()), float(at)) for at in opened]


def test_they_are_those_that_the_parts_make_one_by_one() -> None:
    parts = minutes([*range(58, 180), *range(190, 400)])
    one_by_one = Aggregator(MINUTE_MS, 60 * MINUTE_MS)
    expected = [whole for part in parts if (whole := one_by_one.add(part)) is not None]
    found = candles_of(whole_candles(columns_of(parts), MINUTE_MS, 60 * MINUTE_MS))
    assert [each.opened_at_ms // MINUTE_MS for each in found] == [60, 120, 240, 300]
    assert [(c.open, c.high, c.low, c.close) for c in found] == [(c.open, c.high, c.low, c.close) for c in expected]
    assert [c.volume for c in found] == [c.volume for c in expected]


def test_what_is_long_enough_stays_as_it_is() -> None:
    candles = columns_of(minutes([1, 2]))
    assert whole_candles(candles, MINUTE_MS, MINUTE_MS) is candles
    assert len(whole_candles(candles.rows(slice(0, 0)), MINUTE_MS, 60 * MINUTE_MS)) == 0
