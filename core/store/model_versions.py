"""Versions of models and what became of them. At most one of a slot is active: a unique column sees to it."""

from typing import Any

from sqlalchemy import func, select, update

from core.errors import UnknownName
from core.model.models import ModelEvent, ModelVersion
from core.store.once import add_value, value_or_none, values_of
from core.store.session import Session
from core.store.work_tables import model_event
from core.store.work_tables import model_version as table


def add(session: Session, version: ModelVersion) -> bool:
    """Return True when stored, False when it was there. Raises Conflict for other content under the same id."""
    return add_value(session, table, version, _row(version))


def put(session: Session, version: ModelVersion) -> None:
    """Write the version's present state over the stored one; an unknown id raises UnknownName."""
    get(session, version.model_id)
    values = _row(version)
    session.execute(update(table).where(table.c.model_id == values.pop("model_id")).values(**values, detail=version))


def find(session: Session, model_id: str) -> ModelVersion | None:
    """Return the version, or None."""
    return value_or_none(session, select(table.c.detail).where(table.c.model_id == model_id), ModelVersion, table)


def get(session: Session, model_id: str) -> ModelVersion:
    """Return the version; an unknown id raises UnknownName."""
    found = find(session, model_id)
    if found is None:
        raise UnknownName(f"there is no model {model_id[:80]}", "List them with `xcrack models list`")
    return found


def active(session: Session, slot: str) -> ModelVersion | None:
    """Return the slot's active version, or None."""
    return value_or_none(session, select(table.c.detail).where(table.c.active_slot == slot), ModelVersion, table)


def former(session: Session, slot: str) -> ModelVersion | None:
    """Return the version that a rollback makes active: of those put aside with files, the one that served last."""
    served = []
    for version in of_slot(session, slot):
        if version.status in ("retired", "shadow") and version.has_files:
            times = [each.at for each in events(session, version.model_id) if each.after == "active"]
            served += [(max(times), version.model_id, version)] if times else []
    return max(served, key=lambda each: each[:2])[2] if served else None


def of_slot(session: Session, slot: str) -> list[ModelVersion]:
    """Return every version of a slot, newest first."""
    query = select(table.c.detail).where(table.c.slot == slot)
    return values_of(session, query.order_by(table.c.created_at.desc(), table.c.model_id), ModelVersion, table)


def latest(session: Session, limit: int) -> list[ModelVersion]:
    """Return up to `limit` versions of all slots, newest first."""
    query = select(table.c.detail).order_by(table.c.created_at.desc(), table.c.model_id).limit(limit)
    return values_of(session, query, ModelVersion, table)


def add_event(session: Session, event: ModelEvent) -> bool:
    """Keep an event; False when the same one is kept. Raises Conflict when its number is another's."""
    return add_value(session, model_event, event, {"model_id": event.model_id, "number": event.number})


def events(session: Session, model_id: str) -> list[ModelEvent]:
    """Return the events of a model, oldest first."""
    query = select(model_event.c.detail).where(model_event.c.model_id == model_id).order_by(model_event.c.number)
    return values_of(session, query, ModelEvent, model_event)


def next_number(session: Session, model_id: str) -> int:
    """Return the number of the model's next event."""
    last = session.execute(select(func.max(model_event.c.number)).where(model_event.c.model_id == model_id)).scalar()
    return int(last or 0) + 1


def _row(version: ModelVersion) -> dict[str, Any]:
    return {
        "model_id": version.model_id,
        "slot": version.slot,
        "status": version.status,
        "active_slot": version.slot if version.status == "active" else None,
        "created_at": version.created_at,
    }
