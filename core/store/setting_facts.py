"""Facts about this installation that must outlive a process: a name and a value."""

from datetime import datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy import select, update

from core.errors import Corrupt
from core.store.once import insert_new
from core.store.session import Session
from core.store.work_tables import setting_fact as table

T = TypeVar("T")


def put(session: Session, name: str, value: Any, at: datetime) -> None:
    """Keep `value` under `name` in place of what was there. Never for secrets."""
    if not insert_new(session, table, {"name": name, "value": value, "at": at}):
        session.execute(update(table).where(table.c.name == name).values(value=value, at=at))


def get(session: Session, name: str, kind: type[T]) -> T | None:
    """Return the value of type `kind`, or None. Raises Corrupt when another type is stored."""
    stored = session.execute(select(table.c.value).where(table.c.name == name)).scalar_one_or_none()
    try:
        return None if stored is None else msgspec.convert(stored, kind)
    except msgspec.ValidationError as error:
        raise Corrupt(f"the stored fact '{name}' is no {kind.__name__}: {error}", "Restore a backup") from error
