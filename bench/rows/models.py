"""Serving: one bar through a whole ensemble, and the memory of a process that serves, beside torch and its company."""

from pathlib import Path
from typing import Any

from bench.deps import python_of
from bench.measure import BenchError, Goal, Measure, Row, Size, build_row, our_python, run_child, take_turns

PEER = "torch_stack"
N_ASKED = 400
MAX_DIFFERENCE = 2e-2
"""Between the two sides' probabilities after the first window; the int8 forms are what differs."""
WORK = "LSTM 3x128, transformer d256 h8 L6 ff1024, 60 rows of 50 features, forest 100 x 10, booster 100 x 6: one bar"


def measure(folder: Path, size: Size) -> list[Row]:
    """Return the rows. The models themselves are made with the peer's interpreter, so without it there are none."""
    python = python_of(PEER)
    if python is None:
        raise BenchError(f"{PEER} is not installed: the models are made with torch; run make bench-deps")
    arguments = [str(folder), str(N_ASKED)]
    run_child(python, "models_make", arguments[:1])

    def ours() -> dict[str, Any]:
        return run_child(our_python(), "models_ours", arguments)

    mine, theirs = take_turns(
        ours, PEER, lambda interpreter: run_child(interpreter, "models_torch", arguments), size.runs
    )
    for one, other in zip(mine, theirs, strict=True):
        away = max(abs(a - b) for a, b in zip(one["answers"], other["answers"], strict=True))
        if away > MAX_DIFFERENCE:
            raise BenchError(f"the two sides say different things of the same bar: {away:.4f} apart")

    def both(name: str) -> tuple[list[float], list[float]]:
        return [one[name] for one in mine], [other[name] for other in theirs]

    spread = [one["p99_us"] / one["p50_us"] for one in mine]
    return [
        build_row("ensemble_one", WORK, "us (p50)", PEER, both("p50_us"), Goal(4, 45), higher_is_better=False),
        build_row(
            "ensemble_one_tail", "p99 over p50 of the same bars", "times", "", (spread, []), Goal(1.5, of="ours")
        ),
        build_row("serving_rss", "memory of the process that answers", "MB", PEER, both("rss_mb"), Goal(2.5), False),
    ]


MEASUREMENTS: dict[tuple[str, ...], Measure] = {("ensemble_one", "ensemble_one_tail", "serving_rss"): measure}
