"""The status of a home where nothing, or only a part, runs."""

import os
from datetime import UTC, datetime
from pathlib import Path

from app.home import Home
from app.status import SupervisedProcess, Supervision, look_round, read_supervision, write_supervision
from core.clock import VirtualClock
from core.settings import Settings

NOW = datetime(2025, 3, 9, 12, tzinfo=UTC)
NO_SUCH_PID = 2**22 + 1
"""Above the largest number that Linux gives a process."""


def _settings(home: Path) -> Settings:
    settings = Settings(home=home)
    return settings.model_copy(update={"engine": settings.engine.model_copy(update={"binary": home / "absent"})})


def test_a_home_where_nothing_runs_says_so_of_every_process_with_what_to_do(tmp_path: Path) -> None:
    found = look_round(_settings(tmp_path), VirtualClock(NOW))
    assert [(s.name, s.state, s.ok) for s in found] == [
        ("supervisor", "down", False), ("engine", "down", False), ("worker", "down", False), ("web", "down", False)
    ]  # fmt: skip
    assert all(s.detail for s in found)


def test_a_live_supervisor_tells_its_mode_and_deaths_and_a_dead_one_is_not_believed(tmp_path: Path) -> None:
    home = Home(tmp_path)
    web = SupervisedProcess("web", os.getpid(), NOW, 2)
    write_supervision(home, Supervision(os.getpid(), "paper", (web,)))
    supervisor, _, _, site = look_round(_settings(tmp_path), VirtualClock(NOW))
    assert (supervisor.state, supervisor.detail, site.state) == ("up", "mode paper; web died 2 times", "up")
    write_supervision(home, Supervision(NO_SUCH_PID, "paper", (SupervisedProcess("web", NO_SUCH_PID, NOW, 0),)))
    supervisor, _, _, site = look_round(_settings(tmp_path), VirtualClock(NOW))
    assert (supervisor.state, site.state) == ("down", "down")


def test_an_unreadable_file_is_no_supervision(tmp_path: Path) -> None:
    Home(tmp_path).supervision.write_text("{")
    assert read_supervision(Home(tmp_path)) is None
