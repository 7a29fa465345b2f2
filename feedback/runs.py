"""Durable runs: a killed job goes on where it was, and no step has its effect twice.

A step computes outside any transaction and saves inside one, together with the note that it is done. So a kill leaves
either nothing of the step or all of it. Whoever lost the run's lease without noticing holds a stale fencing token and
is refused in that same transaction.
"""

import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from core.clock import Clock
from core.errors import Conflict, StoreUnavailable
from core.log import get_logger, redact_text
from core.store import Session, Store, jobs

T = TypeVar("T")

RUN_LEASE = timedelta(seconds=60)
RENEW_EVERY_S = 20.0
FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=1)

_log = get_logger("feedback.runs")


def owner_name(role: str) -> str:
    """Return `<role>:<process id>:<8 random hex>`: no two processes share it, even where process ids repeat."""
    return f"{role}:{os.getpid()}:{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class RunLedger:
    """Opens runs for one owner. `take_over` says that no other owner lives, which the worker lease proves."""

    store: Store
    clock: Clock
    owner: str
    crash: Callable[[str], None]
    take_over: bool = False

    def open_run(self, job: str, scheduled_for: datetime, late: bool = False) -> "Run | None":
        """Return the run to work on, or None when it has ended, another live owner has it, or it waits for a retry."""
        now = self.clock.now()
        with self.store.session() as session:
            row = jobs.claim(session, job, scheduled_for, self.owner, now, RUN_LEASE, late, self.take_over)
            if row is None:
                return None
            return Run(self.store, self.clock, self.crash, row, jobs.step_outputs(session, row.run_id))


@dataclass(frozen=True, slots=True)
class Run:
    """One run in one thread's hands."""

    store: Store
    clock: Clock
    crash: Callable[[str], None]
    row: jobs.JobRun
    done: dict[str, str]
    """Outputs of the finished steps, by name."""
    passed: list[str] = field(default_factory=list)
    """Outputs of the steps this run went through so far, in order."""

    def step(self, name: str, compute: Callable[[], T], save: Callable[[Session, T], str]) -> str:
        """Return the step's output: the stored one when it was done before, else that of `save(session, compute())`.

        `compute` may be slow and holds no transaction; it must be pure or durable itself. All effects belong in `save`.
        Whatever they raise passes on, and the run waits for its next attempt. Raises Conflict when the lease is lost.
        """
        if name not in self.done:
            try:
                self.crash(f"{self.row.job}.{name}:before")
                with self._kept_alive():
                    value = compute()
                self.done[name] = self._commit(name, value, save)
            except Exception as error:
                self._postpone(name, error)
                raise
            self.crash(f"{self.row.job}.{name}:after_commit")
        self.passed.append(self.done[name])
        return self.done[name]

    def finish(self) -> None:
        """End the run. Raises Conflict when the lease is lost."""
        with self.store.session() as session:
            jobs.finish(session, self.row.run_id, self.row.fencing_token, self.clock.now())

    def _commit(self, name: str, value: T, save: Callable[[Session, T], str]) -> str:
        with self.store.session() as session:
            jobs.renew(session, self.row.run_id, self.row.fencing_token, self.clock.now(), RUN_LEASE)
            output = save(session, value)
            jobs.record_step(session, self.row.run_id, name, self.passed, output, self.clock.now())
            self.crash(f"{self.row.job}.{name}:after_effect")
        return output

    def _postpone(self, name: str, error: Exception) -> None:
        wait = min(FIRST_RETRY * 2 ** min(self.row.attempts - 1, 10), LONGEST_RETRY)
        reason = redact_text(f"step {name}: {type(error).__name__}: {error}")
        try:
            with self.store.session() as session:
                retry_at = self.clock.now() + wait
                jobs.postpone(session, self.row.run_id, self.row.fencing_token, retry_at, reason)
        except (Conflict, StoreUnavailable) as failure:
            # The step's own error is the one to raise; without the note the lease runs out by itself.
            _log.warning("run_not_postponed", run_id=self.row.run_id, reason=reason, error=str(failure))

    @contextmanager
    def _kept_alive(self) -> Iterator[None]:
        """Renew the lease while a slow computation holds no transaction; a stopped process renews nothing."""
        ended = threading.Event()
        keeper = threading.Thread(target=self._renew_until, args=(ended,), name=f"lease-{self.row.job}", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            ended.set()
            keeper.join()

    def _renew_until(self, ended: threading.Event) -> None:
        # Waits in real seconds, because it is real computing that takes long; the lease itself counts on the clock.
        while not ended.wait(RENEW_EVERY_S):
            try:
                with self.store.session() as session:
                    jobs.renew(session, self.row.run_id, self.row.fencing_token, self.clock.now(), RUN_LEASE)
            except Conflict as error:
                _log.error("run_lost", run_id=self.row.run_id, error=str(error))
                return
            except StoreUnavailable as error:
                _log.warning("lease_not_renewed", run_id=self.row.run_id, error=str(error))
