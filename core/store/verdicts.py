"""Verdicts. The sealed stage's numbers are for people: nothing that builds a dataset or a prompt reads this table."""

from sqlalchemy import select

from core.errors import UnknownName
from core.model.proposal import Stage, Verdict
from core.store.once import add_value, value_or_none, values_of
from core.store.session import Session
from core.store.tables import verdict as table


def add(session: Session, verdict: Verdict) -> bool:
    """Return True when stored, False when it was there. Raises Conflict for another verdict under the same id."""
    columns = {
        "verdict_id": verdict.verdict_id,
        "proposal_id": verdict.proposal_id,
        "stage": verdict.stage,
        "outcome": verdict.outcome,
        "decided_at": verdict.decided_at,
    }
    return add_value(session, table, verdict, columns)


def find(session: Session, verdict_id: str) -> Verdict | None:
    """Return the verdict, or None."""
    return value_or_none(session, select(table.c.detail).where(table.c.verdict_id == verdict_id), Verdict, table)


def get(session: Session, verdict_id: str) -> Verdict:
    """Return the verdict; an unknown id raises UnknownName."""
    found = find(session, verdict_id)
    if found is None:
        raise UnknownName(f"there is no verdict {verdict_id}")
    return found


def for_proposal(session: Session, proposal_id: str) -> list[Verdict]:
    """Return the verdicts on one proposal, oldest first."""
    query = select(table.c.detail).where(table.c.proposal_id == proposal_id).order_by(table.c.decided_at, table.c.stage)
    return values_of(session, query, Verdict, table)


def latest(session: Session, limit: int) -> list[Verdict]:
    """Return up to `limit` verdicts, newest first."""
    query = select(table.c.detail).order_by(table.c.decided_at.desc(), table.c.verdict_id).limit(limit)
    return values_of(session, query, Verdict, table)


def last_stage(session: Session, proposal_id: str) -> str | None:
    """Return the name of the stage that decided last on a proposal, or None. No number of the verdict is read."""
    query = select(table.c.stage).where(table.c.proposal_id == proposal_id)
    return session.execute(query.order_by(table.c.decided_at.desc(), table.c.stage.desc()).limit(1)).scalar()


def outcomes(session: Session, stage: Stage) -> dict[str, str]:
    """Return by proposal what a stage decided. No number of any verdict is read."""
    query = select(table.c.proposal_id, table.c.outcome).where(table.c.stage == stage)
    return {row.proposal_id: row.outcome for row in session.execute(query)}
