"""`kill -9` of the engine, or of engine and worker together, in the middle of a run."""

import random
import signal
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import pytest

from tests.demo_runs import (
    copy_home,
    finish_demo,
    kill_when,
    make_begun,
    make_finished,
    n_records,
    require_same,
    shared_home,
    start_demo,
    words_of,
)

N_KILLS = 3


def kill_engine(worker: BaseProcess) -> None:
    for child in psutil.Process(worker.pid).children():
        child.kill()


def kill_both(worker: BaseProcess) -> None:
    kill_engine(worker)
    worker.kill()


def kill_on_the_way(
    begun: Path, finished: Path, home: Path, seed: int, demo_seed: int, how: Callable[[BaseProcess], None]
) -> None:
    """Kill at seeded numbers of journal records, from the first cycle to the end, and go on each time."""
    copy_home(begun, home)
    numbers = sorted(random.Random(seed).sample(range(n_records(begun) + 1, n_records(finished) - 5), N_KILLS))
    for number in numbers:
        program = start_demo(home, seed=demo_seed)
        kill_when(home, number, how, program)
        if how is kill_engine:
            assert program.exitcode == 1
            assert "the engine ended with code -9" in (home / "worker.log").read_text()
        else:
            assert program.exitcode == -signal.SIGKILL
    assert finish_demo(home, seed=demo_seed) == 0, words_of(home)
    require_same(home, finished)


@pytest.mark.parametrize("how", [kill_engine, kill_both])
def test_a_run_whose_engine_was_killed_on_the_way_ends_with_the_same_trades_and_reports(
    finished: Path, begun: Path, tmp_path: Path, how: Callable[[BaseProcess], None]
) -> None:
    kill_on_the_way(begun, finished, tmp_path / "home", 1, 7, how)


@pytest.mark.soak
@pytest.mark.parametrize("how", [kill_engine, kill_both])
@pytest.mark.parametrize("demo_seed", [7, 8, 9])
@pytest.mark.parametrize("seed", range(2, 12))
def test_an_engine_killed_at_many_records_leaves_what_an_undisturbed_one_leaves(
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
    seed: int,
    demo_seed: int,
    how: Callable[[BaseProcess], None],
) -> None:
    finished = shared_home(tmp_path_factory, "finished", make_finished, demo_seed)
    begun = shared_home(tmp_path_factory, "begun", make_begun, demo_seed)
    kill_on_the_way(begun, finished, tmp_path / "home", seed, demo_seed, how)
