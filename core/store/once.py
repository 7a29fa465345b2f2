"""Insert once: the same id with the same content has no second effect, with other content it is a conflict.

Repositories keep a value's canonical JSON in `detail` and its queried fields in columns; these functions are all they
share.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from sqlalchemy import CursorResult, Executable, Row, Select, Table, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from core.errors import Conflict, Corrupt
from core.store.session import Session

T = TypeVar("T")


def insert_new(session: Session, table: Table, columns: Mapping[str, Any]) -> bool:
    """Insert the row unless its primary key or another unique key exists; tells whether it was inserted."""
    return session.execute(_insert(table, session.get_bind().dialect.name), dict(columns)).first() is not None


@cache
def _insert(table: Table, dialect: str) -> Executable:
    # Built once: putting a statement together takes longer than carrying it out.
    insert = sqlite_insert if dialect == "sqlite" else postgresql_insert
    return insert(table).on_conflict_do_nothing().returning(list(table.primary_key.columns)[0])


def is_changed(session: Session, update: Executable, values: Mapping[str, Any]) -> bool:
    """Carry out an update and tell whether any row matched."""
    return cast(CursorResult[Any], session.execute(update, dict(values))).rowcount > 0


def add_value(session: Session, table: Table, value: Any, columns: Mapping[str, Any]) -> bool:
    """Keep `value` in `detail` beside its `columns`; False when it is there. Raises Conflict on other content."""
    if insert_new(session, table, {**columns, "detail": value}):
        return True
    keys = [column for column in table.primary_key.columns if column.name in columns]
    stored = session.execute(select(table.c.detail).where(*(key == columns[key.name] for key in keys))).scalar_one()
    if read_value(stored, type(value), table) == value:
        return False
    name = ", ".join(str(columns[key.name]) for key in keys)
    raise Conflict(f"{table.name} {name} exists with other content", "Nothing was changed; look where the id came from")


def read_value(detail: Any, kind: type[T], table: Table) -> T:
    """Return the value of type `kind` kept in `detail`. Raises Corrupt when it is not what was written."""
    try:
        return msgspec.convert(detail, kind)
    except msgspec.ValidationError as error:
        raise Corrupt(
            f"a row of {table.name} does not hold a {kind.__name__}: {error}", "Restore the database from a backup"
        ) from error


def values_of(session: Session, query: Select[Any], kind: type[T], table: Table) -> list[T]:
    """Return the values of every `detail` that `query` selects, in its order."""
    return [read_value(detail, kind, table) for detail in session.execute(query).scalars()]


def value_or_none(session: Session, query: Select[Any], kind: type[T], table: Table) -> T | None:
    """Return the value of the first `detail` that `query` selects, or None."""
    detail = session.execute(query.limit(1)).scalar_one_or_none()
    return None if detail is None else read_value(detail, kind, table)


def fields_of(row: Row[Any], kind: type[T]) -> T:
    """Return `kind` built from a row whose columns are its fields."""
    return kind(**{name: getattr(row, name) for name in kind.__dataclass_fields__})  # type: ignore[attr-defined]
