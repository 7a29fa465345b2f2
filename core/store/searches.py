"""Weekly searches, one an instance and week."""

from datetime import date

from sqlalchemy import select

from core.model.search import WeeklySearch
from core.store.once import add_value, values_of
from core.store.session import Session
from core.store.tables import weekly_search as table


def add(session: Session, search: WeeklySearch) -> bool:
    """Return True when stored, False when it was there. Raises Conflict for another search under the same id."""
    columns = {"search_id": search.search_id, "on": search.on, "instance_id": search.instance_id}
    return add_value(session, table, search, columns)


def of_week(session: Session, on: date) -> list[WeeklySearch]:
    """Return the searches of the week that ends with a KST day, by instance."""
    query = select(table.c.detail).where(table.c.on == on).order_by(table.c.instance_id)
    return values_of(session, query, WeeklySearch, table)
