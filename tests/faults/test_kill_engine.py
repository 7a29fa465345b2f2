"""`kill -9` of the engine, or of engine and worker together, in the middle of a run."""

import json
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
    make_silent,
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


def seeded_records(begun: Path, finished: Path, seed: int) -> list[int]:
    """Return numbers of journal records from the first cycle on, and not so late that the run ends before the kill."""
    numbers = range(n_records(begun) + 1, n_records(finished) - 15)
    return sorted(random.Random(seed).sample(numbers, N_KILLS))


def kill_on_the_way(
    begun: Path, finished: Path, home: Path, numbers: list[int], seed: int, how: Callable[[BaseProcess], None]
) -> None:
    """Kill when the journal holds so many records, and go on each time."""
    copy_home(begun, home)
    for wanted in numbers:
        # Going on writes records of its own; a kill before the first new one would find no engine yet.
        number = max(wanted, n_records(home) + 1)
        program = start_demo(home, seed=seed)
        kill_when(home, number, how, program)
        if how is kill_engine:
            assert program.exitcode == 1
            assert "the engine ended with code -9" in (home / "worker.log").read_text()
        else:
            assert program.exitcode == -signal.SIGKILL
    assert finish_demo(home, seed=seed) == 0, words_of(home)
    require_same(home, finished)


@pytest.mark.parametrize("how", [kill_engine, kill_both])
def test_a_run_whose_engine_was_killed_on_the_way_ends_with_the_same_trades_and_reports(
    finished: Path, begun: Path, tmp_path: Path, how: Callable[[BaseProcess], None]
) -> None:
    kill_on_the_way(begun, finished, tmp_path / "home", seeded_records(begun, finished, 1), 7, how)


def test_an_engine_killed_as_it_takes_a_change_acknowledges_that_change_once(
    finished: Path, begun: Path, tmp_path: Path
) -> None:
    kinds = [json.loads(line)["kind"] for line in (finished / "engine" / "journal.jsonl").read_text().splitlines()]
    # Going on grants the last time once more, which is one record.
    number = kinds.index("params_update") + 1 + 1
    kill_on_the_way(begun, finished, tmp_path / "home", [number], 7, kill_engine)


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
    finished = shared_home(tmp_path_factory, "silent", make_silent, demo_seed)
    begun = shared_home(tmp_path_factory, "begun", make_begun, demo_seed)
    kill_on_the_way(begun, finished, tmp_path / "home", seeded_records(begun, finished, seed), demo_seed, how)
