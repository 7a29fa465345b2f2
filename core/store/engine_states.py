"""What each engine last said of itself."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from core.model.operations import EngineState
from core.store.once import fields_of, is_changed
from core.store.session import Session
from core.store.tables import engine_state as table

_HEARD_LAST = select(table.c.engine_id).order_by(table.c.heard_at.desc(), table.c.engine_id).limit(1)
# Asked with every grant of time, and built once: putting a statement together takes longer than carrying it out.
_NOTE_REACHED = (
    update(table)
    .where(table.c.engine_id == _HEARD_LAST.scalar_subquery())
    .values(at=bindparam("reached"), heard_at=bindparam("now"))
)


def put(
    session: Session, engine_id: str, state: str, at: datetime, heard_at: datetime, detail: Mapping[str, Any]
) -> None:
    """Keep the newest word of an engine; `at` is market time, `heard_at` the worker's clock."""
    columns = {"engine_id": engine_id, "state": state, "at": at, "heard_at": heard_at, "detail": dict(detail)}
    if not is_changed(session, update(table).where(table.c.engine_id == engine_id).values(columns), {}):
        session.execute(insert(table).values(columns))


def note_reached(session: Session, at: datetime, heard_at: datetime) -> None:
    """Keep how far in market time the engine heard last is, and that it was heard; nothing before the first."""
    session.execute(_NOTE_REACHED, {"reached": at, "now": heard_at})


def note_heard(session: Session, engine_id: str, heard_at: datetime, detail: Mapping[str, Any]) -> None:
    """Keep when an engine was heard and what is known beside its state, which only its own messages change."""
    known = update(table).where(table.c.engine_id == engine_id)
    session.execute(known.values(heard_at=heard_at, detail=dict(detail)))


def latest(session: Session) -> EngineState | None:
    """Return the state of the engine heard last, or None before the first."""
    row = session.execute(select(table).order_by(table.c.heard_at.desc(), table.c.engine_id).limit(1)).first()
    return None if row is None else fields_of(row, EngineState)
