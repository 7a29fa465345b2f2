"""The trial ledger, append-only, hash-chained: thresholds, boundaries, trials and tests are rows before they count."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select

from core.model.canonical import canonical_json
from core.model.proposal import LedgerRow
from core.store.once import fields_of
from core.store.session import Session
from core.store.tables import ledger as table

GENESIS = hashlib.sha256(b"xcrack trial ledger").hexdigest()
"""What the first row links to."""


def append(
    session: Session, at: datetime, kind: str, strategy: str, proposal_id: str | None, payload: Mapping[str, Any]
) -> LedgerRow:
    """Return the new last row of the chain. Two writers at once collide on its number and one rolls back."""
    last = session.execute(select(table.c.n, table.c.sha256).order_by(table.c.n.desc()).limit(1)).one_or_none()
    n, prev = (last.n + 1, last.sha256) if last is not None else (1, GENESIS)
    unlinked = LedgerRow(n, at, kind, strategy, proposal_id, canonical_json(payload), prev, "")
    row = replace(unlinked, sha256=_link(unlinked))
    session.execute(insert(table).values(**asdict(row)))
    return row


def rows(
    session: Session, kind: str | None = None, strategy: str | None = None, proposal_id: str | None = None
) -> list[LedgerRow]:
    """Return the rows that match every given filter, oldest first."""
    query = select(table).order_by(table.c.n)
    for column, wanted in ((table.c.kind, kind), (table.c.strategy, strategy), (table.c.proposal_id, proposal_id)):
        if wanted is not None:
            query = query.where(column == wanted)
    return [fields_of(row, LedgerRow) for row in session.execute(query)]


def last(session: Session, kind: str) -> LedgerRow | None:
    """Return the newest row of a kind, or None."""
    row = session.execute(select(table).where(table.c.kind == kind).order_by(table.c.n.desc()).limit(1)).one_or_none()
    return None if row is None else fields_of(row, LedgerRow)


def count_trials(session: Session, strategy: str) -> int:
    """Return how many backtests of the strategy the ledger holds: the N of the deflated Sharpe ratio."""
    query = select(func.count()).where(table.c.kind == "backtest", table.c.strategy == strategy)
    return int(session.execute(query).scalar_one())


def verify(session: Session) -> LedgerRow | None:
    """Return the first row that does not follow from the one before it, or None when the chain holds."""
    prev = GENESIS
    for n, row in enumerate(rows(session), start=1):
        if row.n != n or row.prev_sha256 != prev or row.sha256 != _link(row):
            return row
        prev = row.sha256
    return None


def _link(row: LedgerRow) -> str:
    named = [row.n, row.at, row.kind, row.strategy, row.proposal_id, row.payload]
    return hashlib.sha256((row.prev_sha256 + canonical_json(named)).encode()).hexdigest()
