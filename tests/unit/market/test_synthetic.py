from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from core.clock import VirtualClock
from core.errors import BadInput
from core.native import Bars, generate
from market.bars import BarArchive
from market.synthetic import demo_market, write_market
from tests.candle_factory import START

COLUMNS = ("symbol", "opened_at_ns", "closed_at_ns", "open", "high", "low", "close", "volume")


def _generate(root: Path, seed: int) -> tuple[Bars, BarArchive]:
    archive = BarArchive(root, VirtualClock(START + timedelta(days=3)))
    return write_market(archive, demo_market(seed, START, 3)), archive


def test_the_archive_gives_back_exactly_what_was_generated(tmp_path: Path) -> None:
    generated, archive = _generate(tmp_path, 7)
    assert archive.span() == (START, START + timedelta(days=3))
    loaded = archive.load(generated.symbols, *archive.span())
    assert len(loaded) == 3 * 3 * 96
    for name in COLUMNS:
        assert np.array_equal(getattr(loaded, name), getattr(generated, name)), name
    assert (loaded.ticks, loaded.lots) == (generated.ticks, generated.lots)
    assert archive.facts("BTCUSDT").source == "synthetic:7"


def test_the_same_seed_gives_the_same_market_and_another_seed_another(tmp_path: Path) -> None:
    first, _ = _generate(tmp_path / "a", 7)
    again, _ = _generate(tmp_path / "b", 7)
    other, _ = _generate(tmp_path / "c", 8)
    assert np.array_equal(first.close, again.close)
    assert not np.array_equal(first.close, other.close)


def test_a_market_that_cannot_be_is_refused() -> None:
    for wrong, reason in (
        ({"days": 0}, "at least one day"),
        ({"days": 1, "n_symbols": 99}, "1 to 5"),
        ({"days": 1, "bar_minutes": 7}, "are not known"),
        ({"days": 1, "start_at": START + timedelta(minutes=1)}, "whole candle"),
        ({"days": 1, "turn_at": START - timedelta(days=1)}, "before it begins"),
    ):
        with pytest.raises(BadInput, match=reason):
            demo_market(**{"seed": 1, "start_at": START, **wrong})


def test_a_market_turns_when_it_is_told_to() -> None:
    stays, turns = (generate(demo_market(7, START, 3, turn_at=at)) for at in (None, START + timedelta(days=2)))
    n = 2 * 96 * len(stays.symbols)
    assert np.array_equal(stays.close[:n], turns.close[:n])
    assert not np.array_equal(stays.close[n:], turns.close[n:])
