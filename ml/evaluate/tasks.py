"""The questions that models are judged on, and how each becomes one or two yes-or-no problems.

A question of three classes is two problems: whether anything happens, and which side if so. Horizons are in bars.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.errors import UnknownName
from market.candles import Floats
from ml.features.table import FeatureTable
from ml.labels import Labels, big_move_label, move_over_sigma, sign_label, triple_barrier, two_percent

BIG_MOVE = 0.02
BARRIER_SIGMAS = 1.0
MOVE_SIGMAS = 1.0
BINARY = np.array([0.0, 1.0])
THREE = np.array([-1.0, 0.0, 1.0])


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """One yes-or-no question about rows."""

    key: str
    """Equal keys are the same question, to be answered once."""
    y: Floats
    """(n,) 0, 1 or NaN, which is not learned from; rows may be NaN here that have a label in the task."""


@dataclass(frozen=True, slots=True)
class Task:
    """A question with its horizon."""

    name: str
    horizon_bars: int
    label: Callable[[FeatureTable, int], Labels]
    is_three: bool = False
    is_direction: bool = False
    """Whether a side follows from it, so that it can be traded."""

    @property
    def key(self) -> str:
        """Name and horizon, as `--tasks` takes them."""
        return f"{self.name}:{self.horizon_bars}"

    @property
    def classes(self) -> Floats:
        """The classes, rising."""
        return THREE if self.is_three else BINARY

    def problems(self, labels: Labels) -> tuple[Problem, ...]:
        """Return the problem, or whether-problem and side-problem."""
        if not self.is_three:
            return (Problem(self.key, labels.y),)
        happens = np.where(np.isnan(labels.y), np.nan, labels.y != 0)
        side = np.where(happens == 1, labels.y > 0, np.nan)
        # |return| above the threshold is the big move itself: one answer serves both questions.
        whether = f"big_move:{self.horizon_bars}" if self.name == "two_percent" else f"{self.key}:touch"
        return Problem(whether, happens), Problem(f"{self.key}:side", side)


def class_probabilities(p: tuple[Floats, ...]) -> Floats:
    """Return (n, C) from the problems' probabilities (n,): of 0 and 1, or of -1, 0 and 1."""
    if len(p) == 1:
        return np.column_stack([1 - p[0], p[0]])
    happens, up = p
    return np.column_stack([happens * (1 - up), 1 - happens, happens * up])


def horizon_text(interval_ms: int, horizon_bars: int) -> str:
    """Return a horizon as `1h`, `24h`, `25m`."""
    minutes = interval_ms * horizon_bars // 60_000
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"


def _big_move(table: FeatureTable, horizon_bars: int) -> Labels:
    return big_move_label(table, horizon_bars, BIG_MOVE)


def _move_over_sigma(table: FeatureTable, horizon_bars: int) -> Labels:
    return move_over_sigma(table, horizon_bars, MOVE_SIGMAS)


def _triple_barrier(table: FeatureTable, horizon_bars: int) -> Labels:
    return triple_barrier(table, horizon_bars, BARRIER_SIGMAS)


TASKS = (
    Task("sign", 1, sign_label, is_direction=True),
    Task("sign", 5, sign_label, is_direction=True),
    Task("sign", 24, sign_label, is_direction=True),
    Task("big_move", 5, _big_move),
    Task("triple_barrier", 12, _triple_barrier, is_three=True, is_direction=True),
    Task("two_percent", 5, two_percent, is_three=True, is_direction=True),
    Task("move_over_sigma", 5, _move_over_sigma),
)
DEFAULT_TASKS = TASKS[:6]


def find_tasks(names: str | None) -> tuple[Task, ...]:
    """Return the tasks of a comma-separated list, each `sign` or `sign:5`; the default ones for None."""
    if names is None:
        return DEFAULT_TASKS
    found: dict[str, Task] = {}
    for name in (part.strip() for part in names.split(",")):
        matching = [task for task in TASKS if name in (task.name, task.key)]
        if not matching:
            raise UnknownName(f"'{name[:40]}' is no task", f"Use some of {', '.join(task.key for task in TASKS)}")
        found.update({task.key: task for task in matching})
    return tuple(found.values())
