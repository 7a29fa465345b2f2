"""A grid that decides on every event of a book, beside hftbacktest under the same latency and queue models.

A ratio is printed only when both sides made the same fills: time at the exchange, side, price and quantity of each.
"""

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.book_data import NoCaptureError, recorded_file, synthetic_file
from bench.measure import BenchError, Goal, Measure, Row, Size, build_row, our_python, run_child, take_turns

PEER = "hftbacktest"
QUEUES = ("risk_averse", "prob_power_3")
GOAL = Goal(3, 10)
REPEATS = {"synthetic": 3, "recorded": 20}
"""Passes over the data in one run, of which the median counts: the recorded capture is short."""


def _play(script: str, data: Path, queue: str, passes: int, fills: Path, python: Path) -> dict[str, Any]:
    return run_child(python, script, [str(data), queue, str(passes), str(fills)])


def _sorted_fills(path: Path) -> Any:
    fills = np.load(path)
    return fills[np.lexsort(fills.T[::-1])]


def _measure_queue(data: Path, name: str, queue: str, folder: Path, runs: int) -> Row:
    ours_fills, their_fills = folder / "ours_fills.npy", folder / "their_fills.npy"
    passes = REPEATS[name]
    ours, theirs = take_turns(
        partial(_play, "book_ours", data, queue, passes, ours_fills, our_python()),
        PEER,
        partial(_play, "book_hftbacktest", data, queue, passes, their_fills),
        runs,
    )
    if theirs:
        mine, peers = _sorted_fills(ours_fills), _sorted_fills(their_fills)
        if not np.array_equal(mine, peers):
            raise BenchError(f"book {name} {queue}: not the same fills: {len(mine)} of ours, {len(peers)} of {PEER}")
    rates = tuple([run["events"] / statistics.median(run["seconds"]) for run in side] for side in (ours, theirs))
    made = ours[0]
    work = (
        f"5 + 5 quotes decided on each of {made['events']:,} events, {name}, queue {queue}, 1 ms each way: "
        f"{made['orders']:,} orders, {made['fills']:,} fills, the same on both sides"
    )
    return build_row(f"book_every_event.{name}.{queue}", work, "events/s", PEER, (rates[0], rates[1]), GOAL)


def _measure(name: str, find: Callable[[Path, Size], Path]) -> Measure:
    def measure(folder: Path, size: Size) -> list[Row]:
        try:
            data = find(folder, size)
        except NoCaptureError as error:
            raise BenchError(str(error)) from error
        return [_measure_queue(data, name, queue, folder, size.runs) for queue in QUEUES]

    return measure


def _names(name: str) -> tuple[str, ...]:
    return tuple(f"book_every_event.{name}.{queue}" for queue in QUEUES)


MEASUREMENTS: dict[tuple[str, ...], Measure] = {
    _names("synthetic"): _measure("synthetic", lambda folder, size: synthetic_file(folder, size.n_bars)),
    _names("recorded"): _measure("recorded", lambda folder, _: recorded_file(folder)),
}
