"""How many pattern rules changed in each weekly run."""

from sqlalchemy import select

from core.model.analysis import PatternWeek
from core.store.once import add_value, values_of
from core.store.session import Session
from core.store.tables import pattern_week as table


def add(session: Session, week: PatternWeek) -> bool:
    """Return True when stored, False when it was there. Raises Conflict for other counts of the same week."""
    return add_value(session, table, week, {"week_on": week.week_on})


def latest(session: Session, limit: int) -> list[PatternWeek]:
    """Return up to `limit` weeks, newest first."""
    return values_of(session, select(table.c.detail).order_by(table.c.week_on.desc()).limit(limit), PatternWeek, table)
