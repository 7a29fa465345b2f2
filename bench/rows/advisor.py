"""How long a large order waits for its answer, whatever the model's server does; and what a call costs the client.

Six faults, measured from the transaction that takes a question to the commit of its answer. Every one must be answered,
and by the right cell of the policy: a silent server is a timeout, any other fault an error. How many answers came of
the model is a figure of its own: a fallback is fast as well.
"""

import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench.measure import BenchError, Goal, Measure, Row, Size, build_row, our_python, run_child

FAULTS = {
    "drip": "llm_timeout",
    "late": "llm_timeout",
    "hang": "llm_timeout",
    "mid_reset": "llm_error",
    "429": "llm_error",
    "html200": "llm_error",
}
"""What the server does, and the reason that the answers must give."""
N_FULL, N_QUICK = 2_000, 240
QUICK_RUNS = 2
MEMORY = Path("/dev/shm")
P99_MS = 1_000
MAX_MS = 1_050
N_CLIENT = 300
CLIENT_RATIO = 1 / 0.3


def _calls(folder: Path, mode: str, n: int) -> dict[str, Any]:
    # Eight commits at once would otherwise measure how long the disk takes to sync for everybody else.
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else folder) as own:
        return run_child(our_python(), "advisor_calls", [own, mode, str(n)])


def _deadline(folder: Path, size: Size) -> list[Row]:
    n_all = N_QUICK if size.runs <= QUICK_RUNS else N_FULL
    n = -(-n_all // len(FAULTS))
    took: list[float] = []
    for mode, reason in FAULTS.items():
        made = _calls(folder, mode, n)
        if made["reasons"] != {reason: n} or made["approved"]:
            raise BenchError(f"advisor_deadline: with '{mode}' {n} answers should be {reason}, got {made['reasons']}")
        took += made["ms"]
    took.sort()
    sound = _calls(folder, "yes", n)
    quick = sorted(sound["ms"])
    p99 = took[int(len(took) * 0.99)]
    work = f"{len(took):,} large orders over {', '.join(FAULTS)}; all answered, each by its cell; store in memory"
    sound_work = f"{n:,} with a sound server: taken, asked, stored and sent"
    rate_pct = 100 * sound["answered"] / n
    return [
        build_row("advisor_deadline.p99", work, "ms", "", ([p99], []), Goal(P99_MS, of="ours"), False),
        build_row("advisor_deadline.max", work, "ms", "", ([took[-1]], []), Goal(MAX_MS, of="ours"), False),
        build_row("advisor_answer.p50", sound_work, "ms", "", ([statistics.median(quick)], []), None, False),
        build_row("advisor_answer.p99", sound_work, "ms", "", ([quick[int(n * 0.99)]], []), None, False),
        build_row("advisor_answer.rate", "answers of the model, with a sound server", "%", "", ([rate_pct], []), None),
    ]


def _client(folder: Path, size: Size) -> list[Row]:
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "sdk": []}
    for _ in range(size.runs):
        for side, made in runs.items():
            made.append(run_child(our_python(), "advisor_client", [side, str(N_CLIENT)]))

    def of(figure: str) -> tuple[list[float], list[float]]:
        return [run[figure] for run in runs["ours"]], [run[figure] for run in runs["sdk"]]

    work = f"{N_CLIENT} calls to the first word of a stream from a server that answers at once, then hung up"
    return [
        build_row("advisor_client.p50", work, "us", "openai SDK", of("p50"), Goal(CLIENT_RATIO), False),
        build_row(
            "advisor_client.import",
            "seconds until a client can be made",
            "s",
            "openai SDK",
            of("import_s"),
            None,
            False,
        ),
    ]


MEASUREMENTS: dict[tuple[str, ...], Measure] = {
    (
        "advisor_deadline.p99",
        "advisor_deadline.max",
        "advisor_answer.p50",
        "advisor_answer.p99",
        "advisor_answer.rate",
    ): _deadline,
    ("advisor_client.p50", "advisor_client.import"): _client,
}
"""The rows that come of a measurement, and the measurement."""
