"""The feeds of a live market in the engine's status: read, shown, and alerted about when they fall silent."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from app.cli import cli
from app.feeds import judge_feeds, read_feeds
from app.home import Home
from app.status import engine_status
from app.wiring import Rooms, build_rooms
from app.worker import watch_feeds
from core.clock import VirtualClock, to_ns
from core.settings import Settings
from core.store import alerts, notifications

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


def told(is_stale: bool = False, last_at: datetime | None = NOW) -> dict[str, Any]:
    """What an engine with two symbols at one venue tells; the second one has said nothing yet."""
    symbol = {
        "symbol": 0, "messages": 12, "duplicates": 0, "strange": 0, "gaps": 2, "resyncs": 1, "missed_candles": 9,
        "lost_candles": 0, "last_lost": None,
        "last_at": 0 if last_at is None else to_ns(last_at), "lag_ns": 42_000_000, "is_stale": is_stale,
        "is_book_live": True,
    }  # fmt: skip
    silent = {**symbol, "symbol": 1, "messages": 0, "last_at": 0, "lag_ns": 0, "is_stale": False}
    feed = {"venue": "binance_spot", "connections": 1, "reconnects": 3, "frames": 20, "symbols": [symbol, silent]}
    return {"ok": True, "state": "active", "pid": 7, "bars": 5, "connected": True, "feeds": [feed]}


def answering(path: Path, answer: dict[str, Any]) -> Path:
    """Write a program that answers every question with `answer`, as the engine's binary does."""
    path.with_suffix(".json").write_text(json.dumps(answer))
    path.write_text(f"#!/bin/sh\ncat {path.with_suffix('.json')}\n")
    path.chmod(0o755)
    return path


def settings_of(home: Path, answer: dict[str, Any]) -> Settings:
    home.joinpath("engine.json").write_bytes(
        msgspec.json.encode({"markets": [{}], "symbols": [{"name": "BTCUSDT"}, {"name": "ETHUSDT"}]})
    )
    settings = Settings(home=home)
    binary = answering(home / "engine-binary", answer)
    return settings.model_copy(update={"engine": settings.engine.model_copy(update={"binary": binary})})


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Rooms]:
    settings = settings_of(tmp_path, told(is_stale=True, last_at=NOW - timedelta(seconds=61)))
    with build_rooms(settings, Home(tmp_path), VirtualClock(NOW), ("BTCUSDT", "ETHUSDT")) as rooms:
        yield rooms


def test_each_symbol_of_each_feed_is_read_by_its_name() -> None:
    first, second = read_feeds(told(), ["BTCUSDT", "ETHUSDT"])
    assert (first.symbol, first.venue, first.state, first.seen_at, first.lag_ms) == (
        "BTCUSDT", "binance_spot", "live", NOW, 42.0
    )  # fmt: skip
    assert (first.n_gaps, first.n_reconnects, first.n_messages) == (2, 3, 12)
    assert (second.symbol, second.state, second.seen_at, second.lag_ms) == ("ETHUSDT", "waiting", None, None)
    assert read_feeds({"feeds": []}, []) == read_feeds({}, []) == ()


def test_only_a_stale_symbol_is_bad_and_says_since_when() -> None:
    bad, good = judge_feeds(read_feeds(told(is_stale=True), ["BTCUSDT", "ETHUSDT"]), 60.0)
    assert (bad.subject, bad.is_bad, good.is_bad) == ("BTCUSDT@binance_spot", True, False)
    assert bad.facts == {"since": "2026-03-02 03:00:00 UTC", "limit": "60"}


def test_a_stale_market_is_told_once_and_resolved_when_data_come_again(rooms: Rooms, tmp_path: Path) -> None:
    watch_feeds(rooms, Home(tmp_path))
    watch_feeds(rooms, Home(tmp_path))
    with rooms.store.session() as session:
        [alert] = alerts.open(session)
        assert len(notifications.unsent(session, 10)) == 1
    assert (alert.kind, alert.subject) == ("stale_market", "BTCUSDT@binance_spot")
    assert "2026-03-02 02:58:59 UTC" in alert.message and "60 s" in alert.message
    answering(tmp_path / "engine-binary", told())
    watch_feeds(rooms, Home(tmp_path))
    with rooms.store.session() as session:
        assert alerts.open(session) == []


def test_an_engine_that_does_not_answer_resolves_nothing(rooms: Rooms, tmp_path: Path) -> None:
    watch_feeds(rooms, Home(tmp_path))
    (tmp_path / "engine-binary").write_text("#!/bin/sh\nexit 1\n")
    watch_feeds(rooms, Home(tmp_path))
    with rooms.store.session() as session:
        assert [alert.kind for alert in alerts.open(session)] == ["stale_market"]


def test_the_status_shows_the_feeds_in_words_and_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = told(is_stale=True)
    lost = {"from": to_ns(NOW - timedelta(minutes=50)), "to": to_ns(NOW - timedelta(minutes=30))}
    answer["feeds"][0]["symbols"][0] |= {"lost_candles": 40, "last_lost": lost}
    settings = settings_of(tmp_path, answer)
    monkeypatch.setenv("XCRACK_HOME", str(tmp_path))
    monkeypatch.setenv("XCRACK_ENGINE__BINARY", str(settings.engine.binary))
    table = CliRunner().invoke(cli, ["status"]).output
    assert [line.split()[:3] for line in table.splitlines() if "binance_spot" in line] == [
        ["binance_spot", "BTCUSDT", "stale"], ["binance_spot", "ETHUSDT", "waiting"]
    ]  # fmt: skip
    assert "40, last 2026-03-02 02:10 to 2026-03-02 02:30 UTC" in table
    feeds = json.loads(CliRunner().invoke(cli, ["status", "--json"]).output)["engine"]["feeds"]
    assert [(feed["symbol"], feed["state"], feed["n_gaps"]) for feed in feeds] == [
        ("BTCUSDT", "stale", 2), ("ETHUSDT", "waiting", 2)
    ]  # fmt: skip


def test_the_program_of_these_tests_answers_as_the_engine_does(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, told())
    assert json.loads(subprocess.check_output([str(settings.engine.binary), "status"])) == told()
    assert [feed.symbol for feed in engine_status(settings, Home(tmp_path)).feeds] == ["BTCUSDT", "ETHUSDT"]
