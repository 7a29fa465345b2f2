"""Where every process of an installation stands, asked of each by its own means: none needs the others alive."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from app.engine_process import engine_symbols
from app.feeds import FeedReading, read_feeds
from app.home import Home
from core.clock import Clock
from core.durable import replace_if_changed
from core.errors import XcrackError
from core.settings import Settings
from core.store import engine_states, leases, open_store, schema

ENGINE_TIMEOUT_S = 10.0
WORKER_LEASE = "worker"


class SupervisedProcess(msgspec.Struct, frozen=True):
    """One child as the supervisor last knew it."""

    name: str
    pid: int
    started_at: datetime
    n_deaths: int


class Supervision(msgspec.Struct, frozen=True):
    """What the supervisor writes down for others to read."""

    pid: int
    mode: str
    children: tuple[SupervisedProcess, ...]


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process. `state` is `down` where it does not run, `silent` where it runs and does not answer."""

    name: Literal["supervisor", "engine", "worker", "web"]
    state: str
    pid: int | None
    detail: str
    facts: dict[str, Any] = field(default_factory=dict)
    feeds: tuple[FeedReading, ...] = ()
    """Of an engine on a live market."""

    @property
    def ok(self) -> bool:
        """Whether it does its work."""
        return self.state in {"up", "active", "reducing", "halted"}


def write_supervision(home: Home, supervision: Supervision) -> None:
    """Write down what runs, replacing what was written before, whole or not at all."""
    replace_if_changed(home.supervision, msgspec.json.encode(supervision))


def read_supervision(home: Home) -> Supervision | None:
    """Return what the supervisor wrote down; None where none ever ran or the file is not readable."""
    try:
        return msgspec.json.decode(home.supervision.read_bytes(), type=Supervision)
    except (OSError, msgspec.DecodeError):
        return None


def look_round(settings: Settings, clock: Clock) -> tuple[ProcessStatus, ...]:
    """Return the status of supervisor, engine, worker and web, in this order. Changes nothing."""
    home = Home(settings.home)
    supervision = read_supervision(home)
    return (
        _supervisor(supervision),
        engine_status(settings, home),
        _worker(settings, home, clock),
        _web(settings, supervision),
    )


def is_running(pid: int) -> bool:
    """Whether a process of this number exists and is no zombie."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state != "Z"


def _supervisor(supervision: Supervision | None) -> ProcessStatus:
    if supervision is None or not is_running(supervision.pid):
        return ProcessStatus("supervisor", "down", None, "start it with `xcrack up`")
    deaths = {child.name: child.n_deaths for child in supervision.children if child.n_deaths}
    told = ", ".join(f"{name} died {n} times" for name, n in deaths.items()) or "no process has died"
    return ProcessStatus("supervisor", "up", supervision.pid, f"mode {supervision.mode}; {told}")


def engine_status(settings: Settings, home: Home) -> ProcessStatus:
    """Return what the engine tells over its control socket, which works with everything else dead."""
    if not settings.engine.binary.is_file():
        return ProcessStatus("engine", "down", None, "it is not built: run make engine")
    command = [str(settings.engine.binary), "status", "--state-dir", str(home.engine)]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=ENGINE_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return ProcessStatus("engine", "silent", None, f"its control socket gave no answer in {ENGINE_TIMEOUT_S:.0f} s")
    try:
        facts: dict[str, Any] = json.loads(asked.stdout)
    except ValueError:
        return ProcessStatus("engine", "down", None, asked.stderr.strip() or "no engine answers")
    linked = "worker connected" if facts.get("connected") else "no worker connected"
    detail = f"reached {facts.get('reached_at', '?')}, {facts.get('bars', 0)} bars, {linked}"
    feeds = read_feeds(facts, [spec["name"] for spec in engine_symbols(home)]) if facts.get("feeds") else ()
    return ProcessStatus("engine", str(facts.get("state", "silent")), facts.get("pid"), detail, facts, feeds)


def _worker(settings: Settings, home: Home, clock: Clock) -> ProcessStatus:
    if not settings.store.url and not (home.path / "xcrack.db").is_file():
        return ProcessStatus("worker", "down", None, "there is no store yet")
    try:
        store = open_store(settings.store_url, settings.store.busy_timeout_ms)
    except XcrackError as error:
        return ProcessStatus("worker", "silent", None, str(error))
    try:
        schema.require_current(store)
        with store.session() as session:
            held, engine = leases.holder(session, WORKER_LEASE), engine_states.latest(session)
    except XcrackError as error:
        return ProcessStatus("worker", "silent", None, str(error))
    finally:
        store.dispose()
    if held is None or held.until <= clock.now():
        return ProcessStatus("worker", "down", None, "nobody holds its lease")
    heard = "the engine was not heard yet" if engine is None else f"engine heard {engine.heard_at:%H:%M:%S} UTC"
    pid = held.owner.split(":")[1] if held.owner.count(":") >= 1 else ""
    bridge = engine.detail.get("bridge", {}) if engine is not None else {}
    return ProcessStatus("worker", "up", int(pid) if pid.isdigit() else None, heard, {"bridge": bridge})


def _web(settings: Settings, supervision: Supervision | None) -> ProcessStatus:
    child = next((c for c in supervision.children if c.name == "web"), None) if supervision else None
    if child is None or not is_running(child.pid):
        return ProcessStatus("web", "down", None, "start it with `xcrack up` or `xcrack web`")
    return ProcessStatus("web", "up", child.pid, f"http://{settings.web.host}:{settings.web.port}/")
