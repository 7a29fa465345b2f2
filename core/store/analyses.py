"""Analyses by id, task and day."""

from dataclasses import replace
from datetime import date

from sqlalchemy import select

from core.errors import UnknownName
from core.model.analysis import Analysis
from core.store.once import add_value, value_or_none, values_of
from core.store.session import Session
from core.store.tables import analysis


def add(session: Session, value: Analysis) -> bool:
    """Store the analysis; return False when it is there, made at whatever time. Raises Conflict on other content."""
    known = find(session, value.analysis_id)
    if known is not None and replace(known, created_at=value.created_at) == value:
        return False
    columns = {
        "analysis_id": value.analysis_id,
        "task": value.task,
        "on": value.on,
        "source": value.source,
        "created_at": value.created_at,
    }
    return add_value(session, analysis, value, columns)


def get(session: Session, analysis_id: str) -> Analysis:
    """Return the analysis; raises UnknownName."""
    value = find(session, analysis_id)
    if value is None:
        raise UnknownName(f"no analysis has the id '{analysis_id[:80]}'")
    return value


def find(session: Session, analysis_id: str) -> Analysis | None:
    """Return the analysis, or None."""
    query = select(analysis.c.detail).where(analysis.c.analysis_id == analysis_id)
    return value_or_none(session, query, Analysis, analysis)


def latest(session: Session, task: str | None = None, limit: int = 20) -> list[Analysis]:
    """Return the newest analyses first, of one task where it is given."""
    query = select(analysis.c.detail).order_by(analysis.c.created_at.desc(), analysis.c.analysis_id.desc())
    if task is not None:
        query = query.where(analysis.c.task == task)
    return values_of(session, query.limit(limit), Analysis, analysis)


def for_day(session: Session, on: date, task: str) -> Analysis | None:
    """Return the newest analysis of that task about that KST day, or None."""
    query = (
        select(analysis.c.detail)
        .where((analysis.c.on == on) & (analysis.c.task == task))
        .order_by(analysis.c.created_at.desc(), analysis.c.analysis_id.desc())
    )
    return value_or_none(session, query, Analysis, analysis)
