"""What every row is made of: child processes that measure, goals, and the row itself.

Both sides run as child processes in turns, so that a busy machine slows both. Where the peer cannot do the same work,
the row's text says what it did instead; both sides are then counted in the same unit.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from bench.deps import python_of

T = TypeVar("T")
CHILDREN = Path(__file__).parent / "children"


class BenchError(Exception):
    """A measurement failed, or the two sides did not do the same work."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a row must reach (`bar`) and what it should reach (`aim`).

    A goal of `ratio` counts upwards and needs a peer; one of `ours` is a limit on our own figure, which is smaller
    when it is better.
    """

    bar: float
    aim: float | None = None
    of: Literal["ratio", "ours"] = "ratio"

    def figure(self, ours: float, ratio: float | None) -> float | None:
        """Return the figure that the goal is about; None for a ratio without a peer."""
        return ours if self.of == "ours" else ratio

    def is_met(self, figure: float, target: float) -> bool:
        """Return whether `figure` reaches `target`."""
        return figure <= target if self.of == "ours" else figure >= target


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result; `ratio` above one means that ours is better."""

    name: str
    work: str
    ours: float
    unit: str
    peer: str
    peer_value: float | None
    ratio: float | None
    goal_of: str | None
    """What `bar` and `aim` are about: `ratio` at least, or `ours` at most; None where a row is only reported."""
    bar: float | None
    aim: float | None
    met: bool | None
    """Whether the bar is met; None without a bar, or when the peer is not installed."""
    aim_met: bool | None
    missed_by_pct: float | None
    """How far the figure is from the bar, in percent of the bar; None unless the bar is missed."""
    runs: int
    spread: tuple[float, float]
    """Smallest and largest of our runs; `ours` is their median."""
    machine: str


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    n_bars: int
    """Bars of one backtest and of one sweep."""
    n_year_bars: int
    """Bars of one backtest of a proposal."""
    n_candidates: int
    """Backtests of a proposal."""
    runs: int
    """Runs of each side, in turns."""


Measure = Callable[[Path, Size], list[Row]]
"""Takes a folder for its data and the size, and gives rows; raises BenchError when it cannot."""


def machine() -> str:
    """Return what the figures were measured on."""
    cpu = platform.machine()
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    for line in text.splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} x {cpu}, Python {platform.python_version()}, load {load:.1f}"


def run_child(python: Path, script: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Return the JSON object a script under `children/` printed last; raises BenchError with its last words."""
    command = [str(python), str(CHILDREN / f"{script}.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    what = " ".join([script, *arguments[1:]])
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise BenchError(f"{what} failed with {done.returncode}: {last[0]}")
    printed: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return printed


def take_turns(ours: Callable[[], T], peer: str, theirs: Callable[[Path], T], runs: int) -> tuple[list[T], list[T]]:
    """Return the runs of both sides, ours first in each turn; the peer's are empty when it is not installed.

    `theirs` is called with the peer's interpreter.
    """
    python = python_of(peer)
    ours_made: list[T] = []
    theirs_made: list[T] = []
    for _ in range(runs):
        ours_made.append(ours())
        if python is not None:
            theirs_made.append(theirs(python))
    return ours_made, theirs_made


def build_row(
    name: str,
    work: str,
    unit: str,
    peer: str,
    values: tuple[Sequence[float], Sequence[float]],
    goal: Goal | None = None,
    higher_is_better: bool = True,
) -> Row:
    """Return the row of the medians of our `values` and the peer's, which may be empty."""
    ours = statistics.median(values[0])
    theirs = statistics.median(values[1]) if values[1] else None
    ratio = None
    if theirs is not None:
        ratio = ours / theirs if higher_is_better else theirs / ours
    figure = None if goal is None else goal.figure(ours, ratio)
    met = aim_met = missed = None
    if goal is not None and figure is not None:
        met = goal.is_met(figure, goal.bar)
        aim_met = None if goal.aim is None else goal.is_met(figure, goal.aim)
        missed = None if met else abs(figure / goal.bar - 1) * 100
    return Row(
        name=name,
        work=work,
        ours=ours,
        unit=unit,
        peer=peer,
        peer_value=theirs,
        ratio=ratio,
        goal_of=None if goal is None else goal.of,
        bar=None if goal is None else goal.bar,
        aim=None if goal is None else goal.aim,
        met=met,
        aim_met=aim_met,
        missed_by_pct=missed,
        runs=len(values[0]),
        spread=(min(values[0]), max(values[0])),
        machine=machine(),
    )


def our_python() -> Path:
    """Return the interpreter of our side."""
    return Path(sys.executable)
