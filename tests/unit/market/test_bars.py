from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from core.clock import VirtualClock
from core.errors import BadInput, Corrupt, UnknownName
from market.bars import BarArchive
from market.candles import MINUTE_MS, Candles, grid_of
from tests.candle_factory import QUARTER_HOUR_MS, START, walk

HOUR = timedelta(hours=1)


def test_what_is_written_is_read_back_with_its_grid(archive: BarArchive) -> None:
    candles = walk(500)
    archive.write("BTCUSDT", QUARTER_HOUR_MS, candles, "test")
    read = archive.candles("BTCUSDT")
    assert np.array_equal(read.opened_at_ms, candles.opened_at_ms)
    assert np.array_equal(read.values(), candles.values())
    facts = archive.facts("BTCUSDT")
    assert (facts.tick, facts.lot, facts.source, facts.n_candles) == (Decimal("0.01"), Decimal("0.001"), "test", 500)


def test_the_grid_is_the_coarsest_power_of_ten_that_holds_all_values() -> None:
    assert grid_of(np.array([1.0, 20.0])) == 1
    assert grid_of(np.array([64250.1, 3.0])) == Decimal("0.1")
    assert grid_of(np.array([0.1 + 0.2])) == Decimal("0.1")
    assert grid_of(np.array([1 / 3])) == Decimal("0.00000001")


def test_loaded_bars_are_sorted_by_closing_time_then_symbol(archive: BarArchive) -> None:
    archive.write("BTCUSDT", QUARTER_HOUR_MS, walk(10), "test")
    archive.write("ETHUSDT", QUARTER_HOUR_MS, walk(10, seed=2, price=3_000), "test")
    bars = archive.load(("ETHUSDT", "BTCUSDT"), START, START + HOUR)
    assert bars.symbols == ("ETHUSDT", "BTCUSDT")
    assert bars.symbol.tolist() == [0, 1] * 4
    assert np.all(np.diff(bars.closed_at_ns) >= 0)
    assert np.all(bars.closed_at_ns - bars.opened_at_ns == QUARTER_HOUR_MS * 1_000_000)
    assert bars.close[0] == walk(1, seed=2, price=3_000).close[0]


