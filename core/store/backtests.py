"""Backtests that the gate made. Runs on sealed days are for people: no dataset or prompt reads this table."""

import msgspec
from sqlalchemy import select

from core.model.proposal import BacktestRun
from core.store.once import insert_once
from core.store.session import Session
from core.store.tables import backtest_run as table


def add(session: Session, run: BacktestRun) -> bool:
    """Return True when stored, False when it was there. Raises Conflict for another run under the same id."""
    return insert_once(
        session,
        table,
        {
            "backtest_id": run.backtest_id,
            "proposal_id": run.proposal_id,
            "window": run.window,
            "params_sha256": run.params_sha256,
            "detail": run,
            "at": run.at,
        },
    )


def for_proposal(session: Session, proposal_id: str) -> list[BacktestRun]:
    """Return the backtests made for one proposal, oldest first."""
    query = select(table.c.detail).where(table.c.proposal_id == proposal_id).order_by(table.c.at, table.c.backtest_id)
    return [msgspec.convert(detail, BacktestRun) for detail in session.execute(query).scalars()]
