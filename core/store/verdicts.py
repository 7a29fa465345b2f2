"""Verdicts. The sealed stage's numbers are for people: nothing that builds a dataset or a prompt reads this table."""

import msgspec
from sqlalchemy import select

from core.errors import UnknownName
from core.model.proposal import Verdict
from core.store.once import insert_once
from core.store.session import Session
from core.store.tables import verdict as table


def add(session: Session, verdict: Verdict) -> bool:
    """Return True when stored, False when it was there. Raises Conflict for another verdict under the same id."""
    return insert_once(
        session,
        table,
        {
            "verdict_id": verdict.verdict_id,
            "proposal_id": verdict.proposal_id,
            "stage": verdict.stage,
            "outcome": verdict.outcome,
            "detail": verdict,
            "decided_at": verdict.decided_at,
        },
    )


def find(session: Session, verdict_id: str) -> Verdict | None:
    """Return the verdict, or None."""
    detail = session.execute(select(table.c.detail).where(table.c.verdict_id == verdict_id)).scalar_one_or_none()
    return None if detail is None else msgspec.convert(detail, Verdict)


def get(session: Session, verdict_id: str) -> Verdict:
    """Return the verdict; an unknown id raises UnknownName."""
    found = find(session, verdict_id)
    if found is None:
        raise UnknownName(f"there is no verdict {verdict_id}")
    return found


def for_proposal(session: Session, proposal_id: str) -> list[Verdict]:
    """Return the verdicts on one proposal, oldest first."""
    query = select(table.c.detail).where(table.c.proposal_id == proposal_id).order_by(table.c.decided_at, table.c.stage)
    return [msgspec.convert(detail, Verdict) for detail in session.execute(query).scalars()]


def latest(session: Session, limit: int) -> list[Verdict]:
    """Return up to `limit` verdicts, newest first."""
    query = select(table.c.detail).order_by(table.c.decided_at.desc(), table.c.verdict_id).limit(limit)
    return [msgspec.convert(detail, Verdict) for detail in session.execute(query).scalars()]
