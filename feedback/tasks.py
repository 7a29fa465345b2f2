"""Work that comes back at a rhythm of its own, and how each piece of it is: running, late, failing.

A task that fails is logged, shown, and done again at its next time; it never ends another. What all of them are like
is kept as one fact in the store, so that other processes can tell.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from core.clock import Clock
from core.errors import XcrackError
from core.log import get_logger
from core.store import Session, Store, setting_facts

FACT = "worker_tasks"
LATE_AFTER = 3
"""Rhythms without a finished run, from which on a task is late."""
MIN_LATE_S = 30.0
State = Literal["waiting", "healthy", "late", "failing"]


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work. `work` runs in a thread of the executor and may raise."""

    name: str
    every_s: float
    work: Callable[[], object]


@dataclass(frozen=True, slots=True)
class TaskHealth:
    """How one task did so far."""

    name: str
    every_s: float
    n_runs: int = 0
    n_failures: int = 0
    started_at: datetime | None = None
    """Of the last run."""
    finished_at: datetime | None = None
    """Of the last run that came to its end without an error."""
    seconds: float = 0.0
    """That the last such run took."""
    error: str = ""
    """Of the last run, if it failed."""

    def state(self, now: datetime) -> State:
        """Return `failing` after an error, `late` where nothing was finished for three rhythms, else `healthy`."""
        if self.error:
            return "failing"
        since = self.finished_at or self.started_at
        if since is None:
            return "waiting"
        patience = timedelta(seconds=max(LATE_AFTER * self.every_s, MIN_LATE_S))
        if now - since > patience:
            return "late"
        return "healthy" if self.finished_at is not None else "waiting"


@dataclass(frozen=True, slots=True)
class TaskReport:
    """What the store holds of the tasks of the worker that runs, or ran last."""

    began_at: datetime
    at: datetime
    tasks: tuple[TaskHealth, ...]


class TaskBoard:
    """Runs tasks and knows their health. Add tasks before `run`."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Begin without tasks."""
        self._store, self._clock = store, clock
        self._began_at = clock.now()
        self._tasks: dict[str, Task] = {}
        self._health: dict[str, TaskHealth] = {}

    def add(self, name: str, every_s: float, work: Callable[[], object]) -> None:
        """Add a task under a name of its own."""
        if name in self._tasks:
            raise ValueError(f"there is a task '{name}' already")
        self._tasks[name] = Task(name, every_s, work)
        self._health[name] = TaskHealth(name, every_s)

    @property
    def health(self) -> Sequence[TaskHealth]:
        """How each task is, in the order in which they were added."""
        return tuple(self._health.values())

    def run_once(self, name: str) -> None:
        """Do a task now, in this thread; an error is logged and noted, and goes no further."""
        task, began = self._tasks[name], self._clock.monotonic()
        known = replace(self._health[name], started_at=self._clock.now())
        self._health[name] = known
        log = get_logger("tasks")
        try:
            task.work()
        except XcrackError as error:
            log.error("a task failed", task=name, reason=str(error))
            self._health[name] = replace(known, n_failures=known.n_failures + 1, error=str(error)[:300])
        except Exception as error:
            # A task that ended here would end unseen.
            log.exception("a task met a defect", task=name)
            self._health[name] = replace(known, n_failures=known.n_failures + 1, error=repr(error)[:300])
        else:
            took = self._clock.monotonic() - began
            finished_at = self._clock.now()
            self._health[name] = replace(
                known, n_runs=known.n_runs + 1, finished_at=finished_at, seconds=took, error=""
            )

    def save(self) -> None:
        """Keep the health of all tasks in the store."""
        report = TaskReport(self._began_at, self._clock.now(), tuple(self._health.values()))
        with self._store.session() as session:
            setting_facts.put(session, FACT, report, report.at)

    async def run(self, stop: asyncio.Event, pool: Executor) -> None:
        """Run every task at its rhythm, in threads of `pool`, until told to stop."""
        await asyncio.gather(*(self._repeat(task, stop, pool) for task in tuple(self._tasks.values())))

    async def _repeat(self, task: Task, stop: asyncio.Event, pool: Executor) -> None:
        while not stop.is_set():
            await asyncio.get_running_loop().run_in_executor(pool, self.run_once, task.name)
            try:
                async with asyncio.timeout(task.every_s):
                    await stop.wait()
            except TimeoutError:
                continue


def load_report(session: Session) -> TaskReport | None:
    """Return the last report; None before the first."""
    return setting_facts.get(session, FACT, TaskReport)
