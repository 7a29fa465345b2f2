"""Trials of models in shadow: one row for each slot and challenger, written over as bars are settled."""

from sqlalchemy import delete, select, update

from core.model.trials import ModelTrial
from core.store.once import insert_new, values_of
from core.store.session import Session
from core.store.work_tables import model_trial as table


def put(session: Session, trial: ModelTrial) -> None:
    """Keep the trial's present state in place of the stored one."""
    if not insert_new(session, table, {"slot": trial.slot, "challenger": trial.challenger, "detail": trial}):
        mine = (table.c.slot == trial.slot, table.c.challenger == trial.challenger)
        session.execute(update(table).where(*mine).values(detail=trial))


def all(session: Session) -> list[ModelTrial]:
    """Return every trial, by slot and challenger."""
    query = select(table.c.detail).order_by(table.c.slot, table.c.challenger)
    return values_of(session, query, ModelTrial, table)


def remove(session: Session, slot: str, challenger: str) -> None:
    """End a trial; its result is an event of the model."""
    session.execute(delete(table).where(table.c.slot == slot, table.c.challenger == challenger))
