"""How long a halt takes with Python's worker, the database and Redis all absent: by command, by kill file, by signal.

From the act, at a moment of chance, until the halt is in the journal; the orders are cancelled before. Nobody asks the
engine meanwhile, as that would wake it. The command pays for the start of a process; the file is looked for twice a
second.
"""

from functools import partial
from pathlib import Path

from bench.measure import BenchError, Goal, Measure, Row, Size, build_row, our_python, run_child
from core.settings_sections import EngineSettings

WAYS = {"command": "xcrack engine halt", "file": "the file KILL", "signal": "SIGUSR1"}
LIMIT_US = 1_000_000
"""A second: what a person who sees something wrong would wait for."""


def _halt(way: str, folder: Path, size: Size) -> list[Row]:
    binary = EngineSettings().binary
    if not binary.is_file():
        raise BenchError(f"the engine {binary} is not built: run make engine")
    runs = [run_child(our_python(), "halting_engine", [str(binary), way]) for _ in range(size.runs)]
    cancelled = [int(run["cancelled"]) for run in runs]
    if min(cancelled) == 0:
        raise BenchError(f"halt_latency.{way}: nothing rested, so nothing was cancelled")
    work = f"halt by {WAYS[way]}, {cancelled[0]} resting orders cancelled, no worker, database or Redis"
    values: tuple[list[float], list[float]] = ([run["us"] for run in runs], [])
    return [build_row(f"halt_latency.{way}", work, "us", "", values, Goal(LIMIT_US, of="ours"), False)]


MEASUREMENTS: dict[tuple[str, ...], Measure] = {(f"halt_latency.{way}",): partial(_halt, way) for way in WAYS}
"""The rows that come of a measurement, and the measurement."""
