"""Calls to a language model: reserved before, settled after, never forgotten."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import case, func, select, update

from core.errors import UnknownName
from core.model.analysis import LlmCall
from core.store.once import add_value, value_or_none, values_of
from core.store.session import Session
from core.store.tables import llm_call

# Any constant: it names the one lock under which PostgreSQL adds up and reserves. SQLite has one writer anyway.
_BUDGET_LOCK = 7_312_001


def lock_budget(session: Session) -> None:
    """Make this transaction the only one that adds up and reserves, until it ends."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_BUDGET_LOCK)))


def reserve(session: Session, call: LlmCall) -> bool:
    """Store a call before it is made; return False when it is there. Raises Conflict when that id says otherwise."""
    return add_value(session, llm_call, call, {"call_id": call.call_id, **_columns(call)})


def settle(session: Session, call: LlmCall) -> bool:
    """Write what became of a reserved call; return False, and change nothing, when it was settled before."""
    reserved = (llm_call.c.call_id == call.call_id) & (llm_call.c.status == "reserved")
    found = session.execute(select(llm_call.c.call_id).where(reserved)).first()
    if found is not None:
        session.execute(update(llm_call).where(reserved).values(detail=call, **_columns(call)))
    return found is not None


def get(session: Session, call_id: str) -> LlmCall:
    """Return the call; raises UnknownName."""
    call = find(session, call_id)
    if call is None:
        raise UnknownName(f"no call to a language model has the id '{call_id[:80]}'")
    return call


def find(session: Session, call_id: str) -> LlmCall | None:
    """Return the call, or None."""
    return value_or_none(session, select(llm_call.c.detail).where(llm_call.c.call_id == call_id), LlmCall, llm_call)


def for_prompt(session: Session, prompt_sha256: str) -> list[LlmCall]:
    """Return all attempts at one prompt, in the order they were made."""
    query = select(llm_call.c.detail).where(llm_call.c.prompt_sha256 == prompt_sha256)
    return sorted(values_of(session, query, LlmCall, llm_call), key=lambda call: call.attempt)


def count_attempts(session: Session, prompt_sha256: str) -> int:
    """Return how often a prompt was asked."""
    query = select(func.count()).select_from(llm_call).where(llm_call.c.prompt_sha256 == prompt_sha256)
    return session.execute(query).scalar_one()


def latest(session: Session, limit: int) -> list[LlmCall]:
    """Return the newest calls first."""
    query = select(llm_call.c.detail).order_by(llm_call.c.started_at.desc(), llm_call.c.call_id.desc()).limit(limit)
    return values_of(session, query, LlmCall, llm_call)


def between(session: Session, start_at: datetime, end_at: datetime) -> list[LlmCall]:
    """Return the calls started in [start_at, end_at), oldest first."""
    inside = (llm_call.c.started_at >= start_at) & (llm_call.c.started_at < end_at)
    query = select(llm_call.c.detail).where(inside).order_by(llm_call.c.started_at, llm_call.c.call_id)
    return values_of(session, query, LlmCall, llm_call)


def latest_paid(session: Session, task: str, limit: int) -> list[LlmCall]:
    """Return the newest calls of a task that were settled at a cost, newest first."""
    settled = (llm_call.c.task == task) & llm_call.c.status.not_in(("reserved", "over_budget", "breaker_open"))
    query = select(llm_call.c.detail).where(settled).order_by(llm_call.c.started_at.desc(), llm_call.c.call_id)
    return [call for call in values_of(session, query.limit(limit), LlmCall, llm_call) if call.cost_usd > 0]


def left_reserved(session: Session, prompt_sha256: str) -> list[LlmCall]:
    """Return the calls of a prompt that were never settled."""
    return [call for call in for_prompt(session, prompt_sha256) if call.status == "reserved"]


def spent_between(session: Session, start_at: datetime, end_at: datetime) -> Decimal:
    """Return the USD of the calls started in [start_at, end_at); a call not yet settled counts at its reservation."""
    inside = (llm_call.c.started_at >= start_at) & (llm_call.c.started_at < end_at)
    amount = case((llm_call.c.status == "reserved", llm_call.c.reserved_usd), else_=llm_call.c.cost_usd)
    # Amounts are text, which no database adds up exactly; of the thousands of small calls most cost the same.
    rows = session.execute(select(amount, func.count()).where(inside).group_by(amount))
    return sum((usd * n for usd, n in rows), Decimal(0))


def _columns(call: LlmCall) -> dict[str, object]:
    return {
        "task": call.task,
        "status": call.status,
        "prompt_sha256": call.prompt_sha256,
        "started_at": call.started_at,
        "reserved_usd": call.reserved_usd,
        "cost_usd": call.cost_usd,
    }
