"""Engine, worker and web under one roof: starts them, starts again what dies, ends them together."""

import io
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from app.bridge_line import dialled_address, engine_tls, require_dialable
from app.engine_process import is_live_market, point_engine_at, renew_engine_config
from app.home import Home
from app.logs import PROCESSES, follow, open_log, set_aside_when_large
from app.paper import set_up_paper
from app.setup import set_up
from app.status import SupervisedProcess, Supervision, write_supervision
from app.web import listen
from core.clock import Clock, SystemClock
from core.errors import BadInput, Refused
from core.log import configure_logging, get_logger
from core.settings import Settings

MAX_DEATHS = 5
DEATH_WINDOW = timedelta(minutes=1)
STOP_TIMEOUT_S = 10.0
"""For all children together."""
LOOK_EVERY_S = 0.5
NOTE_EVERY = timedelta(minutes=1)
FINAL_CODES = frozenset({2, 3})
"""Wrong input and refusals: starting again would end the same way."""


@dataclass(slots=True)
class Child:
    """One supervised process and when it last died."""

    name: str
    command: Sequence[str]
    logs: Path | None = None
    """Folder of its log; None leaves its output where the supervisor's goes."""
    process: subprocess.Popen[bytes] | None = None
    started_at: datetime | None = None
    n_deaths: int = 0
    deaths: deque[datetime] = field(default_factory=deque)

    def start(self) -> None:
        """Start it. Its standard input ends when the supervisor does, so that a child can follow."""
        if self.logs is None:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE)
            return
        with open_log(self.logs, self.name) as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=log, stderr=log)

    def note_death(self, at: datetime) -> bool:
        """Note that it died; True when it dies too often to be started again."""
        self.n_deaths += 1
        self.deaths.append(at)
        while at - self.deaths[0] > DEATH_WINDOW:
            self.deaths.popleft()
        return len(self.deaths) >= MAX_DEATHS


def run_supervisor(settings: Settings) -> int:
    """Run until a signal; returns 0 then, 1 when a process died five times within a minute, or its refusal's code."""
    home = Home(settings.home).create()
    with io.TextIOWrapper(open_log(home.logs, "supervisor"), encoding="utf-8", write_through=True) as own_log:
        configure_logging(settings.log_level, also=own_log)
        return _run(settings, home)


def _run(settings: Settings, home: Home) -> int:
    if not settings.engine.binary.is_file():
        raise BadInput(f"the engine {settings.engine.binary} is not built", "Run make engine")
    listen(settings.web.host, settings.web.port).close()
    require_dialable(settings.bridge)
    prepare(settings, home)
    renew_engine_config(settings, home)
    point_engine_at(home, dialled_address(settings.bridge), engine_tls(settings.bridge))
    python = [sys.executable, "-m", "app.cli"]
    engine = [str(settings.engine.binary), "run", "--config", str(home.engine_config), "--die-with-parent"]
    children = [
        Child("worker", [*python, "worker", "--die-with-parent"], home.logs),
        Child("engine", engine, home.logs),
        Child("web", [*python, "web", "--die-with-parent"], home.logs),
    ]
    log = get_logger("supervisor")
    log.info("starting", home=str(home.path), dashboard=f"http://{settings.web.host}:{settings.web.port}/")
    stop, ended = threading.Event(), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    # A terminal, or whatever collects a container's output, shows what the log files get.
    for child in children:
        open_log(home.logs, child.name).close()
    echo = threading.Thread(target=_echo, args=(home.logs, ended), name="echo")
    echo.start()
    try:
        return supervise(children, stop, SystemClock(), lambda: _note(settings, home, children))
    finally:
        ended.set()
        echo.join()


def prepare(settings: Settings, home: Home) -> None:
    """Set the installation up for the mode of the settings. Raises BadInput or Refused where it cannot run."""
    if settings.mode == "replay":
        raise BadInput("a replay has its own command", "Run `xcrack replay --help`")
    if settings.mode == "live":
        raise Refused(
            "`xcrack up` starts no engine that trades an account",
            "Run `xcrack-engine run --config FILE --live FILE` beside `xcrack worker` and `xcrack web`, "
            "as docs/guides/live.md says",
        )
    if settings.mode == "paper":
        set_up_paper(settings, home, SystemClock())
        return
    if is_live_market(home):
        raise BadInput(f"{home.path} trades on paper", "Start it with `xcrack up --mode paper`, or name another home")
    set_up(settings, home, SystemClock())


def _echo(folder: Path, ended: threading.Event) -> None:
    children = [name for name in PROCESSES if name != "supervisor"]
    for line in follow(folder, children, lambda: ended.wait(LOOK_EVERY_S)):
        sys.stderr.write(line.text + "\n")
        sys.stderr.flush()


def _note(settings: Settings, home: Home, children: Sequence[Child]) -> None:
    """Write down what runs, and keep the logs from growing without end; a full disk must not end what trades."""
    running = tuple(
        SupervisedProcess(child.name, child.process.pid, child.started_at, child.n_deaths)
        for child in children
        if child.process is not None and child.started_at is not None
    )
    supervision = Supervision(os.getpid(), settings.mode, running)
    steps: tuple[Callable[[], None], ...] = (
        lambda: write_supervision(home, supervision),
        lambda: set_aside_when_large(home.logs),
    )
    for step in steps:
        try:
            step()
        except OSError as error:
            get_logger("supervisor").error("cannot be written down, goes on", error=str(error))


def supervise(
    children: Sequence[Child], stop: threading.Event, clock: Clock, on_change: Callable[[], None] = lambda: None
) -> int:
    """Start the children and keep them alive until `stop`; returns the exit code. None outlives this call.

    `on_change` is called after every start, and each minute.
    """
    try:
        for child in children:
            child.start()
            child.started_at = clock.now()
            get_logger("supervisor").info("started", process=child.name)
        on_change()
        return _keep_alive(children, stop, clock, on_change)
    finally:
        end(children)


def _keep_alive(children: Sequence[Child], stop: threading.Event, clock: Clock, on_change: Callable[[], None]) -> int:
    code, noted_at = 0, clock.now()
    while code == 0 and not stop.wait(LOOK_EVERY_S):
        revived = False
        for child in children:
            if child.process is not None and child.process.poll() is not None:
                code = code or _revive(child, child.process.returncode, clock.now())
                revived = True
        if revived or clock.now() - noted_at >= NOTE_EVERY:
            on_change()
            noted_at = clock.now()
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
    child.started_at = at
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
