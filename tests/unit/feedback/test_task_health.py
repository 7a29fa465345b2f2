"""Tasks: one that fails stops no other, and everybody can tell how each is."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from core.clock import VirtualClock
from core.errors import Unavailable
from core.store import Store
from feedback.tasks import TaskBoard, TaskHealth, load_report
from tests.conftest import START


def test_a_task_that_fails_is_failing_until_it_succeeds_again(store: Store, clock: VirtualClock) -> None:
    board, wrong = TaskBoard(store, clock), [Unavailable("no bars"), ValueError("a defect"), None]

    def work() -> None:
        clock.advance_to(clock.now() + timedelta(seconds=2))
        error = wrong.pop(0)
        if error is not None:
            raise error

    board.add("prediction", 10.0, work)
    assert board.health[0].state(clock.now()) == "waiting"
    for n, reason in [(1, "no bars"), (2, "ValueError('a defect')")]:
        board.run_once("prediction")
        found = board.health[0]
        assert (found.state(clock.now()), found.n_failures, found.error) == ("failing", n, reason)
    board.run_once("prediction")
    found = board.health[0]
    assert (found.state(clock.now()), found.n_runs, found.error, found.seconds) == ("healthy", 1, "", 2.0)


@pytest.mark.parametrize(("every_s", "patience_s"), [(1.0, 30), (60.0, 180)])
def test_a_task_without_a_finished_run_for_three_rhythms_is_late(every_s: float, patience_s: int) -> None:
    done = TaskHealth("prediction", every_s, n_runs=1, started_at=START, finished_at=START)
    hanging = TaskHealth("prediction", every_s, started_at=START)
    at, later = START + timedelta(seconds=patience_s), START + timedelta(seconds=patience_s + 1)
    assert (done.state(at), done.state(later)) == ("healthy", "late")
    assert (hanging.state(at), hanging.state(later)) == ("waiting", "late")


def test_the_report_is_there_for_other_processes(store: Store, clock: VirtualClock) -> None:
    board = TaskBoard(store, clock)
    board.add("performance", 300.0, lambda: None)
    board.add("heartbeat", 10.0, board.save)
    with store.session() as session:
        assert load_report(session) is None
    board.run_once("performance")
    board.run_once("heartbeat")
    with store.session() as session:
        report = load_report(session)
    assert report is not None and (report.began_at, report.at) == (START, START)
    assert [task.name for task in report.tasks] == ["performance", "heartbeat"]
    assert report.tasks[0] == board.health[0]
    with pytest.raises(ValueError, match="heartbeat"):
        board.add("heartbeat", 1.0, board.save)


def test_every_task_has_a_rhythm_of_its_own_and_a_failing_one_stops_no_other(store: Store, clock: VirtualClock) -> None:
    board, done = TaskBoard(store, clock), []

    async def run() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()

        def count() -> None:
            done.append(1)
            if len(done) == 3:
                loop.call_soon_threadsafe(stop.set)

        def fail() -> None:
            raise ValueError("always")

        board.add("failing", 0.001, fail)
        board.add("counting", 0.001, count)
        with ThreadPoolExecutor(2) as pool:
            await asyncio.wait_for(board.run(stop, pool), 20)

    asyncio.run(run())
    failing, counting = board.health
    assert counting.n_runs >= 3 and failing.n_failures >= 1 and failing.error == "ValueError('always')"
