"""The gate put to the test: worlds of which the truth is known, our gate and the rules of others in them.

Everything is drawn from one seed, and the same seed gives the same figures, whatever does the work.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy

import core.metrics
import core.sharpe
import strategies.gate
from strategies.gate.evaluation.batches import FULL, QUICK, PeerDays, Sizes, plan_batches, run_batch
from strategies.gate.evaluation.results import GateEvaluation, MixedYear, PassLine, RuleFigures, Share, summarise
from strategies.tasks import ShouldStop, TaskRunner

__all__ = [
    "FULL",
    "QUICK",
    "GateEvaluation",
    "MixedYear",
    "PassLine",
    "PeerDays",
    "RuleFigures",
    "Share",
    "Sizes",
    "code_sha256",
    "evaluate",
]

OnProgress = Callable[[int, int], None]
"""Told how many pieces of work are done, and how many there are."""


def evaluate(
    runner: TaskRunner,
    seed: int,
    sizes: Sizes,
    peer_days: PeerDays = "seen",
    recorded_folder: Path | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> GateEvaluation:
    """Return the figures of our gate and its peers.

    `peer_days` are the days that rules without sealed days search and judge on. `recorded_folder` holds recorded
    candles for the nulls of real returns. Raises Cancelled, and BadInput for candles that cannot be used.
    """
    batches = plan_batches(seed, sizes, peer_days, recorded_folder)
    done: set[int] = set()

    def note(index: int) -> None:
        done.add(index)
        if on_progress is not None:
            on_progress(len(done), len(batches))

    return summarise(seed, peer_days, runner.map(run_batch, batches, note, should_stop))


def code_sha256() -> str:
    """Return a hash of the code and the libraries that figures depend on; results of another one are not taken up."""
    files = [
        Path(core.metrics.__file__),
        Path(core.sharpe.__file__),
        *sorted(Path(strategies.gate.__file__).parent.rglob("*.py")),
    ]
    digest = hashlib.sha256(f"numpy {np.__version__} scipy {scipy.__version__}".encode())
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()
