"""Backtests that the gate made. Runs on sealed days are for people: no dataset or prompt reads this table."""

from sqlalchemy import select

from core.model.proposal import BacktestRun
from core.store.once import add_value, values_of
from core.store.session import Session
from core.store.tables import backtest_run as table


def add(session: Session, run: BacktestRun) -> bool:
    """Return True when stored, False when it was there. Raises Conflict for another run under the same id."""
    columns = {
        "backtest_id": run.backtest_id,
        "proposal_id": run.proposal_id,
        "window": run.window,
        "params_sha256": run.params_sha256,
        "at": run.at,
    }
    return add_value(session, table, run, columns)


def for_proposal(session: Session, proposal_id: str) -> list[BacktestRun]:
    """Return the backtests made for one proposal, oldest first."""
    query = select(table.c.detail).where(table.c.proposal_id == proposal_id).order_by(table.c.at, table.c.backtest_id)
    return values_of(session, query, BacktestRun, table)
