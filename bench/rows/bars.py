"""Bar backtests through Python: one in the event form, and a sweep of one hundred parameter sets."""

from functools import partial
from pathlib import Path

from bench.data import SWEEP, bars_file
from bench.measure import BenchError, Goal, Measure, Row, Size, build_row, our_python, run_child, take_turns

PNL_TOLERANCE = 1e-6
"""Peers add up floats; this is what rounding may make of the same trades."""


def play(script: str, data: Path, work: str, python: Path) -> dict[str, float]:
    """Return seconds, trades, pnl and rss_mb of one child."""
    return run_child(python, script, [str(data), work])


def play_both(peer: str, data: Path, work: str, runs: int) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Return the runs of both sides; raises BenchError when they disagree on round trips or profit."""
    ours, theirs = take_turns(
        partial(play, "ours", data, work, our_python()),
        peer,
        partial(play, peer.removesuffix("_rust"), data, work),
        runs,
    )
    for run in theirs:
        same_pnl = abs(run["pnl"] - ours[0]["pnl"]) <= PNL_TOLERANCE * max(1.0, abs(ours[0]["pnl"]))
        if run["trades"] != ours[0]["trades"] or not same_pnl:
            raise BenchError(
                f"{peer} {work}: not the same work: {run['trades']} trades, pnl {run['pnl']:.6f}; "
                f"ours {ours[0]['trades']} trades, pnl {ours[0]['pnl']:.6f}"
            )
    return ours, theirs


def _event(peer: str, goal: Goal | None) -> Measure:
    def measure(folder: Path, size: Size) -> list[Row]:
        both = play_both(peer, bars_file(folder, size.n_bars), "event", size.runs)
        rates = tuple([size.n_bars / run["seconds"] for run in side] for side in both)
        work = f"SMA 20/50 over {size.n_bars:,} bars with fees, fills, round trips and equity curve"
        return [build_row(f"bars_event.{peer}", work, "bars/s", peer, (rates[0], rates[1]), goal)]

    return measure


def _sweep(folder: Path, size: Size) -> list[Row]:
    both = play_both("vectorbt", bars_file(folder, size.n_bars), "sweep", size.runs)
    n = size.n_bars * len(SWEEP)
    rates = tuple([n / run["seconds"] for run in side] for side in both)
    rss = tuple([run["rss_mb"] for run in side] for side in both)
    work = f"{len(SWEEP)} pairs of windows over {size.n_bars:,} bars, 2 threads"
    return [
        build_row("sweep_100.speed", work, "parameter-bars/s", "vectorbt", (rates[0], rates[1]), Goal(25, 100)),
        build_row("sweep_100.rss", work, "MB", "vectorbt", (rss[0], rss[1]), Goal(500, 300, "ours"), False),
    ]


MEASUREMENTS: dict[tuple[str, ...], Measure] = {
    ("bars_event.backtestingpy",): _event("backtestingpy", Goal(250, 650)),
    ("bars_event.vectorbt",): _event("vectorbt", None),
    ("bars_event.vectorbt_rust",): _event("vectorbt_rust", Goal(3, 7)),
    ("sweep_100.speed", "sweep_100.rss"): _sweep,
}
