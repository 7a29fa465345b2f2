"""What models said, and what came of it. Rows are kept for `models.keep_days` days."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Select, bindparam, delete, func, insert, select, update

from core.model.prediction import PredictionOutcome, PredictionRecord
from core.store.once import read_value, values_of
from core.store.session import Session
from core.store.work_tables import prediction as table

T = TypeVar("T")

PRUNE_AT_ONCE = 5_000

# Asked at every bar, and built once: putting a statement together takes longer than carrying it out.
_OPEN_UNTIL = (
    select(table.c.detail)
    .where(table.c.is_open, table.c.due_at <= bindparam("until"))
    .order_by(table.c.due_at, table.c.prediction_id)
)
_ADD = insert(table)
_KNOWN = select(table.c.prediction_id).where(table.c.prediction_id.in_(bindparam("ids", expanding=True)))
_SETTLE = (
    update(table)
    .where(table.c.prediction_id == bindparam("settled"))
    .values(is_open=False, detail=bindparam("outcome"))
)


def add_new(session: Session, records: Sequence[PredictionRecord]) -> None:
    """Keep those of the predictions that are not kept; an id names its content."""
    kept = frozenset(session.execute(_KNOWN, {"ids": [record.prediction_id for record in records]}).scalars())
    rows = [_columns(record) for record in records if record.prediction_id not in kept]
    if rows:
        session.execute(_ADD, rows)


def _columns(record: PredictionRecord) -> dict[str, Any]:
    return {
        "prediction_id": record.prediction_id,
        "symbol": record.symbol,
        "interval": record.interval,
        "at": record.at,
        "due_at": record.due_at,
        "is_open": record.outcome is None,
        "is_sent": record.is_sent,
        "detail": record,
    }


def find(session: Session, begins: str, limit: int = 2) -> list[PredictionRecord]:
    """Return up to `limit` predictions whose id begins so."""
    query = select(table.c.detail).where(table.c.prediction_id.startswith(begins, autoescape=True))
    return values_of(session, query.order_by(table.c.prediction_id).limit(limit), PredictionRecord, table)


def open_until(session: Session, at: datetime) -> list[PredictionRecord]:
    """Return the predictions that are due at or before `at` and not settled, oldest first."""
    found = session.execute(_OPEN_UNTIL, {"until": at}).scalars()
    return [read_value(detail, PredictionRecord, table) for detail in found]


def settle(session: Session, outcomes: Sequence[tuple[PredictionRecord, PredictionOutcome | None]]) -> None:
    """Note what came true of each; None closes a prediction whose outcome will never be known."""
    rows = [{"settled": one.prediction_id, "outcome": replace(one, outcome=came)} for one, came in outcomes]
    if rows:
        session.execute(_SETTLE, rows)


def latest(
    session: Session, limit: int, symbol: str | None = None, interval: str | None = None, at: datetime | None = None
) -> list[PredictionRecord]:
    """Return up to `limit` predictions, newest first; each argument that is given narrows them."""
    query = _of(select(table.c.detail), symbol, interval)
    if at is not None:
        query = query.where(table.c.at == at)
    ordered = query.order_by(table.c.at.desc(), table.c.symbol, table.c.interval)
    return values_of(session, ordered.limit(limit), PredictionRecord, table)


def _of(query: Select[tuple[T]], symbol: str | None, interval: str | None) -> Select[tuple[T]]:
    """Return the query narrowed to a symbol and a length of bars, where they are given."""
    for column, wanted in ((table.c.symbol, symbol), (table.c.interval, interval)):
        if wanted is not None:
            query = query.where(column == wanted)
    return query


def newest_of_each(session: Session) -> list[PredictionRecord]:
    """Return the newest prediction of every symbol and interval, by symbol and interval."""
    newest = (
        select(table.c.symbol, table.c.interval, func.max(table.c.at).label("at"))
        .group_by(table.c.symbol, table.c.interval)
        .subquery()
    )
    is_newest = (
        (table.c.symbol == newest.c.symbol) & (table.c.interval == newest.c.interval) & (table.c.at == newest.c.at)
    )
    query = select(table.c.detail).join(newest, is_newest).order_by(table.c.symbol, table.c.interval)
    return values_of(session, query, PredictionRecord, table)


def since(
    session: Session, after: datetime, *, sent_only: bool = False, limit: int = 100_000
) -> list[PredictionRecord]:
    """Return up to `limit` predictions of bars that closed after `after`, oldest first.

    Those of one closing time come together, beyond `limit` too: who goes on after the last one's time misses none.
    """
    query = select(table.c.detail).order_by(table.c.at, table.c.prediction_id)
    if sent_only:
        query = query.where(table.c.is_sent)
    found = values_of(session, query.where(table.c.at > after).limit(limit), PredictionRecord, table)
    if len(found) == limit:
        last = found[-1]
        rest = query.where(table.c.at == last.at, table.c.prediction_id > last.prediction_id)
        found += values_of(session, rest, PredictionRecord, table)
    return found


def settled_ids(session: Session, after: datetime, until: datetime) -> dict[str, list[str]]:
    """Return the ids of settled predictions of bars that closed after `after` and by `until`, by interval, in order.

    Ids are hashes of what was said before its outcome was known: the first of them are a random choice, always alike.
    """
    query = select(table.c.interval, table.c.prediction_id)
    found: dict[str, list[str]] = {}
    for row in session.execute(query.where(table.c.at > after, table.c.at <= until, table.c.is_open.is_(False))):
        found.setdefault(row.interval, []).append(row.prediction_id)
    return {interval: sorted(ids) for interval, ids in sorted(found.items())}


def ids_after(session: Session, after: datetime, symbol: str | None = None, interval: str | None = None) -> list[str]:
    """Return the ids of the predictions of bars that closed after `after`, in order: the first are a random choice."""
    query = _of(select(table.c.prediction_id), symbol, interval).where(table.c.at > after)
    return sorted(session.execute(query).scalars())


def of_ids(session: Session, ids: Sequence[str]) -> list[PredictionRecord]:
    """Return the predictions of these ids that are kept, oldest first."""
    found: list[PredictionRecord] = []
    for start in range(0, len(ids), 500):
        query = select(table.c.detail).where(table.c.prediction_id.in_(ids[start : start + 500]))
        found += values_of(session, query, PredictionRecord, table)
    return sorted(found, key=lambda record: (record.at, record.prediction_id))


def count(session: Session, after: datetime | None = None) -> tuple[int, int]:
    """Return how many predictions are kept, of bars that closed after `after` if given, and how many were sent."""
    query = select(func.count()).select_from(table)
    if after is not None:
        query = query.where(table.c.at > after)
    return session.execute(query).scalar_one(), session.execute(query.where(table.c.is_sent)).scalar_one()


def prune(session: Session, before: datetime) -> int:
    """Forget up to `PRUNE_AT_ONCE` of the oldest predictions of bars that closed before `before`; return how many."""
    oldest = select(table.c.prediction_id).where(table.c.at < before).order_by(table.c.at).limit(PRUNE_AT_ONCE)
    names = list(session.execute(oldest).scalars())
    for start in range(0, len(names), 500):
        session.execute(delete(table).where(table.c.prediction_id.in_(names[start : start + 500])))
    return len(names)
