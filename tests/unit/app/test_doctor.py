"""The doctor: one finding per check, a remedy for each that is wrong, and nothing changed."""

import socket
from pathlib import Path

import pytest

from app.doctor import Finding, examine
from core.clock import VirtualClock
from core.settings import Settings
from core.store import Store, audit
from tests.conftest import START
from tests.servers import free_port

CLOCK = VirtualClock(START)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    binary = tmp_path / "xcrack-engine"
    binary.write_bytes(b"")
    return Settings.model_validate({"home": tmp_path, "engine": {"binary": binary}, "bridge": {"port": free_port()}})


def _found(settings: Settings) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(settings, CLOCK)}


def _wrong(settings: Settings) -> list[str]:
    return [check for check, finding in _found(settings).items() if not finding.ok]


def test_a_new_installation_is_in_order_and_stays_untouched(settings: Settings) -> None:
    before = sorted(settings.home.iterdir())
    found = _found(settings)
    assert all(finding.ok for finding in found.values()), found
    assert all(finding.detail and not finding.remedy for finding in found.values())
    assert sorted(settings.home.iterdir()) == before


@pytest.mark.parametrize(
    ("instance", "says"),
    [
        ({"strategy": "astrology"}, "no strategy 'astrology'"),
        ({"strategy": "rules"}, "without a rule set"),
        ({"strategy": "micro_arbitrage"}, "decides on quotes and books"),
        ({"strategy": "sma_cross", "params": {"fast": 90.0}}, "must be below slow"),
        ({"strategy": "sma_cross", "params": {"speed": 1.0}}, "no parameter 'speed'"),
        ({"strategy": "predictive", "driver": "trades"}, "would wait for predictions"),
    ],
)
def test_an_instance_that_cannot_run_is_found_before_a_start(
    settings: Settings, instance: dict[str, object], says: str
) -> None:
    wrong = [{"instance_id": "x-1", "capital_share": 0.5, **instance}]
    found = _found(settings.model_validate(settings.model_dump() | {"instances": wrong}))
    assert not found["instances"].ok and says in found["instances"].detail
    assert [check for check, finding in found.items() if not finding.ok] == ["instances"]


def test_what_is_wrong_comes_with_a_remedy(settings: Settings) -> None:
    settings.engine.binary.unlink()
    (settings.home / "bridge.secret").write_text("x" * 64, encoding="ascii")
    (settings.home / "bridge.secret").chmod(0o644)
    found = _found(settings)
    assert _wrong(settings) == ["engine", "bridge secret"]
    assert found["engine"].remedy == "Run make engine"
    assert found["bridge secret"].remedy == f"chmod 600 {settings.home / 'bridge.secret'}"


def test_a_home_that_is_a_file_is_wrong(settings: Settings, tmp_path: Path) -> None:
    moved = settings.model_copy(update={"home": tmp_path / "xcrack-engine"})
    assert _wrong(moved) == ["home"]


def test_a_damaged_database_is_wrong_and_the_other_checks_go_on(settings: Settings) -> None:
    (settings.home / "xcrack.db").write_bytes(b"no database" * 500)
    found = _found(settings)
    assert [check for check, finding in found.items() if not finding.ok] == ["store", "chains", "report"]
    assert "damaged" in found["store"].detail and found["store"].remedy


def test_a_changed_audit_row_is_named(settings: Settings, store: Store) -> None:
    with store.session() as session:
        audit.append(session, START, "ann", "resume", "engine", {})
    assert _wrong(settings) == []
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE audit SET actor = 'eve'")
    found = _found(settings)
    assert not found["chains"].ok and "1" in found["chains"].detail and "backup" in found["chains"].remedy


def test_a_port_that_nobody_answers_at_but_is_taken_is_wrong(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        busy = settings.model_copy(update={"bridge": settings.bridge.model_copy(update={"port": port})})
        assert _wrong(busy) == ["bridge port"]
        taken.listen()
        assert _wrong(busy) == [], "a worker that listens there is as it should be"


def test_a_bot_that_nobody_may_command_is_wrong(settings: Settings) -> None:
    silent = Settings.model_validate({**settings.model_dump(), "telegram": {"token": "1:a"}})
    assert _wrong(silent) == ["telegram"]
