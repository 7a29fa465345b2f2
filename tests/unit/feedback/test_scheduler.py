import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from core.clock import KST, VirtualClock
from core.settings_sections import ScheduleSettings
from core.store import jobs
from feedback.runs import RunLedger
from feedback.scheduler import FeedbackScheduler

MINUTE = timedelta(minutes=1)


def kst(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=KST).astimezone(UTC)


class Bench:
    """A scheduler whose jobs go through the run ledger, as in production; remembers what ran."""

    def __init__(self, store, clock, owner="worker"):
        self.store, self.clock = store, clock
        self.ledger = RunLedger(store, clock, owner, lambda _: None)
        self.ran: list[tuple[str, datetime, bool]] = []
        self.problems = []
        self.broken: set[str] = set()
        works = {"daily": self._daily, "weekly": self._weekly, "monitor": self._monitor}
        report = lambda _, problem: self.problems.append(problem)  # noqa: E731
        self.scheduler = FeedbackScheduler(clock, ScheduleSettings(), store, works, report)

    def _daily(self, due_at, late):
        self._run("daily", due_at, late)

    def _weekly(self, due_at, late):
        self._run("weekly", due_at, late)

    def _monitor(self, due_at, late):
        self.ran.append(("monitor", due_at, late))

    def _run(self, job, due_at, late):
        run = self.ledger.open_run(job, due_at, late)
        if run is None:
            return
        if job in self.broken:
            run.step("one", self._fail, lambda _, value: value)
        self.ran.append((job, due_at, late))
        run.finish()

    def _fail(self):
        raise RuntimeError("out of order")

    def tick_at(self, at):
        self.clock.advance_to(at)
        self.scheduler.tick()

    def cycles(self):
        return [entry for entry in self.ran if entry[0] != "monitor"]


@pytest.fixture
def bench(store):
    # A Monday noon in KST: the first due time is the next day's daily cycle.
    bench = Bench(store, VirtualClock(kst(2026, 3, 2, 12, 0)))
    bench.scheduler.tick()
    return bench


def test_a_fresh_installation_has_missed_nothing(bench):
    assert bench.cycles() == []


def test_the_daily_cycle_runs_once_at_five_past_midnight_in_korea(bench):
    bench.tick_at(kst(2026, 3, 3, 0, 4))
    assert bench.cycles() == []
    for minute in (5, 6, 7):
        bench.tick_at(kst(2026, 3, 3, 0, minute))
    assert bench.cycles() == [("daily", datetime(2026, 3, 2, 15, 5, tzinfo=UTC), False)]


def test_the_weekly_cycle_runs_on_sunday_at_half_past_midnight_in_korea(bench):
    bench.tick_at(kst(2026, 3, 7, 0, 5))
    bench.tick_at(kst(2026, 3, 8, 0, 5))
    bench.tick_at(kst(2026, 3, 8, 0, 29))
    assert not [entry for entry in bench.ran if entry[0] == "weekly"]
    bench.tick_at(kst(2026, 3, 8, 0, 30))
    assert [entry for entry in bench.ran if entry[0] == "weekly"] == [
        ("weekly", datetime(2026, 3, 7, 15, 30, tzinfo=UTC), False)
    ]


def test_down_from_2350_to_0030_gives_one_late_run(bench):
    bench.tick_at(kst(2026, 3, 2, 23, 50))
    bench.tick_at(kst(2026, 3, 3, 0, 30))
    bench.tick_at(kst(2026, 3, 3, 0, 35))
    assert bench.cycles() == [("daily", kst(2026, 3, 3, 0, 5), True)]
    assert bench.problems == []


def test_down_for_three_days_catches_up_inside_the_window_and_reports_the_rest_as_skipped_once(bench):
    bench.tick_at(kst(2026, 3, 3, 0, 5))
    bench.tick_at(kst(2026, 3, 6, 12, 0))
    bench.tick_at(kst(2026, 3, 6, 12, 5))
    assert [(job, due_at) for job, due_at, _ in bench.cycles()] == [
        ("daily", kst(2026, 3, 3, 0, 5)),
        ("daily", kst(2026, 3, 5, 0, 5)),
        ("daily", kst(2026, 3, 6, 0, 5)),
    ]
    (problem,) = bench.problems
    assert (problem.outcome, problem.scheduled_for) == ("skipped", (kst(2026, 3, 4, 0, 5),))
    assert "2026-03-04 00:05 KST" in problem.message
    with bench.store.session() as session:
        assert [run.state for run in jobs.latest(session, 9)] == ["finished", "finished", "skipped", "finished"]


def test_a_weekly_and_daily_run_missed_together_come_oldest_first(bench):
    bench.tick_at(kst(2026, 3, 7, 0, 5))
    bench.ran.clear()
    bench.tick_at(kst(2026, 3, 9, 1, 0))
    assert [job for job, _, _ in bench.cycles()] == ["daily", "weekly", "daily"]


def test_two_schedulers_on_one_database_give_one_run(store, bench):
    other = Bench(store, bench.clock, owner="other")
    bench.tick_at(kst(2026, 3, 3, 0, 5))
    other.scheduler.tick()
    assert len(bench.cycles()) + len(other.cycles()) == 1


