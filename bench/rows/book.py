"""A grid that decides on every event of a book, beside hftbacktest under the same latency and queue models.

A ratio is printed only when both sides made the same fills: time at the exchange, side, price and quantity of each.
The book alone is measured in its two forms, the array beside the tree.
"""

import statistics
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.book_data import NoCaptureError, recorded_file, synthetic_file
from bench.measure import BenchError, Goal, Measure, Row, Size, build_row, our_python, run_child, take_turns

PEER = "hftbacktest"
QUEUES = ("risk_averse", "prob_power_3")
FORMS: Final = ("array", "tree")
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


def _measure_forms(data: Path, name: str, runs: int) -> Row:
    made: dict[str, list[dict[str, Any]]] = {form: [] for form in FORMS}
    for _ in range(runs):
        for form in FORMS:
            made[form].append(run_child(our_python(), "book_forms", [str(data), form, str(REPEATS[name])]))
    first = made["array"][0]
    if any(run["last"] != first["last"] for of in made.values() for run in of):
        raise BenchError(f"book {name}: the two forms do not end with the same best prices")
    array, tree = ([run["rows"] / statistics.median(run["seconds"]) for run in made[form]] for form in FORMS)
    work = (
        f"{first['rows']:,} levels applied, {name}, and the best prices read after each of {first['messages']:,} "
        "messages, the same at the end on both sides"
    )
    return build_row(f"book_forms.{name}", work, "levels/s", "tree", (array, tree))


def _data(name: str, folder: Path, size: Size) -> Path:
    try:
        return synthetic_file(folder, size.n_bars) if name == "synthetic" else recorded_file(folder)
    except NoCaptureError as error:
        raise BenchError(str(error)) from error


def _measure_grid(name: str, folder: Path, size: Size) -> list[Row]:
    data = _data(name, folder, size)
    return [_measure_queue(data, name, queue, folder, size.runs) for queue in QUEUES]


def _measure_book(name: str, folder: Path, size: Size) -> list[Row]:
    return [_measure_forms(_data(name, folder, size), name, size.runs)]


MEASUREMENTS: dict[tuple[str, ...], Measure] = {
    **{tuple(f"book_every_event.{name}.{queue}" for queue in QUEUES): partial(_measure_grid, name) for name in REPEATS},
    **{(f"book_forms.{name}",): partial(_measure_book, name) for name in REPEATS},
}
