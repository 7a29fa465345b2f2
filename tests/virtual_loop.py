"""An event loop whose time is virtual and whose sockets are real: it jumps to the next timer when nothing is at hand.

Peers must live in the same loop: then whatever one of them wrote lies in the other's socket before the loop looks, and
a deadline of 800 ms is over in an instant, at exactly 800 ms.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

T = TypeVar("T")
GRACE_S = 0.003
"""Real time that the kernel gets to bring what was written, before time jumps."""
STUCK_S = 20.0
"""Real time after which a loop that waits for something that is not a timer has failed."""


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        ready = super().select(GRACE_S if timeout is not None else STUCK_S)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("the loop waits for something that will not come")
        self.loop.virtual_now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time begins at 1000 s."""

    def __init__(self) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self.virtual_now = 1000.0
        super().__init__(selector)

    def time(self) -> float:
        return self.virtual_now


class InlineExecutor(Executor):
    """Does the work at once: a thread would run in real time."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


def run_virtual(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` in a loop of virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
