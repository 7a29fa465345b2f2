"""Many pure computations, here, in several processes or on several machines: the same results in the same order.

`work` is a function at the top level of a module, with annotated result; items and results are frozen dataclasses or
other values that JSON and pickle can hold. What is random draws from a seed in its item.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Generic, Protocol, TypeVar, get_type_hints

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


@dataclass(slots=True)
class Pieces(Generic[Item, Result]):
    """The pieces of one map: results that are stored are taken up at the start, a runner does the missing ones."""

    work: Callable[[Item], Result]
    items: Sequence[Item]
    results: ResultFolder | None
    on_done: OnDone | None
    should_stop: ShouldStop | None
    _done: dict[int, Result] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.results is None:
            return
        for index, item in enumerate(self.items):
            stored = self.results.load(self.work, item)
            if stored is not None:
                self._note(index, stored)

    def missing(self) -> list[int]:
        """Return the indices of the items that have no result yet."""
        return [index for index in range(len(self.items)) if index not in self._done]

    def keep(self, index: int, result: Result) -> None:
        """Take a new result: stored first, then told."""
        if self.results is not None:
            self.results.save(self.work, self.items[index], result)
        self._note(index, result)

    def stop_if_asked(self) -> None:
        """Raise Cancelled when the caller wants no more and something is left to do."""
        if len(self._done) < len(self.items) and self.should_stop is not None and self.should_stop():
            raise Cancelled(f"stopped after {len(self._done)} of {len(self.items)} pieces of work")

    def in_order(self) -> list[Result]:
        """Return all results in the order of the items."""
        return [self._done[index] for index in range(len(self.items))]

    def _note(self, index: int, result: Result) -> None:
        self._done[index] = result
        if self.on_done is not None:
            self.on_done(index)


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
        pieces = Pieces(work, items, self.results, on_done, should_stop)
        missing = pieces.missing()
        if self.n_workers == 1 or len(missing) < 2:
            for index in missing:
                pieces.stop_if_asked()
                pieces.keep(index, work(items[index]))
        else:
            self._in_pool(pieces, missing)
        return pieces.in_order()

    def _in_pool(self, pieces: Pieces[Item, Result], missing: Sequence[int]) -> None:
        # Spawned, not forked: a fork of a process with threads may inherit a lock that nobody releases.
        pool = ProcessPoolExecutor(min(self.n_workers, len(missing)), mp_context=get_context("spawn"))
        try:
            waiting: dict[Future[Result], int] = {
                pool.submit(pieces.work, pieces.items[index]): index for index in missing
            }
            while waiting:
                finished, _ = wait(waiting, timeout=POLL_S, return_when=FIRST_COMPLETED)
                for future in finished:
                    pieces.keep(waiting.pop(future), future.result())
                pieces.stop_if_asked()
        except BrokenProcessPool:
            raise Unavailable("a worker process ended before its work was done", "Try again with less work") from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
