"""`/api/advice`, `/api/advisor-value`: what the advisor answered, and what that was worth."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from app.api.operations import Answer, Asked, Operation, operation
from app.auth import Caller
from app.rooms import rooms
from core.model.advice import AdviceNote, AdviceOutcome, AdviceRecord, FailureReason, SettlementMethod, SizeClass
from core.model.advisor import AdvisorValue
from core.store import Session, advice
from feedback.advisor.read import load_recent_value


class AdviceQuery(Asked):
    """How many."""

    limit: Annotated[int, Field(ge=1, le=500)] = 50


class AdviceView(Answer):
    """One question about an order and its answer. Money in quote currency (USD)."""

    advice_id: str
    instance_id: str
    strategy: str
    symbol: str
    side: str
    qty: Decimal
    notional_usd: Decimal
    strength: float
    size_class: SizeClass | None
    asked_at: datetime
    answered_at: datetime
    approve: bool
    size_factor: Annotated[float, Field(description="Share of the quantity that may go ahead; 0 with a no")]
    rule_factor: Annotated[float | None, Field(description="What the rules alone would have let through")]
    reason: str
    source: Annotated[str, Field(description="`rule`, `llm:<model>`, or `policy` where a model did not answer")]
    p_yes: Annotated[float | None, Field(description="The model's own number")]
    p_good: Annotated[float | None, Field(description="What that was worth on settled orders; decides")]
    risk_score: float | None
    failure: Annotated[FailureReason | None, Field(description="Why the model did not answer")]
    is_late: Annotated[bool, Field(description="Decided after the engine's deadline: recorded, without effect")]
    latency_ms: float | None
    full_usd: Annotated[
        Decimal | None, Field(description="What the whole order made or would have made, after costs; null while open")
    ]
    settled_by: Annotated[SettlementMethod | None, Field(description="The evidence that `full_usd` rests on")]
    note: Annotated[str, Field(description="The model's reason, asked afterwards; text of a machine, not a fact")]


class AdvicePage(Answer):
    """The newest first."""

    items: tuple[AdviceView, ...]


class ValueQuery(Asked):
    """How far back."""

    days: Annotated[int, Field(ge=1, le=366)] = 30


class ValueAnswer(Answer):
    """The result with the advisor less the result without it, with intervals; how a model answers."""

    days: int
    value: AdvisorValue


@operation(
    Operation(summary="Answers of the advisor, newest first", answer=AdvicePage, scope="read", query=AdviceQuery)
)
def list_advice(caller: Caller, query: AdviceQuery) -> AdvicePage:
    """Answer with the newest answers."""
    with rooms().store.session() as session:
        return AdvicePage(items=load_log(session, query.limit))


@operation(
    Operation(
        summary="What the advisor was worth, its calibration, and how its model answers",
        answer=ValueAnswer,
        scope="read",
        query=ValueQuery,
    )
)
def show_advisor_value(caller: Caller, query: ValueQuery) -> ValueAnswer:
    """Answer with the figures of the last days."""
    here = rooms()
    with here.store.session() as session:
        return ValueAnswer(days=query.days, value=load_recent_value(session, here.clock.now(), query.days))


def load_log(session: Session, limit: int) -> tuple[AdviceView, ...]:
    """Return the newest answers, the reasons that were given for some of them, and what became of their orders."""
    records = advice.latest(session, limit)
    ids = [record.advice_id for record in records]
    notes, outcomes = advice.notes_of(session, ids), advice.outcomes_of(session, ids)
    return tuple(view_of(record, notes, outcomes) for record in records)


def view_of(record: AdviceRecord, notes: Mapping[str, AdviceNote], outcomes: Mapping[str, AdviceOutcome]) -> AdviceView:
    """Return what the API tells of an answer."""
    note, outcome = notes.get(record.advice_id), outcomes.get(record.advice_id)
    return AdviceView(
        advice_id=record.advice_id,
        instance_id=record.instance_id,
        strategy=record.strategy,
        symbol=record.symbol,
        side=record.side,
        qty=record.qty,
        notional_usd=record.notional_usd,
        strength=record.strength,
        size_class=record.size_class,
        asked_at=record.asked_at,
        answered_at=record.answered_at,
        approve=record.approve,
        size_factor=record.size_factor,
        rule_factor=record.rule_factor,
        reason=record.reason,
        source=record.source,
        p_yes=record.p_yes,
        p_good=record.p_good,
        risk_score=record.risk_score,
        failure=record.failure,
        is_late=record.is_late,
        latency_ms=record.latency_ms,
        full_usd=None if outcome is None else outcome.full_usd,
        settled_by=None if outcome is None else outcome.method,
        note="" if note is None else note.text,
    )
