"""Work in pieces: order, independence of the number of workers, stopping, going on, and what a dead worker means."""

import os
from dataclasses import dataclass
from functools import wraps
from pathlib import Path

import pytest

from core.errors import Unavailable
from strategies.tasks import Cancelled, LocalRunner, ResultFolder


@dataclass(frozen=True, slots=True)
class Item:
    number: int


@dataclass(frozen=True, slots=True)
class Root:
    value: float
    worker: int


def root_of(item: Item) -> Root:
    return Root(item.number**0.5, os.getpid())


def broken(item: Item) -> Root:
    raise ValueError(f"no root of {item.number}")


def dead(item: Item) -> Root:
    os._exit(9)


ITEMS = [Item(number) for number in range(7)]


def counted():
    """The work and a list of what it was asked for; it shares stored results with `root_of`."""
    asked: list[int] = []

    @wraps(root_of)
    def work(item: Item) -> Root:
        asked.append(item.number)
        return root_of(item)

    return work, asked


def values(roots):
    return [root.value for root in roots]


def test_two_workers_give_what_one_gives_in_the_same_order():
    done: list[int] = []
    here = LocalRunner().map(root_of, ITEMS)
    apart = LocalRunner(n_workers=2).map(root_of, ITEMS, on_done=done.append)
    assert values(here) == values(apart) == [number**0.5 for number in range(7)]
    assert sorted(done) == list(range(7))
    assert {root.worker for root in here} == {os.getpid()}
    assert os.getpid() not in {root.worker for root in apart}


def test_what_was_done_before_a_stop_is_kept_and_only_the_rest_is_done_later(tmp_path: Path):
    runner = LocalRunner(results=ResultFolder(tmp_path, "code"))
    (first, asked_first), (second, asked_second), done = counted(), counted(), []
    with pytest.raises(Cancelled, match="3 of 7"):
        runner.map(first, ITEMS, on_done=done.append, should_stop=lambda: len(done) == 3)
    assert values(runner.map(second, ITEMS)) == [number**0.5 for number in range(7)]
    assert (asked_first, asked_second) == ([0, 1, 2], [3, 4, 5, 6])


def test_a_pool_that_is_told_to_stop_stops(tmp_path: Path):
    with pytest.raises(Cancelled):
        LocalRunner(2, ResultFolder(tmp_path, "code")).map(root_of, ITEMS, should_stop=lambda: True)


def test_results_of_other_code_and_damaged_ones_are_not_taken_up(tmp_path: Path):
    LocalRunner(results=ResultFolder(tmp_path, "code")).map(root_of, ITEMS)
    other, asked = counted()
    LocalRunner(results=ResultFolder(tmp_path, "newer code")).map(other, ITEMS)
    assert asked == list(range(7))
    anew, asked = counted()
    LocalRunner(results=ResultFolder(tmp_path, "code", is_taken_up=False)).map(anew, ITEMS)
    assert asked == list(range(7))
    for path in tmp_path.iterdir():
        path.write_text('{"value": 1')
    again, asked = counted()
    LocalRunner(results=ResultFolder(tmp_path, "code")).map(again, ITEMS)
    assert asked == list(range(7))


@pytest.mark.parametrize("n_workers", [1, 2])
def test_an_error_of_the_work_reaches_the_caller(n_workers: int):
    with pytest.raises(ValueError, match="no root"):
        LocalRunner(n_workers).map(broken, ITEMS)


def test_a_worker_that_dies_is_named_and_nothing_hangs():
    with pytest.raises(Unavailable, match="worker process ended"):
        LocalRunner(2).map(dead, ITEMS)
