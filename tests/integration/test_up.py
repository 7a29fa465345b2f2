"""`xcrack up` as a person runs it: everything comes up, obeys, comes back after a kill, and ends together."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.settings import Settings
from tests.installation import Installation
from tests.servers import free_port

END_WITHIN_S = 60.0
"""The supervisor kills after 10 s what does not end; the rest is for a machine that does many things at once."""
pytestmark = pytest.mark.skipif(not Settings().engine.binary.is_file(), reason="the engine is not built: make engine")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path / "h")
    try:
        yield installation
    finally:
        installation.end()


def test_everything_comes_up_obeys_comes_back_after_a_kill_and_ends_together(running: Installation) -> None:
    running.wait_for("readiness", running.ready)

    looked = running.call("status", "--json")
    states = {name: found["state"] for name, found in json.loads(looked.stdout).items()}
    assert (looked.returncode, states) == (0, {"supervisor": "up", "engine": "active", "worker": "up", "web": "up"})
    assert {line.split()[0] for line in running.call("logs", "-n", "1").stdout.splitlines()} >= {"engine", "worker"}

    second = running.call("worker")
    assert second.returncode == 3 and "a worker runs already" in second.stderr
    taken = running.call("web")
    assert taken.returncode == 2 and "in use" in taken.stderr

    halted = running.call("engine", "halt", "--by", "ann", "--reason", "looks wrong")
    assert halted.returncode == 0 and json.loads(running.call("engine", "status").stdout)["state"] == "halted"
    running.wait_for("halt", lambda: "halted" in (running.ready() or {}).get("engine", ""))
    assert running.call("engine", "resume", "--by", "ann", "--reason", "fine").returncode == 0
    assert json.loads(running.call("engine", "status").stdout)["state"] == "active"

    before = set(running.children())
    held_by = running.wait_for("readiness", running.ready)["worker"]
    os.kill(int(held_by.split(":")[1]), signal.SIGKILL)
    running.wait_for("new worker", lambda: (running.ready() or {}).get("worker", held_by) != held_by)
    assert len(set(running.children()) - before) == 1, "the worker alone was started again"

    children = running.children()
    running.up.send_signal(signal.SIGINT)
    assert running.up.wait(END_WITHIN_S) == 0
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def test_the_engine_talks_to_the_worker_over_the_chosen_carrier(tmp_path: Path) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    chosen = {"XCRACK_BRIDGE__LISTEN": json.dumps([address]), "XCRACK_BRIDGE__DIAL": address}
    installation = Installation(tmp_path / "h", **chosen)
    try:
        installation.wait_for("readiness", installation.ready)

        def carrier() -> str:
            told = json.loads(installation.call("status", "--json").stdout)
            return str(told["worker"].get("bridge", {}).get("carrier", ""))

        installation.wait_for("talk over TCP", lambda: carrier() == "tcp")
        assert json.loads((installation.home / "engine.json").read_bytes())["bridge_url"] == address
    finally:
        installation.end()


def test_a_line_that_cannot_be_is_refused_before_anything_starts(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "h", XCRACK_BRIDGE__PORT="0")
    try:
        assert installation.up.wait(60) == 2
    finally:
        installation.end()
    said = (tmp_path / "up.log").read_text(encoding="utf-8")
    assert "cannot know which port to dial" in said and "Traceback" not in said
    assert not (installation.home / "xcrack.db").exists()
