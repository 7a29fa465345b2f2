"""The market log carried over: sealed rows only, once, to the same bytes after a kill, and nothing damaged."""

import hashlib
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.clock import VirtualClock
from market.bars import BarArchive
from market.live_archive import LiveArchive, LiveSymbol
from market.live_log import BAR, DEPTH, FINAL, HEADER, LAST, MAGIC, QUOTE, ROW, SEAL, SELL, TRADE, UNITS, read_segment

START = datetime(2025, 3, 9, 12, tzinfo=UTC)
START_NS = int(START.timestamp()) * 10**9
MINUTE_NS = 60 * 10**9
SYMBOLS = (
    LiveSymbol("BTCUSDT", Decimal("0.1"), Decimal("0.001"), "binance_spot"),
    LiveSymbol("ETHUSDT", Decimal("0.01"), Decimal("0.01"), "bybit_linear"),
)


def _row(kind: int, symbol: int, values: Sequence[int], flags: int = 0) -> bytes:
    row = np.zeros(1, dtype=ROW)
    row["kind"], row["flags"], row["symbol"] = kind, flags, symbol
    row["v"][0, : len(values)] = values
    row["crc"] = zlib.crc32(row.tobytes())
    return row.tobytes()


def _seal(before: bytes, n_events: int, is_final: bool = False) -> bytes:
    digest = np.frombuffer(hashlib.sha256(before).digest(), dtype="<i8")
    return _row(SEAL, 0, [n_events, *digest.tolist()], FINAL if is_final else 0)


def _bar(symbol: int, n: int, price: float) -> bytes:
    opened, units = START_NS + n * MINUTE_NS, int(price * UNITS)
    return _row(BAR, symbol, [opened, opened + MINUTE_NS, units, units, units, units, 5 * UNITS])


def _segment(folder: Path, number: int, events: Sequence[bytes], is_final: bool, unsealed: bytes = b"") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    data = _row(HEADER, 0, [MAGIC, number, 1]) + b"".join(events)
    data += _seal(data, len(events), is_final) + unsealed
    path = folder / f"segment-{number:08}.rows"
    path.write_bytes(data)
    return path


def _archive(tmp_path: Path, now: datetime = START + timedelta(hours=1)) -> LiveArchive:
    clock = VirtualClock(now)
    bars = BarArchive(tmp_path / "bars", clock)
    return LiveArchive(tmp_path / "market", tmp_path / "ticks", bars, clock, SYMBOLS, tick_days=2)


