"""`kill -9` of a replay in which models speak: what they said and what was traded on it is what it would have been."""

import signal
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from tests.demo_runs import contents_of, kill_when, n_records, require_same, words_of
from tests.faults.test_kill_engine import kill_both, kill_engine
from tests.model_replays import start_replay


def finish(folder: Path, crash_at: str = "") -> int | None:
    program = start_replay(folder, crash_at)
    program.join(timeout=120)
    return program.exitcode


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert finish(folder) == 0, words_of(folder)
    return folder


def kill_at(folder: Path, number: int, how: Callable[[BaseProcess], None]) -> None:
    program = start_replay(folder)
    journal = folder / "engine" / "journal.jsonl"
    while not journal.exists():
        program.join(timeout=0.01)
        assert program.is_alive(), words_of(folder)
    kill_when(folder, number, how, program)


def test_a_replay_killed_on_the_way_says_and_trades_what_it_would_have(undisturbed: Path, tmp_path: Path) -> None:
    said = contents_of(undisturbed)
    assert len(said["prediction"]) > 90 and said["performance_feedback"] and said["trade"]
    n_all, folder = n_records(undisturbed), tmp_path / "killed"
    for part, how in ((3, kill_both), (2, kill_engine)):
        kill_at(folder, n_all // part, how)
    assert finish(folder) == 0, words_of(folder)
    require_same(folder, undisturbed)


@pytest.mark.soak
def test_one_killed_in_the_night_after_its_effect_does_too(undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    assert finish(folder, "daily.report:after_effect") == -signal.SIGKILL, words_of(folder)
    assert finish(folder) == 0, words_of(folder)
    require_same(folder, undisturbed)


@pytest.mark.soak
@pytest.mark.parametrize("how", [kill_engine, kill_both])
@pytest.mark.parametrize("tenth", range(1, 10))
def test_wherever_it_is_killed(
    undisturbed: Path, tmp_path: Path, tenth: int, how: Callable[[BaseProcess], None]
) -> None:
    folder = tmp_path / "killed"
    kill_at(folder, max(1, n_records(undisturbed) * tenth // 10), how)
    assert finish(folder) == 0, words_of(folder)
    require_same(folder, undisturbed)
