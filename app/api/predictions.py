"""`/api/performance-feedback`, `/api/prediction-accuracy`: what the engine made of predictions, how right they were."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from app.api.operations import Answer, Asked, Operation, operation
from app.auth import Caller
from app.rooms import rooms
from core.model.trade import PerformanceRecord, Shortfall
from core.store import Session, performance
from feedback.accuracy import PredictionScore, score_predictions

AHEAD = timedelta(days=2)
"""On a virtual clock the engine may be ahead of the worker by the time that it was granted."""


class PerformanceQuery(Asked):
    """Which feedback."""

    instance_id: Annotated[str, Field(max_length=80)] | None = None
    prediction_id: Annotated[str, Field(max_length=80)] | None = None
    outcome: Annotated[str, Field(max_length=80, description="`taken`, or why not")] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class PerformanceView(Answer):
    """What one instance made of one prediction. Money in quote currency (USD)."""

    feedback_id: str
    prediction_id: str
    instance_id: str
    symbol: str
    outcome: str
    received_at: datetime
    at: datetime
    side: str | None
    qty: Decimal
    decision_price: Decimal | None
    mean_fill_price: Decimal | None
    shortfall: Annotated[Shortfall | None, Field(description="Cost of getting in; null when nothing was ordered")]
    realised_move_bps: Annotated[float | None, Field(description="Above zero for a rise")]
    aligned_move_bps: Annotated[float | None, Field(description="The same in the direction traded")]
    params_version: int
    simulated: bool


class PerformancePage(Answer):
    """The newest first."""

    items: tuple[PerformanceView, ...]


class AccuracyQuery(Asked):
    """How far back."""

    days: Annotated[int, Field(ge=1, le=366)] = 30


class AccuracyPage(Answer):
    """One score for every instance that was given predictions."""

    days: int
    items: tuple[PredictionScore, ...]


@operation(
    Operation(
        summary="What the engine made of predictions, newest first",
        answer=PerformancePage,
        scope="read",
        query=PerformanceQuery,
    )
)
def list_performance(caller: Caller, query: PerformanceQuery) -> PerformancePage:
    """Answer with the newest feedback on predictions."""
    with rooms().store.session() as session:
        found = performance.latest(session, query.limit, query.instance_id, query.prediction_id, query.outcome)
    return PerformancePage(items=tuple(view_of(record) for record in found))


@operation(
    Operation(
        summary="How right predictions were, by instance and outcome",
        answer=AccuracyPage,
        scope="read",
        query=AccuracyQuery,
    )
)
def show_accuracy(caller: Caller, query: AccuracyQuery) -> AccuracyPage:
    """Answer with one score an instance."""
    here = rooms()
    with here.store.session() as session:
        return AccuracyPage(days=query.days, items=load_scores(session, here.clock.now(), query.days))


def load_scores(session: Session, now: datetime, n_days: int) -> tuple[PredictionScore, ...]:
    """Return the scores over the feedback of the last `n_days` days."""
    return score_predictions(performance.between(session, now - timedelta(days=n_days), now + AHEAD))


def view_of(record: PerformanceRecord) -> PerformanceView:
    """Return what the API tells of a feedback."""
    return PerformanceView(
        feedback_id=record.feedback_id,
        prediction_id=record.prediction_id,
        instance_id=record.instance_id,
        symbol=record.symbol,
        outcome=record.outcome,
        received_at=record.received_at,
        at=record.at,
        side=record.side,
        qty=record.qty,
        decision_price=record.decision_price,
        mean_fill_price=record.mean_fill_price,
        shortfall=record.shortfall,
        realised_move_bps=record.realised_move_bps,
        aligned_move_bps=record.aligned_move_bps,
        params_version=record.params_version,
        simulated=record.simulated,
    )
