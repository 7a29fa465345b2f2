"""`xcrack up` as a person runs it: everything comes up, obeys, comes back after a kill, and ends together."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.settings import PROJECT_ROOT, Settings
from tests.servers import free_port

UP_WITHIN_S = 60.0
END_WITHIN_S = 12.0
pytestmark = pytest.mark.skipif(not Settings().engine.binary.is_file(), reason="the engine is not built: make engine")


class Installation:
    """A home of its own with `xcrack up` running in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.web_port = free_port()
        self.environ = {
            **os.environ,
            "XCRACK_HOME": str(home),
            "XCRACK_WEB__PORT": str(self.web_port),
            "XCRACK_BRIDGE__PORT": str(free_port()),
        }
        self.log = (home.parent / "up.log").open("wb")
        self.up = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "up"],
            cwd=PROJECT_ROOT,
            env=self.environ,
            stdout=self.log,
            stderr=self.log,
        )

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command of this installation to its end."""
        command = [sys.executable, "-m", "app.cli", *arguments]
        return subprocess.run(
            command, cwd=PROJECT_ROOT, env=self.environ, capture_output=True, text=True, timeout=60, check=False
        )

    def ready(self) -> dict[str, Any] | None:
        """Return the checks of /readyz once it answers 200, else None."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}/readyz", timeout=5) as answer:
                return {check["name"]: check["detail"] for check in json.load(answer)["checks"]}
        except (urllib.error.URLError, ConnectionError):
            return None

    def children(self) -> list[int]:
        """Return the ids of the processes that `up` started and that live."""
        path = Path(f"/proc/{self.up.pid}/task/{self.up.pid}/children")
        return [int(pid) for pid in path.read_text(encoding="ascii").split()] if path.exists() else []

    def wait_for(self, look: Callable[[], Any]) -> Any:
        """Look until there is something, and return it; fail with the log when `up` ends or time is over."""
        until, pause = time.monotonic() + UP_WITHIN_S, threading.Event()
        while time.monotonic() < until and self.up.poll() is None:
            if found := look():
                return found
            pause.wait(0.2)
        pytest.fail(f"it did not come about: {(self.home.parent / 'up.log').read_text()[-3000:]}")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path / "h")
    try:
        yield installation
    finally:
        children = installation.children()
        installation.up.kill()
        installation.up.wait()
        for pid in children:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)
        installation.log.close()


def test_everything_comes_up_obeys_comes_back_after_a_kill_and_ends_together(running: Installation) -> None:
    running.wait_for(running.ready)

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
    running.wait_for(lambda: "halted" in (running.ready() or {}).get("engine", ""))
    assert running.call("engine", "resume", "--by", "ann", "--reason", "fine").returncode == 0
    assert json.loads(running.call("engine", "status").stdout)["state"] == "active"

    before = set(running.children())
    held_by = running.wait_for(running.ready)["worker"]
    os.kill(int(held_by.split(":")[1]), signal.SIGKILL)
    running.wait_for(lambda: (running.ready() or {}).get("worker", held_by) != held_by)
    assert len(set(running.children()) - before) == 1, "the worker alone was started again"

    children = running.children()
    running.up.send_signal(signal.SIGINT)
    assert running.up.wait(END_WITHIN_S) == 0
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
