"""Written reports, one per kind, day and language."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from sqlalchemy import Select, select

from core.errors import Conflict
from core.model.operations import Report
from core.store.once import fields_of, insert_new
from core.store.session import Session
from core.store.tables import report as table


def add(session: Session, report: Report) -> bool:
    """Keep a report; False when it is kept already. Raises Conflict when kind, day and language have another."""
    if insert_new(session, table, asdict(report)):
        return True
    stored = get(session, report.kind, report.on, report.language)
    if stored is not None and stored.sha256 == report.sha256:
        return False
    raise Conflict(f"the {report.kind} report of {report.on} in '{report.language}' exists with other content")


def get(session: Session, kind: str, on: date, language: str) -> Report | None:
    """Return the report of a kind, day and language, or None."""
    return _first(session, select(table).where(table.c.kind == kind, table.c.on == on, table.c.language == language))


def latest(session: Session, kind: str, language: str) -> Report | None:
    """Return the report of the newest day, or None."""
    query = select(table).where(table.c.kind == kind, table.c.language == language)
    return _first(session, query.order_by(table.c.on.desc()))


def list(session: Session, limit: int) -> Sequence[Report]:
    """Return up to `limit` reports, newest day first."""
    query = select(table).order_by(table.c.on.desc(), table.c.kind, table.c.language).limit(limit)
    return [fields_of(row, Report) for row in session.execute(query)]


def _first(session: Session, query: Select[Any]) -> Report | None:
    row = session.execute(query.limit(1)).first()
    return None if row is None else fields_of(row, Report)
