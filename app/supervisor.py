"""Engine, worker and web under one roof: starts them, starts again what dies, ends them together."""

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
from core.clock import Clock, SystemClock
from core.errors import BadInput
from core.log import get_logger
from core.settings import Settings

MAX_DEATHS = 5
DEATH_WINDOW = timedelta(minutes=1)
STOP_TIMEOUT_S = 12.0
LOOK_EVERY_S = 0.5


@dataclass(slots=True)
class Child:
    """One supervised process and when it last died."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    deaths: deque[datetime] = field(default_factory=deque)

    def start(self) -> None:
        """Start it."""
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL)

    def note_death(self, at: datetime) -> bool:
        """Note that it died; True when it dies too often to be started again."""
        self.deaths.append(at)
        while at - self.deaths[0] > DEATH_WINDOW:
            self.deaths.popleft()
        return len(self.deaths) >= MAX_DEATHS


def run_supervisor(settings: Settings) -> int:
    """Run until a signal; returns 0 then, and 1 when a process died five times within a minute."""
    home = Home(settings.home).create()
    if not settings.engine.binary.is_file():
        raise BadInput(f"the engine {settings.engine.binary} is not built", "Run make engine")
    set_up(settings, home, SystemClock())
    point_engine_at(home, settings.bridge.port)
    python = [sys.executable, "-m", "app.cli"]
    engine = [str(settings.engine.binary), "run", "--config", str(home.engine_config), "--die-with-parent"]
    children = [Child("worker", [*python, "worker"]), Child("engine", engine), Child("web", [*python, "web"])]
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return supervise(children, stop, SystemClock())


def supervise(children: Sequence[Child], stop: threading.Event, clock: Clock) -> int:
    """Start the children and keep them alive until `stop`; returns the exit code."""
    log = get_logger("supervisor")
    code = 0
    for child in children:
        child.start()
        log.info("started", process=child.name)
    while not stop.wait(LOOK_EVERY_S):
        for child in children:
            if child.process is None or child.process.poll() is None:
                continue
            log.error("died", process=child.name, code=child.process.returncode)
            if child.note_death(clock.now()):
                log.critical("gives up", process=child.name, deaths=len(child.deaths))
                code = 1
                stop.set()
                break
            child.start()
    end(children)
    return code


def end(children: Sequence[Child]) -> None:
    """Ask every child to end, last started first, and kill what does not."""
    for child in reversed(children):
        if child.process is not None and child.process.poll() is None:
            child.process.terminate()
    for child in children:
        if child.process is not None:
            try:
                child.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
