"""Runs of scheduled jobs and their finished steps: the memory that lets a killed run go on where it was.

One row per (job, scheduled_for), whatever happens. A run is `open` until it is `finished`; one that was too old to
begin is `skipped`, one that never came to its end in time is `failed`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import insert, select, update

from core.clock import require_utc
from core.errors import Conflict, UnknownName
from core.model.canonical import sha256_of, short_id
from core.store.once import fields_of, insert_new
from core.store.session import Session
from core.store.work_tables import job_run, job_step

RunState = Literal["open", "finished", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class JobRun:
    """One run of one job for one due time."""

    run_id: str
    job: str
    scheduled_for: datetime
    state: RunState
    lease_owner: str | None
    fencing_token: int
    lease_until: datetime | None
    created_at: datetime
    finished_at: datetime | None
    late: bool
    attempts: int
    """How often somebody began or took it up."""
    retry_at: datetime | None
    """Not before this time, after a failed attempt."""
    error: str
    """What went wrong last, in words."""


def claim(
    session: Session,
    job: str,
    scheduled_for: datetime,
    owner: str,
    now: datetime,
    ttl: timedelta,
    late: bool = False,
    take_over: bool = False,
) -> JobRun | None:
    """Return the run, leased to `owner`; None when it has ended, is leased, or waits for its next attempt.

    `take_over` says that every other owner is known to be dead. A run leased to `owner` itself is being worked on.
    """
    _insert(session, job, scheduled_for, "open", now, late)
    run = _locked(session, run_id_of(job, scheduled_for))
    leased = run.lease_until is not None and run.lease_until > now
    stealable = take_over and run.lease_owner != owner
    waits = run.retry_at is not None and run.retry_at > now
    if run.state != "open" or waits or (leased and not stealable):
        return None
    changes = {"lease_owner": owner, "lease_until": now + ttl, "retry_at": None}
    numbers = {"fencing_token": run.fencing_token + 1, "attempts": run.attempts + 1}
    session.execute(update(job_run).where(job_run.c.run_id == run.run_id).values(**changes, **numbers))
    return get(session, run.run_id)


def check(session: Session, run_id: str, token: int) -> JobRun:
    """Hold the run's row until commit and return it. Raises Conflict when `token` is stale or the run has ended."""
    run = _locked(session, run_id)
    if run.fencing_token != token or run.state != "open":
        raise Conflict(
            f"{run.job} for {run.scheduled_for.isoformat()} is {run.state} with {run.lease_owner or 'nobody'};"
            f" fencing token {token} is stale",
            "Nothing was written; the newer owner goes on",
        )
    return run


def renew(session: Session, run_id: str, token: int, now: datetime, ttl: timedelta) -> None:
    """Prolong the lease of a run. Raises Conflict when `token` is stale."""
    check(session, run_id, token)
    session.execute(update(job_run).where(job_run.c.run_id == run_id).values(lease_until=now + ttl))


def step_outputs(session: Session, run_id: str) -> dict[str, str]:
    """Return the output of every finished step of a run by its name."""
    rows = session.execute(select(job_step.c.step, job_step.c.output).where(job_step.c.run_id == run_id))
    return {row.step: row.output for row in rows}


def record_step(session: Session, run_id: str, step: str, inputs: list[str], output: str, at: datetime) -> None:
    """Mark a step as done. `inputs` are the outputs of the steps before it, kept as a hash for tracing."""
    row = {"run_id": run_id, "step": step, "input_sha256": sha256_of(inputs), "output": output, "done_at": at}
    session.execute(insert(job_step).values(**row))


def finish(session: Session, run_id: str, token: int, now: datetime) -> None:
    """End a run. Raises Conflict when `token` is stale."""
    check(session, run_id, token)
    values = {"state": "finished", "finished_at": now, "lease_until": None, "error": ""}
    session.execute(update(job_run).where(job_run.c.run_id == run_id).values(**values))


def postpone(session: Session, run_id: str, token: int, retry_at: datetime, error: str) -> None:
    """Give a run back after a failed attempt; nobody takes it up before `retry_at`. Raises Conflict when stale."""
    check(session, run_id, token)
    values = {"lease_owner": None, "lease_until": None, "retry_at": retry_at, "error": error}
    session.execute(update(job_run).where(job_run.c.run_id == run_id).values(**values))


def give_up(session: Session, job: str, scheduled_for: datetime, now: datetime) -> JobRun | None:
    """End a run that is too old: `skipped` when it never began, else `failed`. None while leased or ended before."""
    if _insert(session, job, scheduled_for, "skipped", now, late=True):
        return get(session, run_id_of(job, scheduled_for))
    run = _locked(session, run_id_of(job, scheduled_for))
    if run.state != "open" or (run.lease_until is not None and run.lease_until > now):
        return None
    values = {"state": "failed", "finished_at": now, "fencing_token": run.fencing_token + 1, "lease_until": None}
    session.execute(update(job_run).where(job_run.c.run_id == run.run_id).values(**values))
    return get(session, run.run_id)


def run_id_of(job: str, scheduled_for: datetime) -> str:
    """Return the id of the one run of a job for a due time."""
    return short_id("run", job, require_utc(scheduled_for).isoformat())


def get(session: Session, run_id: str) -> JobRun:
    """Return a run. Raises UnknownName."""
    row = session.execute(select(job_run).where(job_run.c.run_id == run_id)).one_or_none()
    if row is None:
        raise UnknownName(f"no run '{run_id}' is stored")
    return fields_of(row, JobRun)


def ended_since(session: Session, job: str, since: datetime) -> set[datetime]:
    """Return the due times from `since` on whose runs have ended, in whatever way."""
    query = select(job_run.c.scheduled_for).where(job_run.c.job == job, job_run.c.state != "open")
    return set(session.execute(query.where(job_run.c.scheduled_for >= since)).scalars())


def latest(session: Session, limit: int, job: str | None = None) -> list[JobRun]:
    """Return up to `limit` runs, latest due time first, of one job when given."""
    query = select(job_run).order_by(job_run.c.scheduled_for.desc(), job_run.c.job).limit(limit)
    if job is not None:
        query = query.where(job_run.c.job == job)
    return [fields_of(row, JobRun) for row in session.execute(query)]


def _insert(session: Session, job: str, scheduled_for: datetime, state: RunState, now: datetime, late: bool) -> bool:
    row = {
        "run_id": run_id_of(job, scheduled_for),
        "job": job,
        "scheduled_for": scheduled_for,
        "state": state,
        "fencing_token": 0,
        "created_at": now,
        "finished_at": None if state == "open" else now,
        "late": late,
        "attempts": 0,
        "error": "",
    }
    return insert_new(session, job_run, row)


def _locked(session: Session, run_id: str) -> JobRun:
    row = session.execute(select(job_run).where(job_run.c.run_id == run_id).with_for_update()).one()
    return fields_of(row, JobRun)
