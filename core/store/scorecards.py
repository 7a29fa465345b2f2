"""Scorecards, one for each KST day that a daily cycle studied. People read them; no dataset and no prompt does."""

from datetime import date

from sqlalchemy import select

from core.model.scorecard import Scorecard
from core.store.once import add_value, value_or_none
from core.store.session import Session
from core.store.tables import scorecard as table


def add(session: Session, on: date, card: Scorecard) -> bool:
    """Return True when stored, False when it was there. Raises Conflict for another card of the same day."""
    return add_value(session, table, card, {"on": on})


def latest(session: Session) -> Scorecard | None:
    """Return the newest card, or None before the first daily cycle."""
    return value_or_none(session, select(table.c.detail).order_by(table.c.on.desc()), Scorecard, table)


def for_day(session: Session, on: date) -> Scorecard | None:
    """Return the card of a day, or None."""
    return value_or_none(session, select(table.c.detail).where(table.c.on == on), Scorecard, table)
