"""An installation of its own with `xcrack up` running in it, and its commands as a person gives them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.settings_sections import PROJECT_ROOT
from tests.servers import end_with_tests, free_port

UP_WITHIN_S = 180.0
"""Also on a machine that does many things at once."""


class Installation:
    """A home of its own with `xcrack up` running in it."""

    def __init__(self, home: Path, *options: str, **variables: str) -> None:
        """Start `up` with these options, and with these variables beside those of a home and ports of its own."""
        self.home = home
        self.web_port = free_port()
        self.environ = {
            **os.environ,
            "XCRACK_HOME": str(home),
            "XCRACK_WEB__PORT": str(self.web_port),
            "XCRACK_BRIDGE__PORT": str(free_port()),
            **variables,
        }
        self.log = (home.parent / "up.log").open("wb")
        self.up = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "up", *options],
            cwd=PROJECT_ROOT,
            env=self.environ,
            stdout=self.log,
            stderr=self.log,
            preexec_fn=end_with_tests,
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
        except OSError:  # refused, not ready, or too slow on a machine that does many things at once
            return None

    def children(self) -> list[int]:
        """Return the ids of the processes that `up` started and that live."""
        path = Path(f"/proc/{self.up.pid}/task/{self.up.pid}/children")
        return [int(pid) for pid in path.read_text(encoding="ascii").split()] if path.exists() else []

    def wait_for(self, what: str, look: Callable[[], Any]) -> Any:
        """Look until there is `what`, and return it; fail with the log when `up` ends or time is over."""
        until, pause = time.monotonic() + UP_WITHIN_S, threading.Event()
        while time.monotonic() < until and self.up.poll() is None:
            if found := look():
                return found
            pause.wait(0.2)
        pytest.fail(f"no {what}: {(self.home.parent / 'up.log').read_text()[-3000:]}")

    def end(self) -> None:
        """Kill what runs."""
        children = self.children()
        self.up.kill()
        self.up.wait()
        for pid in children:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)
        self.log.close()
