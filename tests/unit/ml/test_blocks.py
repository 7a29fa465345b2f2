"""Blocks of live rows beside the training: how rarely nothing counts as a shift, and that a planted one is seen."""

import json

import numpy as np
import pytest

from core.errors import BadInput
from market.candles import Floats, Integers
from ml.online.blocks import DAY_MS, MIN_BLOCKS, BlockReference, block_ms_of, block_of, is_shifted, rate_of

HOUR_MS = 3_600_000
WEEK = 168
NAMES = ("a", "b", "c")


def rows(n_weeks: int, seed: int, keep: float = 0.9, shift: float = 0.0) -> Floats:
    """Hours of three columns that remember the hour before, as those of a market do."""
    dice = np.random.default_rng(seed)
    x = dice.normal(size=(n_weeks * WEEK, 3))
    for at in range(1, len(x)):
        x[at] = keep * x[at - 1] + np.sqrt(1 - keep**2) * x[at]
    return np.asarray(x + shift, dtype=np.float64)


def closes(n: int) -> Integers:
    return np.arange(1, n + 1) * HOUR_MS


def fitted(x: Floats, symbols: tuple[str, ...] = ("BTCUSDT",)) -> BlockReference:
    each = len(x) // len(symbols)
    at = np.tile(closes(each), len(symbols))
    return BlockReference.fit(NAMES, x, at, np.repeat(np.arange(len(symbols)), each), symbols, HOUR_MS)


@pytest.mark.parametrize(
    ("interval_ms", "days"), [(60_000, 1), (300_000, 1), (900_000, 2), (HOUR_MS, 7), (DAY_MS, 168)]
)
def test_a_block_is_whole_days_of_enough_bars(interval_ms: int, days: int) -> None:
    assert block_ms_of(interval_ms) == days * DAY_MS
    assert [block_of(days * DAY_MS + more, interval_ms) for more in (0, 1)] == [0, 1]


def test_without_a_shift_blocks_count_as_shifted_no_more_often_than_is_said() -> None:
    n_shifted, n_judged, rate = 0, 0, 0.0
    for seed in range(12):
        x = rows(MIN_BLOCKS + 60, seed)
        reference = fitted(x[: MIN_BLOCKS * WEEK])
        for block in range(MIN_BLOCKS, MIN_BLOCKS + 60):
            found = reference.judge("BTCUSDT", reference.rows.count(x[block * WEEK : (block + 1) * WEEK]))
            assert found is not None
            rate, n_judged = rate_of((found,)), n_judged + 1
            n_shifted += is_shifted((found,))
    assert rate == 1 / (MIN_BLOCKS + 1)
    # Blocks of one world share their limit, so more than their binomial spread is allowed: three standard errors of 12.
    assert n_shifted / n_judged < rate + 3 * np.sqrt(rate / 12 / 4)
    assert n_judged == 720 and n_shifted > 0, "a limit that nothing ever reaches would be no limit"


def test_a_planted_shift_is_seen_in_its_first_block() -> None:
    reference = fitted(rows(60, 1))
    moved = rows(1, 2)
    moved[:, 1] += 3.0
    found = reference.judge("BTCUSDT", reference.rows.count(moved))
    assert found is not None and found.is_above and found.columns[0] == "b"
    assert found.index > 2 * found.limit


def test_half_of_the_symbols_decide() -> None:
    reference = fitted(np.concatenate([rows(60, 1), rows(60, 2)]), ("BTCUSDT", "ETHUSDT"))
    still, moved = (
        reference.judge(symbol, reference.rows.count(rows(1, seed, shift=shift)))
        for symbol, seed, shift in (("BTCUSDT", 5, 0.0), ("ETHUSDT", 6, 4.0))
    )
    assert still is not None and moved is not None
    assert (is_shifted((still,)), is_shifted((moved,)), is_shifted((still, moved))) == (False, True, True)
    assert not is_shifted((still, still, moved)) and not is_shifted(())
    assert rate_of((still, moved)) == 2 / 61


def test_what_cannot_be_judged_is_not() -> None:
    reference = fitted(rows(60, 1))
    few, whole = reference.rows.count(rows(1, 2)[:100]), reference.rows.count(rows(1, 2))
    assert reference.judge("BTCUSDT", few) is None and reference.judge("XRPUSDT", whole) is None
    assert fitted(rows(MIN_BLOCKS - 1, 1)).judge("BTCUSDT", whole) is None


def test_rows_one_by_one_are_counted_as_all_at_once() -> None:
    x = rows(60, 3)
    x[::7, 0], x[::11, 1] = np.nan, np.inf
    reference = fitted(x)
    counts = reference.rows.no_counts()
    for row in x[:500]:
        reference.rows.add_row(counts, row)
    assert np.array_equal(counts, reference.rows.count(x[:500]))


def test_it_is_kept_as_json_and_anything_else_is_refused() -> None:
    reference = fitted(rows(60, 1))
    plain = json.loads(json.dumps(reference.to_plain()))
    again = BlockReference.from_plain(plain)
    counts = reference.rows.count(rows(1, 9))
    assert again.judge("BTCUSDT", counts) == reference.judge("BTCUSDT", counts)
    for broken in ({}, {**plain, "own": 7}, {**plain, "own": {"BTCUSDT": ["x"]}}, {**plain, "interval_ms": 0}):
        with pytest.raises(BadInput, match="no reference"):
            BlockReference.from_plain(broken)
