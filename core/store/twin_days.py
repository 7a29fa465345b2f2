"""Days of live instances beside their do-nothing twins, for people: no dataset and no prompt reads this table."""

from datetime import date

from sqlalchemy import func, select

from core.model.scorecard import TwinDay
from core.store.once import add_value, values_of
from core.store.session import Session
from core.store.tables import twin_day as table


def add(session: Session, day: TwinDay) -> bool:
    """Return True when stored, False when it was there. Raises Conflict for other content of the same day."""
    return add_value(session, table, day, {"instance_id": day.instance_id, "on": day.on})


def all_of(session: Session) -> list[TwinDay]:
    """Return every day, oldest first."""
    return values_of(session, select(table.c.detail).order_by(table.c.on, table.c.instance_id), TwinDay, table)


def last_on(session: Session, instance_id: str) -> date | None:
    """Return the newest day of an instance, or None."""
    return session.execute(select(func.max(table.c.on)).where(table.c.instance_id == instance_id)).scalar_one_or_none()
