"""Fifty indicator columns of a bar: one more bar beside talipp, and a whole history beside TA-Lib.

A ratio is printed only when both sides end with the same numbers. Ours are the raw indicators, worked out by the code
that also makes the features; bar by bar and over a history they are the same to the bit.
"""

import statistics
from functools import partial
from pathlib import Path
from typing import Any

from bench.data import bars_file
from bench.measure import BenchError, Goal, Measure, Row, Size, build_row, our_python, run_child, take_turns

TOLERANCE = 1e-7
"""Of a column's last value: averages forget their start, and conventions differ only there."""
N_STREAM = 20_000
UPDATE_GOAL = Goal(80, 300)
BATCH_GOAL = Goal(1, 2)


def _play(script: str, data: Path, work: str, n: int, python: Path) -> dict[str, Any]:
    return run_child(python, script, [str(data), work, str(n)])


def _same(peer: str, work: str, ours: dict[str, Any], theirs: dict[str, Any]) -> int:
    """Return how many columns both sides have; raises BenchError when one of them differs."""
    for name, expected in theirs["last"].items():
        made = ours["last"][name]
        if abs(made - expected) > TOLERANCE * max(1.0, abs(expected)):
            raise BenchError(f"features_{work}: {name} is {expected!r} by {peer} and {made!r} by ours")
    return len(theirs["last"])


def _measure(work: str, peer: str, goal: Goal, folder: Path, size: Size) -> list[Row]:
    n = N_STREAM if work == "update" else size.n_bars
    data = bars_file(folder, size.n_bars)
    ours, theirs = take_turns(
        partial(_play, "features_ours", data, work, n, our_python()),
        peer,
        partial(_play, f"features_{peer}", data, work, n),
        size.runs,
    )
    shared = min((_same(peer, work, ours[0], run) for run in theirs), default=0)
    rates = tuple([n / statistics.median(run["seconds"]) for run in side] for side in (ours, theirs))
    how = "one call from Python a bar" if work == "update" else "one thread"
    beside = f", of which {peer} has {shared}, equal on both sides" if theirs else ""
    text = f"{len(ours[0]['last'])} indicator columns over {n:,} bars, {how}{beside}"
    return [build_row(f"features_{work}", text, "bars/s", peer, (rates[0], rates[1]), goal)]


MEASUREMENTS: dict[tuple[str, ...], Measure] = {
    ("features_update",): partial(_measure, "update", "talipp", UPDATE_GOAL),
    ("features_batch",): partial(_measure, "batch", "talib", BATCH_GOAL),
}
