"""Days as the analyzer saw them."""

from datetime import date

from sqlalchemy import select

from core.errors import UnknownName
from core.model.dataset import DailyDataset
from core.store.once import add_value, value_or_none
from core.store.session import Session
from core.store.tables import dataset as table


def add(session: Session, dataset: DailyDataset) -> bool:
    """Keep a day; False when it is kept already. Its creation time is the time of its context."""
    columns = {
        "dataset_id": dataset.dataset_id,
        "on": dataset.on,
        "sha256": dataset.sha256,
        "created_at": dataset.context.at,
    }
    return add_value(session, table, dataset, columns)


def find(session: Session, dataset_id: str) -> DailyDataset | None:
    """Return the day of that id, or None."""
    return value_or_none(session, select(table.c.detail).where(table.c.dataset_id == dataset_id), DailyDataset, table)


def get(session: Session, dataset_id: str) -> DailyDataset:
    """Return the day of that id. Raises UnknownName."""
    if (dataset := find(session, dataset_id)) is None:
        raise UnknownName(f"no dataset '{dataset_id}' is stored")
    return dataset


def for_day(session: Session, on: date) -> DailyDataset | None:
    """Return the newest dataset of a KST day, or None."""
    query = select(table.c.detail).where(table.c.on == on)
    return value_or_none(session, query.order_by(table.c.created_at.desc(), table.c.dataset_id), DailyDataset, table)


def latest(session: Session) -> DailyDataset | None:
    """Return the dataset of the newest day, or None."""
    query = select(table.c.detail).order_by(table.c.on.desc(), table.c.created_at.desc(), table.c.dataset_id)
    return value_or_none(session, query, DailyDataset, table)


def latest_before(session: Session, on: date) -> DailyDataset | None:
    """Return the dataset of the newest day before `on`, or None."""
    query = select(table.c.detail).where(table.c.on < on)
    ordered = query.order_by(table.c.on.desc(), table.c.created_at.desc(), table.c.dataset_id)
    return value_or_none(session, ordered, DailyDataset, table)
