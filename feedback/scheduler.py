"""When the cycles run. APScheduler only ticks; which run is due is read from the database at every tick.

So nothing depends on a tick coming in time, once, or from one process only: a due time without an ended run is due.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from core.clock import KST, Clock, kst_day
from core.log import get_logger, redact_text
from core.settings_sections import ScheduleSettings
from core.store import Session, Store, jobs, setting_facts

DAILY, WEEKLY, MONITOR = "daily", "weekly", "monitor"
LATE_AFTER = timedelta(minutes=10)
FIRST_TICK_FACT = "scheduler.first_tick_at"
"""Due times before this installation's first tick are not missed runs."""
_SUNDAY = 6

_log = get_logger("feedback.scheduler")


@dataclass(frozen=True, slots=True)
class JobProblem:
    """Something about a scheduled job that a person should know."""

    job: str
    outcome: Literal["skipped", "failed", "raised"]
    """Never begun in time, never finished in time, or one attempt went wrong."""
    scheduled_for: tuple[datetime, ...]
    message: str
    action: str


class FeedbackScheduler:
    """Runs `jobs` ("daily", "weekly", "monitor") with their due time and whether they are late.

    `on_problem` writes an alert in the transaction it is given.
    """

    def __init__(
        self,
        clock: Clock,
        schedule: ScheduleSettings,
        store: Store,
        jobs: Mapping[str, Callable[[datetime, bool], object]],
        on_problem: Callable[[Session, JobProblem], None],
    ) -> None:
        self._clock = clock
        self._schedule = schedule
        self._store = store
        self._jobs = jobs
        self._on_problem = on_problem
        self._cycles = threading.Lock()
        self._monitored: datetime | None = None

    def setup_schedule(self) -> BackgroundScheduler:
        """Return the ticking scheduler, not started: daily and weekly times in KST, and the monitor's interval."""
        ticking = BackgroundScheduler(timezone=KST)
        daily, weekly = self._schedule.daily_at, self._schedule.weekly_at
        triggers = {
            DAILY: CronTrigger(hour=daily.hour, minute=daily.minute, timezone=KST),
            WEEKLY: CronTrigger(day_of_week="sun", hour=weekly.hour, minute=weekly.minute, timezone=KST),
            MONITOR: IntervalTrigger(minutes=self._schedule.monitor_minutes, timezone=KST),
        }
        for name, trigger in triggers.items():
            # Two instances: while one tick is inside a long cycle, the next still runs the monitor.
            ticking.add_job(self.tick, trigger, id=name, max_instances=2, coalesce=True, misfire_grace_time=None)
        ticking.modify_job(MONITOR, next_run_time=self._clock.now())
        return ticking

    def tick(self) -> None:
        """Run the monitor when its interval has passed, then every due cycle, oldest first, and return when done."""
        now = self._clock.now()
        self._run_monitor(now)
        if not self._cycles.acquire(blocking=False):
            return
        try:
            for due_at, job in self._due(now):
                _log.info("cycle_due", job=job, scheduled_for=due_at.isoformat())
                self._run(job, due_at, now - due_at > LATE_AFTER)
        finally:
            self._cycles.release()

    def next_due(self, after: datetime) -> tuple[datetime, str]:
        """Return the first due time later than `after` and its job, of the jobs that this scheduler has."""
        soon = after + timedelta(microseconds=1)
        upcoming = [(next(self._due_times(job, soon, soon + timedelta(days=8))), job) for job, _ in self._windows()]
        if MONITOR in self._jobs:
            upcoming.append((self._monitor_slot(after) + self._monitor_interval, MONITOR))
        return min(upcoming, key=lambda due: due[0])

    def _windows(self) -> list[tuple[str, timedelta]]:
        windows = {
            DAILY: timedelta(hours=self._schedule.daily_catch_up_hours),
            WEEKLY: timedelta(days=self._schedule.weekly_catch_up_days),
        }
        return [(job, window) for job, window in windows.items() if job in self._jobs]

    def _due_times(self, job: str, start_at: datetime, end_at: datetime) -> Iterator[datetime]:
        """Yield the due times of a job from `start_at` to `end_at`, both inclusive."""
        time_of_day = self._schedule.daily_at if job == DAILY else self._schedule.weekly_at
        on = kst_day(start_at)
        while on <= kst_day(end_at):
            at = datetime.combine(on, time_of_day, KST).astimezone(UTC)
            if start_at <= at <= end_at and (job == DAILY or on.weekday() == _SUNDAY):
                yield at
            on += timedelta(days=1)

    def _due(self, now: datetime) -> list[tuple[datetime, str]]:
        """Return what is to be run, oldest first, after recording what is too old to be run."""
        due = []
        with self._store.session() as session:
            first = self._first_tick_at(session, now)
            for job, window in self._windows():
                ended = jobs.ended_since(session, job, first)
                unsettled = [at for at in self._due_times(job, first, now) if at not in ended]
                self._give_up(session, job, [at for at in unsettled if at < now - window], now)
                due += [(at, job) for at in unsettled if at >= now - window]
        return sorted(due)

    def _first_tick_at(self, session: Session, now: datetime) -> datetime:
        first = setting_facts.get(session, FIRST_TICK_FACT, datetime)
        if first is None:
            setting_facts.put(session, FIRST_TICK_FACT, now, now)
        return first or now

    def _give_up(self, session: Session, job: str, too_old: list[datetime], now: datetime) -> None:
        """Record what fell out of the catch-up window, with one alert for each outcome."""
        ended = [run for at in too_old if (run := jobs.give_up(session, job, at, now))]
        for outcome in ("skipped", "failed"):
            if runs := [run for run in ended if run.state == outcome]:
                self._on_problem(session, _fallen_out(job, outcome, runs))

    def _run(self, job: str, due_at: datetime, late: bool) -> None:
        try:
            self._jobs[job](due_at, late)
        except Exception as error:
            # One broken job must not keep the others from running; its run waits for its next attempt.
            _log.exception("job_raised", job=job, scheduled_for=due_at.isoformat())
            message = redact_text(f"{job} for {_kst(due_at)} stopped: {type(error).__name__}: {error}")
            problem = JobProblem(job, "raised", (due_at,), message, "It is tried again by itself; see the log")
            with self._store.session() as session:
                self._on_problem(session, problem)

    def _run_monitor(self, now: datetime) -> None:
        slot = self._monitor_slot(now)
        if MONITOR in self._jobs and slot != self._monitored:
            self._monitored = slot
            self._run(MONITOR, slot, False)

    @property
    def _monitor_interval(self) -> timedelta:
        return timedelta(minutes=self._schedule.monitor_minutes)

    def _monitor_slot(self, at: datetime) -> datetime:
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        return epoch + (at - epoch) // self._monitor_interval * self._monitor_interval


def _fallen_out(job: str, outcome: Literal["skipped", "failed"], runs: list[jobs.JobRun]) -> JobProblem:
    due = tuple(run.scheduled_for for run in runs)
    days = ", ".join(_kst(at) for at in due[:5]) + (f" and {len(due) - 5} more" if len(due) > 5 else "")
    if outcome == "skipped":
        why, action = (
            "was not begun in time, the worker was not running",
            "Keep the worker running; days stay unstudied",
        )
    else:
        why, action = f"was never finished: {runs[-1].error or 'killed every time'}", "See the log; remove the cause"
    return JobProblem(job, outcome, due, f"{job} for {days} {why}", action)


def _kst(at: datetime) -> str:
    return at.astimezone(KST).strftime("%Y-%m-%d %H:%M KST")
