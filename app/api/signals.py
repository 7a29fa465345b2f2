"""`/api/predictions`, `/api/prediction-scores`: what models said, what came of it, and how right they were."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from app.api.operations import Answer, Asked, Operation, operation
from app.auth import Caller
from app.rooms import rooms
from core.model.prediction import PredictionRecord, SaidMember
from core.store import Session, predictions
from feedback.confidence_filter import FilterLine, net_by_confidence
from feedback.track_record import TrackRecord, track_record

Outcome = Literal["open", "hit", "miss", "unlabelled"]
AHEAD = timedelta(days=2)
"""On a virtual clock the engine may be ahead of the worker by the time that it was granted."""
MAX_SCORED = 20_000
"""Predictions that figures rest on; of more it is so many, chosen at random."""
SEARCHED = 5_000
"""Predictions among which a label, model or outcome is looked for, newest first."""
Narrow = Annotated[str, Field(max_length=80)] | None


class SaidQuery(Asked):
    """Which predictions. Label, model and outcome are looked for among the newest 5,000."""

    symbol: Narrow = None
    interval: Annotated[str, Field(max_length=20, description="`1m`, `1h`, …, or `fused`")] | None = None
    task: Annotated[str, Field(max_length=40, description="Label, such as `sign` or `big_move`")] | None = None
    model: Annotated[str, Field(max_length=64, description="Beginning of the model's SHA-256")] | None = None
    outcome: Outcome | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 50


class SaidView(Answer):
    """One prediction and what came of it."""

    prediction_id: str
    symbol: str
    interval: str
    task: str
    at: Annotated[datetime, Field(description="Close of the bar that it rests on")]
    due_at: datetime
    horizon_bars: int
    model: str
    model_sha256: str
    trained_until: datetime
    probability: Annotated[float, Field(description="Calibrated, of a rise or of a big move")]
    prior: Annotated[float, Field(description="The base rate known at that time")]
    side: Literal["up", "down", "both", "none"]
    direction: float
    confidence: Annotated[float, Field(description="Probability of the likelier side, 0.5 to 1")]
    expected_move_bps: float
    expected_volatility_bps: float | None
    regime: str | None
    recommended_strategy: str
    is_sent: bool
    silence: Annotated[str, Field(description="Why it was not offered to the engine")]
    members: tuple[SaidMember, ...]
    reasons: tuple[tuple[str, float], ...]
    outcome: Outcome
    settled_at: datetime | None
    move_bps: Annotated[float | None, Field(description="Move of the close over the horizon, above zero for a rise")]


class SaidPage(Answer):
    """The newest first."""

    items: tuple[SaidView, ...]


class ScoresQuery(Asked):
    """Of which predictions."""

    task: Annotated[str, Field(max_length=40)] = "sign"
    symbol: Narrow = None
    interval: Annotated[str, Field(max_length=20)] | None = None
    days: Annotated[int, Field(ge=1, le=366)] = 7


class ScoresAnswer(Answer):
    """Accuracy, coverage and calibration with intervals, over at most 20,000 predictions, of more chosen at random."""

    task: str
    days: int
    n_made: Annotated[int, Field(description="Predictions of these days, of every label")]
    n_read: Annotated[int, Field(description="Those of them that the figures were chosen from")]
    record: TrackRecord
    cost_bps: Annotated[float, Field(description="Fees and slippage of getting in and out, as the settings have them")]
    net_by_confidence: Annotated[
        tuple[FilterLine, ...], Field(description="What acting on predictions from a confidence on would have brought")
    ]


@operation(Operation(summary="What models said, newest first", answer=SaidPage, scope="read", query=SaidQuery))
def list_said(caller: Caller, query: SaidQuery) -> SaidPage:
    """Answer with the newest predictions that fit."""
    now = rooms().clock.now()
    with rooms().store.session() as session:
        found = predictions.latest(session, SEARCHED, query.symbol, query.interval)
    return SaidPage(items=tuple(view_of(record, now) for record in _fitting(found, query, now)))


@operation(
    Operation(
        summary="How right predictions were, by confidence, model, regime, symbol and hour",
        answer=ScoresAnswer,
        scope="read",
        query=ScoresQuery,
    )
)
def show_scores(caller: Caller, query: ScoresQuery) -> ScoresAnswer:
    """Answer with the figures of the last days."""
    here = rooms()
    now = here.clock.now()
    with here.store.session() as session:
        said = load_said(session, now, query.days, query.symbol, query.interval)
    asked = [one for one in said.records if one.task == query.task]
    cost_bps = here.settings.costs.round_trip_bps
    return ScoresAnswer(
        task=query.task,
        days=query.days,
        n_made=said.n_made,
        n_read=len(said.records),
        record=track_record(asked, lambda one: is_waiting(one, now)),
        cost_bps=cost_bps,
        net_by_confidence=net_by_confidence(asked, cost_bps),
    )


@dataclass(frozen=True, slots=True)
class Said:
    """Predictions of some days."""

    n_made: int
    records: list[PredictionRecord]
    """All of them or `MAX_SCORED`, newest first."""


def load_said(session: Session, now: datetime, n_days: int, symbol: str | None, interval: str | None) -> Said:
    """Return the predictions of the last days; of many a random choice, that reaches as far back as all of them do."""
    ids = predictions.ids_after(session, now - timedelta(days=n_days), symbol, interval)
    return Said(len(ids), predictions.of_ids(session, ids[:MAX_SCORED])[::-1])


def is_waiting(record: PredictionRecord, now: datetime) -> bool:
    """Return whether the outcome may still come: not settled, and not long past due."""
    return record.outcome is None and record.due_at > now - AHEAD


def outcome_of(record: PredictionRecord, now: datetime) -> Outcome:
    """Return what came of a prediction in one word."""
    if record.outcome is None:
        return "open" if is_waiting(record, now) else "unlabelled"
    return "unlabelled" if record.outcome.is_hit is None else "hit" if record.outcome.is_hit else "miss"


def view_of(record: PredictionRecord, now: datetime) -> SaidView:
    """Return what the API tells of a prediction."""
    came = record.outcome
    return SaidView(
        prediction_id=record.prediction_id,
        symbol=record.symbol,
        interval=record.interval,
        task=record.task,
        at=record.at,
        due_at=record.due_at,
        horizon_bars=record.horizon_bars,
        model=record.model,
        model_sha256=record.model_sha256,
        trained_until=record.trained_until,
        probability=record.probability,
        prior=record.prior,
        side=record.side,
        direction=record.direction,
        confidence=record.confidence,
        expected_move_bps=record.expected_move_bps,
        expected_volatility_bps=record.expected_volatility_bps,
        regime=record.regime,
        recommended_strategy=record.recommended_strategy,
        is_sent=record.is_sent,
        silence=record.silence,
        members=record.members,
        reasons=record.reasons,
        outcome=outcome_of(record, now),
        settled_at=None if came is None else came.settled_at,
        move_bps=None if came is None else came.move_bps,
    )


def _fitting(found: list[PredictionRecord], query: SaidQuery, now: datetime) -> Iterator[PredictionRecord]:
    left = query.limit
    for record in found:
        if left == 0:
            return
        fits = (
            (query.task is None or record.task == query.task)
            and (query.model is None or record.model_sha256.startswith(query.model))
            and (query.outcome is None or outcome_of(record, now) == query.outcome)
        )
        if fits:
            left -= 1
            yield record
