"""Tables whose rows are linked by hash: a row that was edited, deleted or moved is found.

Row n carries `prev_sha256` (the hash of row n-1) and `sha256` = SHA-256(prev_sha256 || canonical JSON of every other
column as it is stored). A chain alone cannot show that its tail was cut off, so its head is anchored from time to time
in a file outside the database.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import String, Table, func, insert, select, text, type_coerce
from sqlalchemy.types import TypeDecorator

from core.clock import require_utc
from core.errors import Corrupt
from core.model.canonical import canonical_json, sha256_of
from core.store.session import Session

GENESIS = "0" * 64
"""What the first row links to."""


@dataclass(frozen=True, slots=True)
class Link:
    """Place of a row in its chain."""

    n: int
    prev_sha256: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ChainFault:
    """The first bad row of a chain, and why it is bad."""

    table: str
    n: int
    reason: str


def link(prev_sha256: str, values: Mapping[str, Any]) -> str:
    """Return the hash of a row with these stored `values` (without its two hash columns) after `prev_sha256`."""
    return sha256_of(prev_sha256 + canonical_json(values))


def append_row(session: Session, table: Table, values: Mapping[str, Any]) -> Link:
    """Insert `values` as the next row of a chained table; writers queue up for the end of the chain until commit."""
    lock_chain(session, table)
    tail = session.execute(select(table.c.n, table.c.sha256).order_by(table.c.n.desc()).limit(1)).one_or_none()
    n, prev = (tail.n + 1, tail.sha256) if tail is not None else (1, GENESIS)
    sha = link(prev, _stored(session, table, {**values, "n": n}))
    session.execute(insert(table).values(**values, n=n, prev_sha256=prev, sha256=sha))
    return Link(n, prev, sha)


def lock_chain(session: Session, table: Table) -> None:
    """Hold the end of the chain until commit. SQLite's write transaction does so already."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"chain:{table.name}"})


def verify_table(session: Session, table: Table) -> ChainFault | None:
    """Return the first row of a chained table that was edited, deleted or moved, or None."""
    columns = [type_coerce(c, String) if isinstance(c.type, TypeDecorator) else c for c in table.c]
    result = session.execute(select(*(c.label(t.name) for c, t in zip(columns, table.c, strict=True))).order_by("n"))
    return verify_rows(table.name, (dict(row) for row in result.mappings()))


def verify_rows(table: str, rows: Iterable[Mapping[str, Any]]) -> ChainFault | None:
    """Return the first of `rows` (raw stored values, in order of n) that does not follow from the one before it."""
    prev = GENESIS
    for expected, row in enumerate(rows, start=1):
        if row["n"] != expected:
            return ChainFault(table, expected, f"row {expected} is missing; the next one is {row['n']}")
        if row["prev_sha256"] != prev:
            return ChainFault(table, expected, f"row {expected} does not link to the row before it")
        if row["sha256"] != link(prev, _hashed(row)):
            return ChainFault(table, expected, f"row {expected} was changed after it was written")
        prev = row["sha256"]
    return None


def anchor_head(session: Session, table: Table, path: Path, at: datetime) -> None:
    """Append the chain's present head to the anchor file, on disk before returning. Raises Corrupt on a broken one."""
    if fault := check_anchors(session, table, path):
        raise Corrupt(f"{fault.table}: {fault.reason}", "Restore the database from a backup")
    head = session.execute(select(table.c.n, table.c.sha256).order_by(table.c.n.desc()).limit(1)).one_or_none()
    if head is None:
        return
    line = json.dumps({"at": require_utc(at).isoformat(), "n": head.n, "sha256": head.sha256, "table": table.name})
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def check_anchors(session: Session, table: Table, path: Path) -> ChainFault | None:
    """Return the first anchored row that is gone or differs, or None. Raises Corrupt when the file is unreadable."""
    length = session.execute(select(func.count()).select_from(table)).scalar_one()
    for n, sha256 in _anchors(path, table.name):
        found = session.execute(select(table.c.sha256).where(table.c.n == n)).scalar_one_or_none()
        if found is None:
            return ChainFault(table.name, length + 1, f"rows up to {n} were anchored in {path}, and {length} are left")
        if found != sha256:
            return ChainFault(table.name, n, f"row {n} is not the one anchored in {path}: the chain was rewritten")
    return None


def _anchors(path: Path, table: str) -> list[tuple[int, str]]:
    if not path.exists():
        return []
    anchors = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            anchor = json.loads(line)
            if anchor["table"] == table:
                anchors.append((int(anchor["n"]), str(anchor["sha256"])))
        except (ValueError, KeyError, TypeError):
            raise Corrupt(f"line {number} of {path} is no anchor", "Restore the file from a backup") from None
    return anchors


def _hashed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("prev_sha256", "sha256")}


def _stored(session: Session, table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    dialect = session.get_bind().dialect
    stored = {}
    for column in table.c:
        if column.name in ("prev_sha256", "sha256"):
            continue
        value = values.get(column.name)
        kind = column.type
        stored[column.name] = kind.process_bind_param(value, dialect) if isinstance(kind, TypeDecorator) else value
    return stored
