"""A market log that cannot be archived is told to people once, in their language, and resolved when it goes again."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from app.home import Home
from app.wiring import Rooms, build_rooms
from app.worker import archive_market
from core.clock import VirtualClock
from core.settings import Settings
from core.store import alerts, notifications
from feedback.alert_texts import TEXTS
from market.live_archive import Archived, LiveArchive

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
FULL = "candles of BTCUSDT: No space left on device"


class Passes:
    """An archive whose passes end as planned."""

    def __init__(self, *outcomes: tuple[str, ...] | Exception) -> None:
        self.outcomes = list(outcomes)

    def carry_over(self) -> Archived:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return Archived(0, 0, 0, None, outcome)


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Rooms]:
    with build_rooms(Settings.model_validate({"home": tmp_path}), Home(tmp_path), VirtualClock(NOW), ()) as rooms:
        yield rooms


def test_a_failure_is_told_once_and_resolved_by_a_pass_without_one(rooms: Rooms) -> None:
    archive = cast(LiveArchive, Passes((FULL,), (FULL, "another"), ()))
    archive_market(rooms, archive)
    archive_market(rooms, archive)
    with rooms.store.session() as session:
        [alert] = alerts.open(session)
        assert len(notifications.unsent(session, 10)) == 1
    assert alert.kind == "market_archive" and FULL in alert.message
    archive_market(rooms, archive)
    with rooms.store.session() as session:
        assert alerts.open(session) == []


def test_many_failures_are_told_as_some_and_a_number(rooms: Rooms) -> None:
    archive_market(rooms, cast(LiveArchive, Passes(tuple(f"S{n}: refused" for n in range(40)))))
    with rooms.store.session() as session:
        [alert] = alerts.open(session)
    assert "S2: refused (+37)" in alert.message and "S3" not in alert.message


def test_a_defect_is_told_and_still_reaches_the_log_of_periodic_work(rooms: Rooms) -> None:
    with pytest.raises(IndexError):
        archive_market(rooms, cast(LiveArchive, Passes(IndexError("no such symbol"))))
    with rooms.store.session() as session:
        assert ["no such symbol" in alert.message for alert in alerts.open(session)] == [True]


def test_the_words_exist_in_both_languages_and_name_the_reason() -> None:
    for language in ("en", "ko"):
        message, action = TEXTS[language]["market_archive"]
        assert FULL in message.format(subject="", reason=FULL) and action