def test_a_run_that_another_process_is_working_on_is_left_alone(store, bench):
    due_at = kst(2026, 3, 3, 0, 5)
    bench.clock.advance_to(due_at)
    assert RunLedger(store, bench.clock, "other", lambda _: None).open_run("daily", due_at) is not None
    bench.scheduler.tick()
    assert bench.cycles() == []


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1), timedelta(days=3)])
def test_a_jump_of_the_clock_repeats_no_run(store, bench, jump):
    due_at = kst(2026, 3, 3, 0, 5)
    bench.tick_at(due_at)
    jumped = Bench(store, VirtualClock(due_at + jump))
    jumped.scheduler.tick()
    assert due_at not in [at for _, at, _ in jumped.cycles()]
    back = Bench(store, VirtualClock(due_at + MINUTE))
    back.scheduler.tick()
    assert back.cycles() == []


def test_every_day_and_every_sunday_of_a_quarter_comes_exactly_once(store):
    clock = VirtualClock(kst(2026, 1, 1, 0, 0))
    bench = Bench(store, clock)
    end = kst(2026, 4, 1, 0, 0)
    bench.scheduler.tick()
    del bench.scheduler._jobs["monitor"]
    while (due := bench.scheduler.next_due(clock.now()))[0] < end:
        bench.tick_at(due[0])
    counts = Counter((job, due_at.astimezone(KST).date()) for job, due_at, _ in bench.cycles())
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(90)]
    expected = [("daily", on) for on in days] + [("weekly", on) for on in days if on.isoweekday() == 7]
    assert counts == Counter(expected)


def test_a_broken_job_is_reported_and_keeps_the_others_running_and_is_tried_again(bench):
    bench.broken = {"daily"}
    bench.tick_at(kst(2026, 3, 8, 0, 30))
    assert [job for job, _, _ in bench.cycles()] == ["weekly"]
    raised = [problem for problem in bench.problems if problem.outcome == "raised"]
    assert "out of order" in raised[0].message
    bench.broken = set()
    bench.tick_at(kst(2026, 3, 8, 0, 35))
    assert ("daily", kst(2026, 3, 8, 0, 5), True) in bench.ran


def test_a_run_that_never_ends_is_given_up_as_failed_with_one_alert(bench):
    bench.broken = {"daily"}
    bench.tick_at(kst(2026, 3, 3, 0, 5))
    bench.tick_at(kst(2026, 3, 4, 12, 5))
    bench.tick_at(kst(2026, 3, 4, 12, 10))
    (failed,) = [problem for problem in bench.problems if problem.outcome == "failed"]
    assert failed.scheduled_for == (kst(2026, 3, 3, 0, 5),)
    assert "out of order" in failed.message


def test_the_monitor_runs_every_five_minutes_and_not_twice_in_them(bench):
    start = bench.clock.now()
    for minute in range(1, 11):
        bench.tick_at(start + minute * MINUTE)
    assert [at - start for job, at, _ in bench.ran if job == "monitor"] == [0 * MINUTE, 5 * MINUTE, 10 * MINUTE]


def test_the_monitor_goes_on_while_a_cycle_runs(bench):
    bench.scheduler._cycles.acquire()
    bench.tick_at(kst(2026, 3, 3, 0, 5))
    assert bench.cycles() == []
    assert bench.ran[-1][0] == "monitor"


def test_next_due_tells_the_next_time_and_job(bench):
    assert bench.scheduler.next_due(kst(2026, 3, 2, 23, 58)) == (kst(2026, 3, 3, 0, 0), "monitor")
    del bench.scheduler._jobs["monitor"]
    assert bench.scheduler.next_due(kst(2026, 3, 7, 0, 5)) == (kst(2026, 3, 8, 0, 5), "daily")
    assert bench.scheduler.next_due(kst(2026, 3, 8, 0, 5)) == (kst(2026, 3, 8, 0, 30), "weekly")


def test_the_ticking_schedule_names_korean_times_and_sunday(bench):
    ticking = bench.scheduler.setup_schedule()
    fields = {
        job.id: {field.name: str(field) for field in job.trigger.fields if not field.is_default}
        for job in ticking.get_jobs()
        if job.id != "monitor"
    }
    assert fields["daily"] == {"hour": "0", "minute": "5"}
    assert fields["weekly"] == {"day_of_week": "sun", "hour": "0", "minute": "30"}
    assert {str(job.trigger.timezone) for job in ticking.get_jobs()} == {"Asia/Seoul"}
    assert ticking.get_job("monitor").trigger.interval == timedelta(minutes=5)


def test_the_ticking_schedule_ticks_as_soon_as_it_is_started(store):
    ticked = threading.Event()
    works = {"monitor": lambda due_at, late: ticked.set()}
    scheduler = FeedbackScheduler(VirtualClock(kst(2026, 3, 2, 12, 0)), ScheduleSettings(), store, works, print)
    ticking = scheduler.setup_schedule()
    ticking.start()
    try:
        assert ticked.wait(timeout=10)
    finally:
        ticking.shutdown()
