"""A prediction to the running engine and its acknowledgement, beside `websockets` with json between two Pythons.

Two rows without a goal say where the time goes: an echo of as many bytes, which is the system and asyncio alone, and
what the engine takes from the prediction to its decision.
"""

import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from bench.measure import BenchError, Goal, Measure, Row, Size, build_row, our_python, run_child, take_turns
from core.settings_sections import EngineSettings

PEER = "websockets"
N_FULL, N_QUICK = 3_000, 500
QUICK_RUNS = 2
MEMORY = Path("/dev/shm")
WS_AT_MOST = 1.5
"""The WebSocket may take so many times what TCP takes."""
P99_AT_MOST = 3.0
SIGNAL_P99_AT_MOST = 5.0


def _ours(folder: Path, carrier: str, n: int) -> dict[str, Any]:
    # Predictions one right after the other would otherwise measure how long the disk takes to sync the one before.
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else folder) as own:
        engine = str(EngineSettings().binary)
        made = run_child(our_python(), "bridge_ours", [own, engine, carrier, str(n)])
    if made["acked"] != made["sent"]:
        raise BenchError(f"bridge {carrier}: {made['sent']} predictions were sent and {made['acked']} acknowledged")
    return made


def _theirs(folder: Path, n: int, python: Path) -> dict[str, Any]:
    return run_child(python, "bridge_websockets", [str(folder), str(n)])


def _measure(folder: Path, size: Size) -> list[Row]:
    n = N_QUICK if size.runs <= QUICK_RUNS else N_FULL
    ours, theirs = take_turns(partial(_ours, folder, "tcp", n), PEER, partial(_theirs, folder, n), size.runs)
    over_ws = [_ours(folder, "ws", n) for _ in range(size.runs)]
    echoed = [run_child(our_python(), "bridge_echo", [str(n)]) for _ in range(size.runs)]

    def of(runs: list[dict[str, Any]], figure: str) -> list[float]:
        return [float(run[figure]) for run in runs]

    p50 = statistics.median(of(ours, "p50"))
    inside = of(ours, "signal_p99")
    inside_bar = min(SIGNAL_P99_AT_MOST * statistics.median(of(ours, "signal_p50")), p50)
    steps = "encode, send, decode, decide, acknowledge, decode"
    work = f"{n:,} predictions of 17 fields, one after the other: {steps}; TCP, state in memory"
    return [
        build_row("bridge_round_trip.p50", work, "us", PEER, (of(ours, "p50"), of(theirs, "p50")), Goal(4, 5), False),
        build_row(
            "bridge_round_trip.p99", f"{work}; bar is {P99_AT_MOST:g} x p50", "us", PEER,
            (of(ours, "p99"), of(theirs, "p99")), Goal(P99_AT_MOST * p50, None, "ours"), False,
        ),
        build_row(
            "bridge_round_trip.ws", f"the same over WebSocket; bar is {WS_AT_MOST:g} x TCP", "us", "tcp",
            (of(over_ws, "p50"), of(ours, "p50")), Goal(1 / WS_AT_MOST), False,
        ),
        build_row(
            "signal_to_order.p99",
            f"from a prediction to its decision in the engine; bar is {SIGNAL_P99_AT_MOST:g} x p50, and the p50 above",
            "us", "bridge p50", (inside, of(ours, "p50")), Goal(inside_bar, None, "ours"), False,
        ),
        build_row(
            "signal_to_order.p50", "from a prediction to its decision in the engine", "us", "bridge p50",
            (of(ours, "signal_p50"), of(ours, "p50")), None, False,
        ),
        build_row(
            "bridge_round_trip.echo", "500 bytes to a process that only sends them back to an asyncio protocol", "us",
            "bridge p50", (of(echoed, "p50"), of(ours, "p50")), None, False,
        ),
    ]  # fmt: skip


MEASUREMENTS: dict[tuple[str, ...], Measure] = {
    (
        "bridge_round_trip.p50",
        "bridge_round_trip.p99",
        "bridge_round_trip.ws",
        "signal_to_order.p99",
        "signal_to_order.p50",
        "bridge_round_trip.echo",
    ): _measure,
}