def test_the_range_excludes_its_start_and_includes_its_end(archive: BarArchive) -> None:
    archive.write("BTCUSDT", QUARTER_HOUR_MS, walk(20), "test")
    bars = archive.load(("BTCUSDT",), START + HOUR, START + 2 * HOUR)
    closed = (bars.closed_at_ns // 1_000_000 - archive.candles("BTCUSDT").opened_at_ms[0]) / MINUTE_MS
    assert closed.tolist() == [75, 90, 105, 120]


def test_the_future_is_refused_and_hidden(archive: BarArchive) -> None:
    archive.write("BTCUSDT", QUARTER_HOUR_MS, walk(20), "test")
    early = replace(archive, clock=VirtualClock(START + timedelta(minutes=44)))
    assert len(early.candles("BTCUSDT")) == 2
    assert early.span()[1] == START + timedelta(minutes=30)
    with pytest.raises(BadInput, match="the future is not known"):
        early.load(("BTCUSDT",), START, START + HOUR)


def test_the_span_is_what_all_symbols_share(archive: BarArchive) -> None:
    archive.write("BTCUSDT", QUARTER_HOUR_MS, walk(20), "test")
    archive.write("ETHUSDT", QUARTER_HOUR_MS, walk(20, start_at=START + HOUR), "test")
    assert archive.span() == (START + HOUR, START + 5 * HOUR)
    archive.write("ETHUSDT", QUARTER_HOUR_MS, walk(20, start_at=START + 9 * HOUR), "test")
    with pytest.raises(BadInput, match="share no time"):
        archive.span()


def test_the_finest_interval_that_all_symbols_have_is_read(archive: BarArchive) -> None:
    for symbol in ("BTCUSDT", "ETHUSDT"):
        archive.write(symbol, 60 * MINUTE_MS, walk(5, interval_ms=60 * MINUTE_MS), "test")
    archive.write("BTCUSDT", QUARTER_HOUR_MS, walk(20), "test")
    assert archive.interval_ms == 60 * MINUTE_MS
    assert archive.symbols() == ("BTCUSDT", "ETHUSDT")
    assert replace(archive, only_interval_ms=QUARTER_HOUR_MS).symbols() == ("BTCUSDT",)


def test_gaps_stay_gaps(archive: BarArchive) -> None:
    candles = walk(20)
    kept = candles.rows(np.arange(20) != 7)
    archive.write("BTCUSDT", QUARTER_HOUR_MS, kept, "test")
    assert np.array_equal(archive.candles("BTCUSDT").opened_at_ms, kept.opened_at_ms)


def test_merging_in_any_order_gives_the_same_candles(archive: BarArchive, tmp_path: Path) -> None:
    candles = walk(40)
    parts = [candles.rows(slice(20, 40)), candles.rows(slice(0, 10)), candles.rows(slice(5, 25))]
    other = BarArchive(tmp_path / "other", archive.clock)
    for part in parts:
        archive.merge("BTCUSDT", QUARTER_HOUR_MS, part, "test")
    for part in reversed(parts):
        other.merge("BTCUSDT", QUARTER_HOUR_MS, part, "test")
    for read in (archive, other):
        assert np.array_equal(read.candles("BTCUSDT").values(), candles.values())


def test_a_stored_candle_is_never_changed_by_a_revision(archive: BarArchive) -> None:
    candles = walk(10)
    archive.write("BTCUSDT", QUARTER_HOUR_MS, candles, "test")
    revised = replace(candles, close=candles.open)
    result = archive.merge("BTCUSDT", QUARTER_HOUR_MS, revised, "test")
    assert (result.n_new, result.n_same, len(result.revised_opened_at)) == (0, 0, 10)
    assert np.array_equal(archive.candles("BTCUSDT").close, candles.close)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda c: replace(c, low=c.high + 1), "not sound"),
        (lambda c: c.rows(np.arange(len(c))[::-1]), "not in order"),
        (lambda c: replace(c, opened_at_ms=c.opened_at_ms + 1), "does not open on a multiple"),
        (lambda c: c.rows(slice(0, 0)), "no candles"),
    ],
)
def test_only_good_candles_are_kept(archive: BarArchive, spoil: object, reason: str) -> None:
    spoiled: Candles = spoil(walk(5))  # type: ignore[operator]
    with pytest.raises(BadInput, match=reason):
        archive.write("BTCUSDT", QUARTER_HOUR_MS, spoiled, "test")


@pytest.mark.parametrize("symbol", ["../BTC", "btcusdt", "", "A" * 31, "BTC/USDT", "비트코인"])
def test_a_symbol_that_could_be_a_path_is_refused(archive: BarArchive, symbol: str) -> None:
    with pytest.raises(BadInput, match="is no symbol"):
        archive.write(symbol, QUARTER_HOUR_MS, walk(5), "test")


def test_an_unknown_symbol_is_named_with_those_there_are(archive: BarArchive) -> None:
    archive.write("BTCUSDT", QUARTER_HOUR_MS, walk(5), "test")
    with pytest.raises(UnknownName, match=r"no 15m candles of DOGEUSDT.*It has BTCUSDT"):
        archive.candles("DOGEUSDT")


def test_an_empty_archive_says_so(archive: BarArchive) -> None:
    assert archive.symbols() == ()
    with pytest.raises(BadInput, match="is empty"):
        _ = archive.interval_ms


def test_a_damaged_file_is_named(archive: BarArchive) -> None:
    archive.write("BTCUSDT", QUARTER_HOUR_MS, walk(500), "test")
    path = archive.root / "BTCUSDT" / "15m.parquet"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(Corrupt, match="15m.parquet"):
        archive.candles("BTCUSDT")


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(
    archive: BarArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.write("BTCUSDT", QUARTER_HOUR_MS, walk(5), "test")

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("core.durable.os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            archive.write("BTCUSDT", QUARTER_HOUR_MS, walk(50), "test")
    assert len(archive.candles("BTCUSDT")) == 5
    assert [path.name for path in (archive.root / "BTCUSDT").iterdir()] == ["15m.parquet"]
