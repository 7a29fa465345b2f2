"""The trial ledger, append-only, hash-chained: thresholds, boundaries, trials and tests are rows before they count."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from core.model.canonical import canonical_json
from core.model.proposal import LedgerRow
from core.store.chain import ChainFault, anchor_head, append_row, check_anchors, verify_table
from core.store.once import fields_of
from core.store.session import Session
from core.store.tables import ledger as table


def append(
    session: Session, at: datetime, kind: str, strategy: str, proposal_id: str | None, payload: Mapping[str, Any]
) -> LedgerRow:
    """Return the new last row of the chain."""
    text = canonical_json(payload)
    values = {"at": at, "kind": kind, "strategy": strategy, "proposal_id": proposal_id, "payload": text}
    link = append_row(session, table, values)
    return LedgerRow(link.n, at, kind, strategy, proposal_id, text, link.prev_sha256, link.sha256)


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


def since(session: Session, start_at: datetime, kind: str) -> list[LedgerRow]:
    """Return the rows of a kind written at or after `start_at`, oldest first."""
    query = select(table).where(table.c.kind == kind, table.c.at >= start_at).order_by(table.c.n)
    return [fields_of(row, LedgerRow) for row in session.execute(query)]


def tried_params(session: Session, strategy: str) -> frozenset[str]:
    """Return the hashes of every parameter set of the strategy that was ever backtested by the gate."""
    return frozenset(json.loads(row.payload)["params_sha256"] for row in rows(session, "backtest", strategy))


def count_trials(session: Session, strategy: str) -> int:
    """Return how many parameter sets of the strategy were tried: the N of the deflated Sharpe ratio."""
    return len(tried_params(session, strategy))


def verify(session: Session, anchors: Path | None = None) -> ChainFault | None:
    """Return the first row that was edited, deleted or moved, or None when the chain holds.

    Only with the anchor file can a tail be missed that was cut off, and with it tests that were spent.
    """
    return verify_table(session, table) or (check_anchors(session, table, anchors) if anchors else None)


def anchor(session: Session, path: Path, at: datetime) -> None:
    """Append the present head of the chain to the anchor file. Raises Corrupt when an older anchor no longer holds.

    Only in a transaction of its own: a row that is appended here and rolled back would be anchored and missing.
    """
    anchor_head(session, table, path, at)
