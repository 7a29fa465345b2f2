"""What a replay covers, and what it may empty."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from app.home import MARK
from app.replay import empty_home, plan_run, symbol_of
from core.clock import VirtualClock
from core.errors import BadInput, Refused
from core.settings import Settings
from core.store import open_store, schema
from feedback.worker_lease import WorkerLease
from market.bars import BarArchive
from market.candles import Candles, ms_of

HOUR_MS = 3_600_000
START = datetime(2024, 1, 1, tzinfo=UTC)


def archive_of(root: Path, days: int) -> BarArchive:
    n = days * 24
    closes = 100 + np.sin(np.arange(n) / 5)
    opened = ms_of(START) + np.arange(n, dtype=np.int64) * HOUR_MS
    candles = Candles(opened, closes, closes + 1, closes - 1, closes, np.full(n, 5.0))
    archive = BarArchive(root, VirtualClock(START + timedelta(days=days)))
    archive.write("BTCUSDT", HOUR_MS, candles, "test")
    return archive


def test_history_and_embargo_come_before_day_one(tmp_path: Path) -> None:
    plan = plan_run(Settings(), archive_of(tmp_path, 500), ("BTCUSDT",), 1, history=400, days=None)
    assert plan.history_days == 400 and plan.n_days == 500 - 400 - 5 - 1
    assert plan.start_at == datetime(2025, 2, 9, 15, tzinfo=UTC)


def test_history_is_left_out_where_fewer_than_thirty_days_would_remain(tmp_path: Path) -> None:
    plan = plan_run(Settings(), archive_of(tmp_path, 430), ("BTCUSDT",), 1, history=400, days=None)
    assert plan.history_days == 0 and plan.n_days == 429


def test_days_bound_a_run(tmp_path: Path) -> None:
    assert plan_run(Settings(), archive_of(tmp_path, 60), ("BTCUSDT",), 1, history=0, days=7).n_days == 7


def test_less_than_one_whole_korean_day_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="share only"):
        plan_run(Settings(), archive_of(tmp_path, 1), ("BTCUSDT",), 1, history=0, days=None)


def test_the_symbol_is_the_end_of_a_files_name() -> None:
    assert symbol_of(Path("x/binance_perp_1m_BTCUSDT.parquet")) == "BTCUSDT"
    with pytest.raises(BadInput, match="there is no file"):
        symbol_of(Path("candles.csv"))
    with pytest.raises(BadInput, match="does not end in a symbol"):
        symbol_of(Path(__file__))


def test_only_a_former_run_is_emptied(tmp_path: Path) -> None:
    run, installation, foreign = tmp_path / "run", tmp_path / "installation", tmp_path / "foreign"
    for home, pace in ((run, "granted"), (installation, "realtime")):
        home.mkdir()
        (home / "engine.json").write_bytes(msgspec.json.encode({"pace": pace}))
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("years of work")
    mixed, data = tmp_path / "mixed", tmp_path / "data"
    for home in (mixed, data):
        (home / "bars").mkdir(parents=True)
    (mixed / "xcrack.db").touch()
    (mixed / "my_candles.csv").write_text("years of work")
    assert names_in(empty_home(Settings(home=run)).path) == [MARK]
    assert names_in(empty_home(Settings(home=run)).path) == [MARK], "killed before it wrote anything else"
    refused = (
        (installation, "xcrack up"),
        (foreign, "not a run's"),
        (mixed, "'my_candles.csv'"),
        (data, "not a run's"),
    )
    for home, reason in refused:
        with pytest.raises(BadInput, match=reason):
            empty_home(Settings(home=home))
        assert list(home.iterdir())


def test_a_run_that_is_under_way_is_not_emptied(tmp_path: Path) -> None:
    home = tmp_path / "run"
    store = open_store(f"sqlite:///{home / 'xcrack.db'}")
    schema.migrate(store)
    with WorkerLease(store, VirtualClock(START), home, "worker:1", on_lost=print):
        with pytest.raises(Refused, match="at work"):
            empty_home(Settings(home=home))
        assert (home / "xcrack.db").is_file()
    store.dispose()
    assert names_in(empty_home(Settings(home=home)).path) == [MARK]


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]
