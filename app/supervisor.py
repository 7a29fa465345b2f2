"""Engine, worker and web under one roof: starts them, starts again what dies, ends them together."""

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.engine_process import point_engine_at
from app.home import Home
from app.setup import set_up
from app.web import listen
from core.clock import Clock, SystemClock
from core.errors import BadInput
from core.log import get_logger
from core.settings import Settings

MAX_DEATHS = 5
DEATH_WINDOW = timedelta(minutes=1)
STOP_TIMEOUT_S = 10.0
"""For all children together."""
LOOK_EVERY_S = 0.5
FINAL_CODES = frozenset({2, 3})
"""Wrong input and refusals: starting again would end the same way."""


@dataclass(slots=True)
class Child:
    """One supervised process and when it last died."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    deaths: deque[datetime] = field(default_factory=deque)

    def start(self) -> None:
        """Start it. Its standard input ends when the supervisor does, so that a child can follow."""
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE)

    def note_death(self, at: datetime) -> bool:
        """Note that it died; True when it dies too often to be started again."""
        self.deaths.append(at)
        while at - self.deaths[0] > DEATH_WINDOW:
            self.deaths.popleft()
        return len(self.deaths) >= MAX_DEATHS


def run_supervisor(settings: Settings) -> int:
    """Run until a signal; returns 0 then, 1 when a process died five times within a minute, or its refusal's code."""
    home = Home(settings.home).create()
    if not settings.engine.binary.is_file():
        raise BadInput(f"the engine {settings.engine.binary} is not built", "Run make engine")
    listen(settings.web.host, settings.web.port).close()
    set_up(settings, home, SystemClock())
    point_engine_at(home, settings.bridge.port)
    python = [sys.executable, "-m", "app.cli"]
    engine = [str(settings.engine.binary), "run", "--config", str(home.engine_config), "--die-with-parent"]
    children = [
        Child("worker", [*python, "worker", "--die-with-parent"]),
        Child("engine", engine),
        Child("web", [*python, "web", "--die-with-parent"]),
    ]
    log = get_logger("supervisor")
    log.info("starting", home=str(home.path), dashboard=f"http://{settings.web.host}:{settings.web.port}/")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return supervise(children, stop, SystemClock())


def supervise(children: Sequence[Child], stop: threading.Event, clock: Clock) -> int:
    """Start the children and keep them alive until `stop`; returns the exit code."""
    log = get_logger("supervisor")
    for child in children:
        child.start()
        log.info("started", process=child.name)
    code = 0
    while code == 0 and not stop.wait(LOOK_EVERY_S):
        for child in children:
            if child.process is not None and child.process.poll() is not None:
                code = code or _revive(child, child.process.returncode, clock.now())
    end(children)
    return code


def _revive(child: Child, died_with: int, at: datetime) -> int:
    """Start a dead child again and return 0; or the supervisor's exit code where that would be no use."""
    log = get_logger("supervisor")
    log.error("died", process=child.name, code=died_with)
    if died_with in FINAL_CODES:
        log.critical("gives up", process=child.name, reason="it was refused; its own message says why")
        return died_with
    if child.note_death(at):
        log.critical("gives up", process=child.name, deaths=len(child.deaths))
        return 1
    child.start()
    return 0


def end(children: Sequence[Child]) -> None:
    """Ask every child to end, and kill what has not ended after 10 seconds."""
    for child in reversed(children):
        if child.process is not None and child.process.poll() is None:
            child.process.terminate()
    patience = SystemClock()
    until = patience.monotonic() + STOP_TIMEOUT_S
    for child in children:
        if child.process is not None:
            try:
                child.process.wait(max(0.0, until - patience.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()


def follow_parent() -> None:
    """End this process in good order when standard input ends, as it does when the supervisor is gone."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1):
            continue
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