def _ticks() -> list[bytes]:
    return [
        _row(TRADE, 0, [START_NS + 1, START_NS, 100 * UNITS, UNITS // 2, 77], SELL),
        _row(QUOTE, 1, [START_NS + 2, START_NS, 99 * UNITS, UNITS, 101 * UNITS, 2 * UNITS]),
        _row(DEPTH, 0, [START_NS + 3, START_NS, 5, 6, 98 * UNITS, 0], LAST | SELL),
    ]


def test_candles_come_from_the_open_segment_and_only_what_is_sealed(tmp_path: Path) -> None:
    _segment(tmp_path / "market", 1, [_bar(0, 0, 100.0), _bar(1, 0, 50.0)], False, unsealed=_bar(0, 1, 101.0))
    archive = _archive(tmp_path)
    done = archive.carry_over()
    assert (done.n_candles, done.n_segments) == (2, 0)
    assert done.newest_at == START + timedelta(minutes=1)
    assert archive.bars.symbols() == ("BTCUSDT", "ETHUSDT")
    assert len(archive.bars.candles("BTCUSDT")) == 1 and archive.bars.facts("BTCUSDT").tick == Decimal("0.1")
    assert archive.carry_over().n_candles == 0


def test_a_closed_segment_becomes_one_file_a_kind_and_a_marker_with_its_seal(tmp_path: Path) -> None:
    path = _segment(tmp_path / "market", 3, [*_ticks(), _bar(0, 0, 100.0)], True)
    assert _archive(tmp_path).carry_over().n_segments == 1
    day = tmp_path / "ticks" / "trades" / "2025-03-09" / "00000003.parquet"
    trade = pq.read_table(day).to_pylist()[0]
    assert (trade["symbol"], trade["price"], trade["qty"], trade["trade_id"], trade["buyer_is_maker"]) == (
        "BTCUSDT", 100.0, 0.5, 77, True
    )  # fmt: skip
    quote = pq.read_table(tmp_path / "ticks" / "quotes" / "2025-03-09" / "00000003.parquet").to_pylist()[0]
    assert (quote["symbol"], quote["bid"], quote["ask_qty"]) == ("ETHUSDT", 99.0, 2.0)
    level = pq.read_table(tmp_path / "ticks" / "depth" / "2025-03-09" / "00000003.parquet").to_pylist()[0]
    assert (level["side"], level["price"], level["is_last"], level["is_snapshot"]) == (-1, 98.0, True, False)
    assert path.with_suffix(".archived").read_text().strip() == read_segment(path).sha256
    assert _archive(tmp_path).carry_over().n_segments == 0


def test_a_kill_before_the_marker_ends_with_the_same_bytes(tmp_path: Path) -> None:
    path = _segment(tmp_path / "market", 1, [*_ticks(), _bar(0, 0, 100.0)], True)
    _archive(tmp_path).carry_over()
    files = sorted((tmp_path / "ticks").glob("*/*/*.parquet"))
    before = [file.read_bytes() for file in files]
    path.with_suffix(".archived").unlink()
    again = _archive(tmp_path).carry_over()
    assert (again.n_segments, again.n_candles) == (1, 0)
    assert sorted((tmp_path / "ticks").glob("*/*/*.parquet")) == files
    assert [file.read_bytes() for file in files] == before


def test_a_damaged_segment_is_named_and_not_archived_and_stops_no_other(tmp_path: Path) -> None:
    path = _segment(tmp_path / "market", 1, [*_ticks(), _bar(0, 0, 100.0)], True)
    sound = _segment(tmp_path / "market", 2, [_bar(0, 1, 101.0)], True)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(bytes(data))
    done = _archive(tmp_path).carry_over()
    assert [failure.split(":")[0] for failure in done.failures] == [path.name] and "the seal in row" in done.failures[0]
    assert not path.with_suffix(".archived").exists() and not (tmp_path / "ticks").exists()
    assert sound.with_suffix(".archived").exists() and (done.n_segments, done.n_candles) == (1, 1)


def test_candles_that_the_disk_did_not_take_come_with_the_next_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _segment(tmp_path / "market", 1, [_bar(0, 0, 100.0)], False)
    archive = _archive(tmp_path)

    def full(_: int) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("core.durable.os.fsync", full)
        failed = archive.carry_over()
    assert failed.failures == ("candles of BTCUSDT: No space left on device",) and failed.n_candles == 0
    path = _segment(tmp_path / "market", 1, [_bar(0, 0, 100.0), _bar(0, 1, 101.0)], True)
    done = archive.carry_over()
    assert (done.n_candles, done.n_segments, done.failures) == (2, 1, ())
    assert len(archive.bars.candles("BTCUSDT")) == 2 and path.with_suffix(".archived").exists()


def test_a_bad_bar_file_of_one_symbol_keeps_only_its_own_candles_and_the_segment_waiting(tmp_path: Path) -> None:
    path = _segment(tmp_path / "market", 1, [_bar(0, 0, 100.0), _bar(1, 0, 50.0)], True)
    bad = tmp_path / "bars" / "BTCUSDT" / "1m.parquet"
    bad.parent.mkdir(parents=True)
    bad.write_bytes(b"no parquet")
    archive = _archive(tmp_path)
    done = archive.carry_over()
    assert len(done.failures) == 1 and str(bad) in done.failures[0] and done.n_segments == 0
    assert len(archive.bars.candles("ETHUSDT")) == 1 and not path.with_suffix(".archived").exists()
    bad.unlink()
    again = archive.carry_over()
    assert (again.n_candles, again.n_segments, again.failures) == (1, 1, ())
    assert len(archive.bars.candles("BTCUSDT")) == 1 and path.with_suffix(".archived").exists()


def test_each_bar_file_tells_the_venue_of_its_own_symbol(tmp_path: Path) -> None:
    _segment(tmp_path / "market", 1, [_bar(0, 0, 100.0), _bar(1, 0, 50.0)], True)
    archive = _archive(tmp_path)
    assert archive.carry_over().failures == ()
    assert [archive.bars.facts(symbol.name).source for symbol in SYMBOLS] == ["binance_spot", "bybit_linear"]


def test_old_prints_go_and_candles_and_strange_files_stay(tmp_path: Path) -> None:
    _segment(tmp_path / "market", 1, [*_ticks(), _bar(0, 0, 100.0)], True)
    _archive(tmp_path).carry_over()
    strange = tmp_path / "ticks" / "trades" / "mine" / "x.parquet"
    strange.parent.mkdir()
    strange.write_bytes(b"")
    later = _archive(tmp_path, START + timedelta(days=4))
    assert later.carry_over().n_deleted_files == 3
    assert strange.exists() and len(later.bars.candles("BTCUSDT")) == 1
