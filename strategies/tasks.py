"""Many pure computations, here or in several processes: the same results in the same order, whatever the number.

`work` is a function at the top level of a module, with annotated result; items and results are frozen dataclasses or
other values that JSON and pickle can hold. What is random draws from a seed in its item.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol, TypeVar, get_type_hints

import msgspec

from core.durable import replace_file
from core.errors import Unavailable, XcrackError
from core.model.canonical import canonical_json, from_json, sha256_of

Item = TypeVar("Item")
Result = TypeVar("Result")
OnDone = Callable[[int], None]
"""Told the index of each item whose result is there, in the order of finishing."""
ShouldStop = Callable[[], bool]

POLL_S = 0.2
"""How often a running map asks whether it should stop."""


class Cancelled(XcrackError):
    """The caller asked to stop before every item was done. What was done is kept where results are kept."""


class TaskRunner(Protocol):
    """Does work item by item, somewhere."""

    def map(
        self,
        work: Callable[[Item], Result],
        items: Sequence[Item],
        on_done: OnDone | None = None,
        should_stop: ShouldStop | None = None,
    ) -> list[Result]:
        """Return the result of each item, in the order of the items.

        Raises Cancelled once `should_stop` says so, Unavailable when a worker dies, and what `work` raises.
        """
        ...


@dataclass(frozen=True, slots=True)
class ResultFolder:
    """Results on disk by the hash of work, item and code, so that a run that was cut off goes on where it was."""

    path: Path
    code: str
    """Whatever changes when the results would: results of other code are not taken up."""
    is_taken_up: bool = True
    """Whether results that are there already are used; new ones are stored in any case."""

    def load(self, work: Callable[[Item], Result], item: Item) -> Result | None:
        """Return the stored result; None when there is none that may be used, or none that can be read."""
        if not self.is_taken_up:
            return None
        kind: type[Result] = get_type_hints(work)["return"]
        try:
            return from_json(self._place(work, item).read_bytes(), kind)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def save(self, work: Callable[[Item], Result], item: Item, result: Result) -> None:
        """Store the result, whole or not at all. Raises OSError when the disk says no."""
        replace_file(self._place(work, item), canonical_json(result).encode())

    def _place(self, work: Callable[[Item], Result], item: Item) -> Path:
        name = sha256_of([self.code, f"{work.__module__}.{work.__qualname__}", item])
        return self.path / f"{name}.json"


@dataclass(frozen=True, slots=True)
class LocalRunner:
    """Runs on this machine: in this process for one worker, else in a pool of processes."""

    n_workers: int = 1
    results: ResultFolder | None = None

    def map(
        self,
        work: Callable[[Item], Result],
        items: Sequence[Item],
        on_done: OnDone | None = None,
        should_stop: ShouldStop | None = None,
    ) -> list[Result]:
        """Do the work; see `TaskRunner.map`."""
        done: dict[int, Result] = {}

        def keep(index: int, result: Result, is_new: bool = True) -> None:
            if is_new and self.results is not None:
                self.results.save(work, items[index], result)
            done[index] = result
            if on_done is not None:
                on_done(index)

        for index, item in enumerate(items):
            stored = self.results.load(work, item) if self.results is not None else None
            if stored is not None:
                keep(index, stored, is_new=False)
        missing = [index for index in range(len(items)) if index not in done]
        ask = should_stop or (lambda: False)
        if self.n_workers == 1 or len(missing) < 2:
            for index in missing:
                _stop_if(ask(), len(done), len(items))
                keep(index, work(items[index]))
        else:
            self._in_pool(work, items, missing, keep, ask)
        return [done[index] for index in range(len(items))]

    def _in_pool(
        self,
        work: Callable[[Item], Result],
        items: Sequence[Item],
        missing: Sequence[int],
        keep: Callable[[int, Result], None],
        ask: ShouldStop,
    ) -> None:
        # Spawned, not forked: a fork of a process with threads may inherit a lock that nobody releases.
        pool = ProcessPoolExecutor(min(self.n_workers, len(missing)), mp_context=get_context("spawn"))
        try:
            waiting: dict[Future[Result], int] = {pool.submit(work, items[index]): index for index in missing}
            while waiting:
                finished, _ = wait(waiting, timeout=POLL_S, return_when=FIRST_COMPLETED)
                for future in finished:
                    keep(waiting.pop(future), future.result())
                _stop_if(bool(waiting) and ask(), len(items) - len(waiting), len(items))
        except BrokenProcessPool:
            raise Unavailable("a worker process ended before its work was done", "Try again with less work") from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _stop_if(stop: bool, n_done: int, n_items: int) -> None:
    if stop:
        raise Cancelled(f"stopped after {n_done} of {n_items} pieces of work")
