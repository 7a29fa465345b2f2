"""Pieces of work for a cluster in tests, where its workers can import them."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadInput

WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Item:
    number: int
    folder: str


@dataclass(frozen=True, slots=True)
class Root:
    value: float
    node: str


class OwnError(BadInput):
    pass


def is_there(folder: Path, pattern: str, n: int = 1) -> bool:
    return len(list(folder.glob(pattern))) >= n


def wait_until(is_so: Callable[[], bool]) -> None:
    until, pause = time.monotonic() + WITHIN_S, threading.Event()
    while not is_so():
        assert time.monotonic() < until, "it did not come to that"
        pause.wait(0.02)


def here() -> str:
    import ray

    return ray.get_runtime_context().get_node_id()


def root_where_two_meet(item: Item) -> Root:
    """The first piece on each node waits for the other, so that both have to take part."""
    (Path(item.folder) / f"{here()}.node").touch()
    wait_until(lambda: is_there(Path(item.folder), "*.node", 2))
    return Root(item.number**0.5, here())


def root_after_a_death(item: Item) -> Root:
    """Waits until one of three nodes is gone, and there for ever."""
    (Path(item.folder) / f"{here()}.node").touch()
    wait_until(lambda: is_there(Path(item.folder), "dead") and not is_there(Path(item.folder), f"{here()}.doomed"))
    return Root(item.number**0.5, here())


def root_of_the_first_two(item: Item) -> Root:
    """The others wait until `go` is there; each says that it was asked."""
    (Path(item.folder) / f"{item.number}-{os.getpid()}.asked").touch()
    if item.number > 1:
        wait_until(lambda: is_there(Path(item.folder), "go"))
    return Root(item.number**0.5, "")


def never_ends(item: Item) -> Root:
    threading.Event().wait()
    return Root(0.0, "")


def broken(item: Item) -> Root:
    raise OwnError(f"no root of {item.number}", "Take another")


def dead(item: Item) -> Root:
    (Path(item.folder) / f"{os.getpid()}.tried").touch()
    os._exit(9)
