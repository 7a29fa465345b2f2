"""Rows: what is measured, against whom, and what must hold.

Both sides run as child processes in turns, so that a busy machine slows both. A ratio is printed only when both sides
made the same trades and the same profit; work that differs has no ratio.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.data import SWEEP
from bench.deps import python_of

CHILDREN = Path(__file__).parent / "children"
PNL_TOLERANCE = 1e-6


class BenchError(Exception):
    """A measurement failed, or the two sides did not do the same work."""


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
    bar: float | None
    """What the ratio must reach; None where it is only reported."""
    met: bool | None
    """None when the peer is not installed."""
    runs: int
    machine: str


@dataclass(frozen=True, slots=True)
class Run:
    """What one child measured."""

    seconds: float
    trades: int
    pnl: float
    rss_mb: float


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    n_bars: int
    runs: int


def machine() -> str:
    """Return what the figures were measured on."""
    return f"{os.cpu_count()} CPU {platform.machine()}, Python {platform.python_version()}"


def run_child(python: Path, side: str, data: Path, work: str) -> Run:
    """Return what a child process measured; raises BenchError with its last words when it fails."""
    command = [str(python), str(CHILDREN / f"{side}.py"), str(data), work]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise BenchError(f"{side} {work} failed with {done.returncode}: {last[0]}")
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def take_turns(peer: str, work: str, data: Path, runs: int) -> tuple[list[Run], list[Run]]:
    """Return the runs of both sides, ours first in each turn; the peer's are empty when it is not installed.

    Raises BenchError when the sides disagree on the number of round trips or on the profit.
    """
    python = python_of(peer)
    ours: list[Run] = []
    theirs: list[Run] = []
    for _ in range(runs):
        ours.append(run_child(Path(sys.executable), "ours", data, work))
        if python is not None:
            theirs.append(run_child(python, peer, data, work))
    for run in theirs:
        same_pnl = abs(run.pnl - ours[0].pnl) <= PNL_TOLERANCE * max(1.0, abs(ours[0].pnl))
        if run.trades != ours[0].trades or not same_pnl:
            raise BenchError(
                f"{peer} {work}: not the same work: {run.trades} trades, pnl {run.pnl:.6f}; "
                f"ours {ours[0].trades} trades, pnl {ours[0].pnl:.6f}"
            )
    return ours, theirs


def _row(
    name: str,
    work: str,
    unit: str,
    peer: str,
    bar: float | None,
    values: tuple[list[float], list[float]],
    higher_is_better: bool = True,
) -> Row:
    ours = statistics.median(values[0])
    theirs = statistics.median(values[1]) if values[1] else None
    ratio = None
    if theirs is not None:
        ratio = ours / theirs if higher_is_better else theirs / ours
    met = None if ratio is None else bar is None or ratio >= bar
    return Row(name, work, ours, unit, peer, theirs, ratio, bar, met, len(values[0]), machine())


def _event(peer: str, bar: float | None) -> Callable[[Path, Size], list[Row]]:
    def measure(data: Path, size: Size) -> list[Row]:
        ours, theirs = take_turns(peer, "event", data, size.runs)
        rate = [[size.n_bars / run.seconds for run in side] for side in (ours, theirs)]
        work = f"SMA 20/50 over {size.n_bars:,} bars with fills, round trips and equity curve"
        return [_row(f"bars_event.{peer}", work, "bars/s", peer, bar, (rate[0], rate[1]))]

    return measure


def _sweep(data: Path, size: Size) -> list[Row]:
    ours, theirs = take_turns("vectorbt", "sweep", data, max(1, size.runs // 2))
    n = size.n_bars * len(SWEEP)
    rate = [[n / run.seconds for run in side] for side in (ours, theirs)]
    rss = [[run.rss_mb for run in side] for side in (ours, theirs)]
    work = f"{len(SWEEP)} pairs of windows over {size.n_bars:,} bars"
    return [
        _row("sweep_100.speed", work, "parameter-bars/s", "vectorbt", None, (rate[0], rate[1])),
        _row("sweep_100.rss", work, "MB", "vectorbt", None, (rss[0], rss[1]), higher_is_better=False),
    ]


MEASUREMENTS: dict[tuple[str, ...], Callable[[Path, Size], list[Row]]] = {
    ("bars_event.backtestingpy",): _event("backtestingpy", 50.0),
    ("bars_event.vectorbt",): _event("vectorbt", None),
    ("sweep_100.speed", "sweep_100.rss"): _sweep,
}
"""What can be measured: the rows that come of it, and how."""
