"""`kill -9` of the worker at every step of its cycles: before the effect, before its commit, and after it."""

import signal
from pathlib import Path

import pytest

from tests.demo_runs import (
    PHASES,
    copy_home,
    crash_points,
    finish_demo,
    make_begun,
    make_finished,
    require_same,
    shared_home,
    words_of,
)

STEPS = {
    "daily": (
        "collect", "dataset", "score", "analyze", "propose", "admit", "screen", "narrow", "forecast", "report",
        "notify", "prepare",
    ),
    "weekly": ("patterns", "study", "champion", "sealed", "deploy", "report", "notify"),
}  # fmt: skip
POINTS = {job: [f"{job}.{step}:{phase}" for step in steps for phase in PHASES] for job, steps in STEPS.items()}


@pytest.mark.parametrize("job", STEPS)
def test_every_step_of_a_cycle_is_known_here(finished: Path, job: str) -> None:
    assert crash_points(finished, job) == POINTS[job]


@pytest.mark.parametrize("job", STEPS)
def test_a_worker_killed_at_every_point_of_a_cycle_in_turn_has_each_effect_once(
    finished: Path, begun: Path, tmp_path: Path, job: str
) -> None:
    home = copy_home(begun, tmp_path / "home")
    for point in POINTS[job]:
        assert finish_demo(home, point) == -signal.SIGKILL, f"{point}: {words_of(home)}"
    assert finish_demo(home) == 0, words_of(home)
    require_same(home, finished)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [7, 8, 9])
@pytest.mark.parametrize("point", [point for points in POINTS.values() for point in points])
def test_a_worker_killed_once_anywhere_leaves_what_an_undisturbed_one_leaves(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, seed: int, point: str
) -> None:
    finished = shared_home(tmp_path_factory, "finished", make_finished, seed)
    begun = shared_home(tmp_path_factory, "begun", make_begun, seed)
    home = copy_home(begun, tmp_path / "home")
    assert finish_demo(home, point, seed) == -signal.SIGKILL, words_of(home)
    assert finish_demo(home, seed=seed) == 0, words_of(home)
    require_same(home, finished)
