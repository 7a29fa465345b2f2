"""What each engine last said of itself."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from core.model.operations import EngineState
from core.store.once import fields_of, insert_new
from core.store.session import Session
from core.store.tables import engine_state as table


def put(
    session: Session, engine_id: str, state: str, at: datetime, heard_at: datetime, detail: Mapping[str, Any]
) -> None:
    """Keep the newest word of an engine; `at` is market time, `heard_at` the worker's clock."""
    columns = {"engine_id": engine_id, "state": state, "at": at, "heard_at": heard_at, "detail": dict(detail)}
    if not insert_new(session, table, columns):
        session.execute(update(table).where(table.c.engine_id == engine_id).values(columns))


def note_heard(session: Session, engine_id: str, heard_at: datetime, detail: Mapping[str, Any]) -> None:
    """Keep when an engine was heard and what is known beside its state, which only its own messages change."""
    known = update(table).where(table.c.engine_id == engine_id)
    session.execute(known.values(heard_at=heard_at, detail=dict(detail)))


def latest(session: Session) -> EngineState | None:
    """Return the state of the engine heard last, or None before the first."""
    row = session.execute(select(table).order_by(table.c.heard_at.desc(), table.c.engine_id).limit(1)).first()
    return None if row is None else fields_of(row, EngineState)
