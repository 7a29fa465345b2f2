"""`kill -9` of the worker at every step of its cycles: before the effect, before its commit, and after it."""

import signal
from pathlib import Path

import pytest

from tests.analyzer_days import daily_answer, edits_answer
from tests.demo_runs import (
    PHASES,
    contents_of,
    copy_home,
    crash_points,
    finish_demo,
    make_begun,
    make_silent,
    require_same,
    shared_home,
    words_of,
)
from tests.llm_server import running_llm

STEPS = {
    "daily": (
        "collect", "read", "dataset", "score", "analyze", "propose", "admit", "screen", "narrow", "advance", "forecast",
        "aftermath", "advice", "twin", "scorecard", "report", "notify", "prepare",
    ),
    "weekly": (
        "patterns", "study", "programs", "search.ai-1", "search.mm-1", "search.momentum-1", "search.sma-1", "admit",
        "screen", "champion", "sealed", "placebo", "deploy", "retraining", "report", "notify",
    ),
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


def test_a_worker_killed_while_it_decides_about_a_canary_decides_once(
    finished: Path, begun: Path, tmp_path: Path
) -> None:
    home = copy_home(begun, tmp_path / "home")
    # The second night is the first one with an open canary.
    for point in ("daily.advance:before#2", "daily.advance:after_effect", "daily.advance:after_commit"):
        assert finish_demo(home, point) == -signal.SIGKILL, f"{point}: {words_of(home)}"
    assert finish_demo(home) == 0, words_of(home)
    require_same(home, finished)
    assert len(contents_of(home)["canary_decision"]) == 1


def test_an_answer_of_the_language_model_that_was_paid_for_is_used_whatever_is_killed(
    begun: Path, tmp_path: Path
) -> None:
    home = copy_home(begun, tmp_path / "home")
    points = ["daily.analyze:after_effect", "daily.propose:after_effect", "daily.report:after_commit"]
    with running_llm(["ok"], [daily_answer(), edits_answer()]) as server:
        model = {"base_url": server.base_url, "api_key": "sk-test-0123456789", "timeout_s": 20}
        for point in points:
            assert finish_demo(home, point, analyzer=model) == -signal.SIGKILL, words_of(home)
        assert len(server.requests) == 2
    tables = contents_of(home)
    assert len(tables["llm_call"]) == len(tables["prompt"]) == len(tables["analysis"]) == 2
    assert all('"source":"llm:deepseek-flash-1017"' in str(row) for row in tables["analysis"])


@pytest.mark.soak
@pytest.mark.parametrize("seed", [7, 8, 9])
@pytest.mark.parametrize("point", [point for points in POINTS.values() for point in points])
def test_a_worker_killed_once_anywhere_leaves_what_an_undisturbed_one_leaves(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, seed: int, point: str
) -> None:
    finished = shared_home(tmp_path_factory, "silent", make_silent, seed)
    begun = shared_home(tmp_path_factory, "begun", make_begun, seed)
    home = copy_home(begun, tmp_path / "home")
    assert finish_demo(home, point, seed) == -signal.SIGKILL, words_of(home)
    assert finish_demo(home, seed=seed) == 0, words_of(home)
    require_same(home, finished)
