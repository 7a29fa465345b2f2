"""The trainer as its parent sees it: a process that tells how it goes, and that can end in any way at any time."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import msgspec

from core.errors import Unavailable
from core.model.canonical import canonical_json, from_json
from ml.train.plan import Told, TrainPlan

_NEEDED = ("torch", "onnx", "skl2onnx", "onnxmltools")
_END_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a training ended."""

    code: int
    """Exit code of the process; negative for a signal."""
    last: Told
    """What it said last that was no progress; `failed` with a reason where it said nothing."""

    @property
    def is_done(self) -> bool:
        """Whether a bundle was written."""
        return self.last.kind == "done"

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody stopped it."""
        return self.code == 130


def require_trainer() -> None:
    """Raise Unavailable, saying how to install it, where the trainer's packages are missing."""
    missing = _missing()
    if missing:
        raise Unavailable(
            f"training needs packages that are not installed: {', '.join(missing)}",
            "In a checkout run `make train-tools`; elsewhere `pip install 'xcrack[train]'`",
        )


def has_trainer() -> bool:
    """Return whether the trainer's packages are installed; none of them is loaded."""
    return not _missing()


def run_trainer(
    plan: TrainPlan, root: Path, watch: Callable[[Told], None], environment: Mapping[str, str] | None = None
) -> Outcome:
    """Run the plan in a process of its own, pass on what it tells, and return how it ended.

    An interruption here ends the process before it is raised on. `root` is the folder that holds the package `ml`.
    """
    command = [sys.executable, "-m", "ml.train"]
    variables = {**os.environ, "OMP_NUM_THREADS": str(plan.threads), **(environment or {})}
    # A group of its own: Ctrl-C at a terminal reaches this process alone, which then ends the trainer in order.
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root, env=variables, start_new_session=True
    )
    if process.stdin is None or process.stdout is None:
        raise Unavailable("the trainer cannot be started")
    last = Told("failed", reason="the trainer ended without a word")
    with process.stdin, process.stdout:
        try:
            process.stdin.write(canonical_json(plan).encode() + b"\n")
            process.stdin.flush()
            for line in process.stdout:
                told = _parse(line)
                if told is not None and told.kind in ("done", "failed"):
                    last = told
                if told is not None:
                    watch(told)
        except BrokenPipeError:
            pass
        except BaseException:
            _end(process)
            raise
    return Outcome(process.wait(), _with_signal(process.wait(), last))


def _missing() -> list[str]:
    return [name for name in _NEEDED if find_spec(name) is None]


def _parse(line: bytes) -> Told | None:
    """Return what a line tells, or None for one that a library printed."""
    try:
        return from_json(line, Told)
    except msgspec.DecodeError:
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _with_signal(code: int, last: Told) -> Told:
    if last.kind == "done" or last.reason != "the trainer ended without a word":
        return last
    ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code} and said nothing"
    return Told("failed", reason=f"the trainer {ended}", remedy="Run it again: it goes on at its last checkpoint")
