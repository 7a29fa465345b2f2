"""The gate put to the test: worlds of which the truth is known, our gate and the rules of others in them.

Everything is drawn from one seed, and the same seed gives the same figures, whatever does the work.
"""

from collections.abc import Callable
from pathlib import Path

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
