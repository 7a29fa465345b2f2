"""Models under watch: the present state of each, what was found of it, and the trainings that were asked for."""

from sqlalchemy import bindparam, exists, insert, select, update

from core.model.drift import DriftFinding, ModelWatch, RetrainingRequest
from core.store.once import add_value, is_changed, read_value, values_of
from core.store.session import Session
from core.store.work_tables import model_drift, model_version, retraining
from core.store.work_tables import model_watch as table

# Asked at every bar, and built once: putting a statement together takes longer than carrying it out.
_FIND = select(table.c.detail).where(table.c.model_id == bindparam("model"))
_PUT = update(table).where(table.c.model_id == bindparam("model")).values(detail=bindparam("watch"))


def put(session: Session, watch: ModelWatch) -> None:
    """Keep the watch's present state in place of the stored one."""
    if not is_changed(session, _PUT, {"model": watch.model_id, "watch": watch}):
        session.execute(insert(table).values(model_id=watch.model_id, detail=watch))


def find(session: Session, model_id: str) -> ModelWatch | None:
    """Return the watch of a model, or None."""
    detail = session.execute(_FIND, {"model": model_id}).scalar_one_or_none()
    return None if detail is None else read_value(detail, ModelWatch, table)


def add_finding(session: Session, finding: DriftFinding) -> bool:
    """Keep a finding; False when it is kept. Raises Conflict for other content of the same model, kind and onset."""
    columns = {name: getattr(finding, name) for name in ("model_id", "kind", "onset", "found_at")}
    return add_value(session, model_drift, finding, columns)


def findings(session: Session, model_id: str | None = None, limit: int = 50) -> list[DriftFinding]:
    """Return up to `limit` findings, newest first, of one model where one is named."""
    query = select(model_drift.c.detail)
    if model_id is not None:
        query = query.where(model_drift.c.model_id == model_id)
    ordered = query.order_by(model_drift.c.found_at.desc(), model_drift.c.model_id, model_drift.c.kind)
    return values_of(session, ordered.limit(limit), DriftFinding, model_drift)


def ask(session: Session, request: RetrainingRequest) -> bool:
    """Keep a request; False while an earlier one of its slot waits for an answer."""
    if any(each.slot == request.slot for each in open_requests(session)):
        return False
    return add_value(
        session, retraining, request, {"request_id": request.request_id, "slot": request.slot, "at": request.at}
    )


def open_requests(session: Session) -> list[RetrainingRequest]:
    """Return the requests that no version of their slot was trained after, oldest first."""
    later = exists().where(model_version.c.slot == retraining.c.slot, model_version.c.created_at > retraining.c.at)
    query = select(retraining.c.detail).where(~later).order_by(retraining.c.at, retraining.c.request_id)
    return values_of(session, query, RetrainingRequest, retraining)
