"""What the supervisor does with children that live, die, and will not end."""

import subprocess
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from app import supervisor
from app.home import Home
from app.supervisor import MAX_DEATHS, Child, _note, end, supervise
from core.clock import VirtualClock
from core.settings import Settings


@dataclass
class FakeProcess:
    """Ends with `code` at once, or never where it is None; a stubborn one only when killed."""

    code: int | None
    stubborn: bool = False
    pid: int = 7
    calls: list[str] = field(default_factory=list)

    def poll(self) -> int | None:
        return self.code

    @property
    def returncode(self) -> int | None:
        return self.code

    def terminate(self) -> None:
        self.calls.append("terminate")
        if not self.stubborn:
            self.code = 0

    def kill(self) -> None:
        self.calls.append("kill")
        self.code = -9

    def wait(self, timeout: float | None = None) -> int:
        if self.code is None:
            raise subprocess.TimeoutExpired("child", timeout or 0)
        return self.code


class FakeChild(Child):
    """Starts a fake process that ends with the next of its codes; after those it lives."""

    def plan(self, *codes: int) -> "FakeChild":
        self.codes = list(codes)
        self.n_starts = 0
        return self

    def start(self) -> None:
        self.n_starts += 1
        fake = FakeProcess(self.codes.pop(0) if self.codes else None)
        self.process = cast("subprocess.Popen[bytes]", fake)


class StopAfter(threading.Event):
    """Says stop at the n-th look, and lets virtual time pass with each."""

    def __init__(self, looks: int, clock: VirtualClock, each: timedelta = timedelta(seconds=1)) -> None:
        super().__init__()
        self.looks, self.clock, self.each = looks, clock, each

    def wait(self, timeout: float | None = None) -> bool:
        self.looks -= 1
        self.clock.advance_to(self.clock.now() + self.each)
        return self.looks < 0


def _child(name: str, *codes: int) -> FakeChild:
    return FakeChild(name, [name]).plan(*codes)


def _fake(child: Child) -> Any:
    return child.process


def test_a_child_that_dies_is_started_again_and_all_end_when_told(clock: VirtualClock) -> None:
    worker, engine = _child("worker", -9), _child("engine")
    assert supervise([worker, engine], StopAfter(5, clock), clock) == 0
    assert (worker.n_starts, engine.n_starts) == (2, 1)
    assert _fake(worker).calls == _fake(engine).calls == ["terminate"]


def test_five_deaths_within_a_minute_end_everything(clock: VirtualClock) -> None:
    worker, web = _child("worker", *[1] * 9), _child("web")
    assert supervise([worker, web], StopAfter(100, clock), clock) == 1
    assert worker.n_starts == MAX_DEATHS
    assert _fake(web).calls == ["terminate"]


def test_deaths_further_apart_never_end_it(clock: VirtualClock) -> None:
    worker = _child("worker", *[1] * 9)
    assert supervise([worker], StopAfter(30, clock, timedelta(seconds=20)), clock) == 0
    assert worker.n_starts == 10


@pytest.mark.parametrize("code", [2, 3])
def test_a_refused_child_is_not_started_again(clock: VirtualClock, code: int) -> None:
    worker = _child("worker", code)
    assert supervise([worker], StopAfter(10, clock), clock) == code
    assert worker.n_starts == 1


def test_nothing_outlives_a_supervisor_that_fails(clock: VirtualClock) -> None:
    def fail() -> None:
        raise RuntimeError("a defect")

    engine = _child("engine")
    with pytest.raises(RuntimeError, match="a defect"):
        supervise([engine], StopAfter(5, clock), clock, fail)
    assert _fake(engine).calls == ["terminate"]


class Unstartable(FakeChild):
    """Cannot be started, as where no process may be made."""

    def start(self) -> None:
        raise OSError("Cannot allocate memory")


def test_a_child_that_cannot_start_leaves_none_of_the_others_behind(clock: VirtualClock) -> None:
    engine = _child("engine")
    with pytest.raises(OSError, match="Cannot allocate"):
        supervise([engine, Unstartable("web", ["web"])], StopAfter(5, clock), clock)
    assert _fake(engine).calls == ["terminate"]


def test_what_cannot_be_written_down_ends_no_trading(
    tmp_path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path).create()
    home.supervision.mkdir()  # no file can take the place of a folder
    looked_at: list[Path] = []
    monkeypatch.setattr(supervisor, "set_aside_when_large", looked_at.append)
    engine, settings = _child("engine", -9), Settings(home=tmp_path)
    assert supervise([engine], StopAfter(5, clock), clock, lambda: _note(settings, home, [engine])) == 0
    assert (engine.n_starts, _fake(engine).calls) == (2, ["terminate"])
    assert looked_at == [home.logs, home.logs], "the logs are kept small all the same"


def test_a_child_that_will_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "STOP_TIMEOUT_S", 0.0)
    stubborn = _child("engine")
    stubborn.process = cast("subprocess.Popen[bytes]", FakeProcess(None, stubborn=True))
    end([stubborn])
    assert _fake(stubborn).calls == ["terminate", "kill"]
