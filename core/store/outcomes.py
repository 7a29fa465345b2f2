"""How often things went well lately, counted over several tables for the monitor."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Table, func, select

from core.store.session import Session
from core.store.tables import bridge_outbound, dead_letter, llm_call, quarantine
from core.store.work_tables import job_run


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What went well and what failed for one subject: `jobs`, `frames` or `llm`."""

    subject: str
    n_ok: int
    n_failed: int

    @property
    def n(self) -> int:
        """All attempts that have ended."""
        return self.n_ok + self.n_failed

    @property
    def success_pct(self) -> float | None:
        """Share that went well in percent; None without attempts."""
        return 100 * self.n_ok / self.n if self.n else None


def since(session: Session, at: datetime) -> tuple[Outcomes, ...]:
    """Return the outcomes of jobs, bridge frames and LLM calls from `at` on."""
    job, llm = job_run.c, llm_call.c
    return (
        Outcomes(
            "jobs",
            _count(session, job_run, (job.finished_at >= at) & (job.state == "finished")),
            _count(session, job_run, (job.finished_at >= at) & (job.state == "failed")),
        ),
        Outcomes(
            "frames",
            _count(session, bridge_outbound, bridge_outbound.c.acked_at >= at),
            _count(session, dead_letter, dead_letter.c.at >= at),
        ),
        Outcomes(
            "llm",
            _count(session, llm_call, (llm.started_at >= at) & (llm.status == "ok")),
            _count(session, llm_call, (llm.started_at >= at) & llm.status.not_in(("ok", "reserved"))),
        ),
    )


def n_errors_since(session: Session, at: datetime) -> int:
    """Return how many jobs failed, and messages, rows and LLM calls were refused, from `at` on."""
    failed = sum(outcome.n_failed for outcome in since(session, at))
    return failed + _count(session, quarantine, quarantine.c.at >= at)


def _count(session: Session, table: Table, condition: ColumnElement[bool]) -> int:
    return session.execute(select(func.count()).select_from(table).where(condition)).scalar_one()
