"""`/api/ai/predict`, `/api/models`: what the models say, and which there are."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from app.api.operations import Answer, Asked, Operation, operation
from app.auth import Caller
from app.rooms import rooms
from core.errors import BadInput, UnknownName
from core.model.models import ModelVersion
from core.model.prediction import PredictionRecord
from core.store import Session, model_versions, predictions
from market.candles import interval_ms_of, require_symbol

MAX_SYMBOLS = 50
MAX_BARS = 1_000
Name = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9._-]{1,29}$")]


class PredictionView(Answer):
    """What the models say of one symbol and interval."""

    prediction_id: str
    symbol: str
    interval: str
    task: str
    at: Annotated[datetime, Field(description="Close of the bar that it rests on")]
    due_at: datetime
    is_current: Annotated[bool, Field(description="Whether its horizon is not over yet")]
    model_sha256: str
    probability: Annotated[float, Field(description="Calibrated, that the label is 1")]
    direction: Annotated[float, Field(description="2p - 1: -1 down, 1 up; 0 where the label has no side")]
    confidence: float
    side: Annotated[str, Field(description="The conformal set: up, down, both or none")]
    expected_move_bps: float
    expected_volatility_bps: float | None
    regime: str | None
    recommended_strategy: str
    strategy_params: dict[str, float]
    is_sent: bool
    silence: Annotated[str, Field(description="Why it is no signal")]
    reasons: Annotated[tuple[tuple[str, float], ...], Field(description="Features with their share of the log odds")]


class PredictQuery(Asked):
    """Which predictions."""

    symbols: Annotated[str, Field(max_length=1_600, description="Separated by commas; all without it")] = ""
    interval: Annotated[str, Field(pattern=r"^[0-9a-z]{1,8}$", description="1m, 5m, …, fused")] | None = None


class PredictPage(Answer):
    """The newest of each symbol and interval."""

    items: tuple[PredictionView, ...]


class PostedBar(Asked):
    """One closed bar."""

    opened_at_ms: Annotated[int, Field(ge=0, le=2**53)]
    open: float
    high: float
    low: float
    close: float
    volume: float


class PredictBody(Asked):
    """Bars to predict from, oldest first; the model's features need a few hundred to be known."""

    symbol: Name
    interval: Annotated[str, Field(pattern=r"^[0-9]{1,2}[mhd]$")]
    task: Literal["sign", "big_move", "pays_long", "pays_short"] = "sign"
    bars: Annotated[tuple[PostedBar, ...], Field(min_length=1, max_length=MAX_BARS)]


class MemberView(Answer):
    """One expert."""

    name: str
    probability: float | None
    weight: float
    left_out: str


class PostedPrediction(Answer):
    """What the model says of the last bar. It is kept nowhere and no conformal set belongs to it."""

    symbol: str
    interval: str
    at_ms: int
    model_sha256: str
    horizon_ms: int
    probability: float | None
    direction: float | None
    silence: str
    members: tuple[MemberView, ...]
    reasons: tuple[tuple[str, float], ...]


class ModelView(Answer):
    """One trained bundle."""

    model_id: str
    slot: Annotated[str, Field(description="Label, horizon in bars, interval")]
    status: Literal["candidate", "shadow", "active", "retired", "failed"]
    created_at: datetime
    symbols: tuple[str, ...]
    has_files: bool
    reason: str


class ModelsQuery(Asked):
    """Which models."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50


class ModelsPage(Answer):
    """The newest first."""

    items: tuple[ModelView, ...]


@operation(
    Operation(
        summary="The newest prediction of each symbol and interval",
        answer=PredictPage,
        scope="read",
        query=PredictQuery,
    )
)
def list_predictions(caller: Caller, query: PredictQuery) -> PredictPage:
    """Answer with what the models said last."""
    wanted = [require_symbol(name.strip()) for name in query.symbols.split(",") if name.strip()]
    if len(wanted) > MAX_SYMBOLS:
        raise BadInput(f"{len(wanted)} symbols are asked for", f"At most {MAX_SYMBOLS} at once")
    here = rooms()
    with here.store.session() as session:
        found = predictions.newest_of_each(session)
    if unknown := [name for name in wanted if name not in {record.symbol for record in found}]:
        raise UnknownName(f"nothing was predicted of {', '.join(unknown)}")
    now = here.clock.now()
    return PredictPage(
        items=tuple(
            _view(record, now)
            for record in found
            if (not wanted or record.symbol in wanted) and query.interval in (None, record.interval)
        )
    )


@operation(
    Operation(
        summary="What the active model says of posted bars; nothing is kept",
        answer=PostedPrediction,
        scope="read",
        body=PredictBody,
        errors=(404, 409),
    )
)
def predict_posted(caller: Caller, body: PredictBody) -> PostedPrediction:
    """Answer from the bars alone, with the experts' weights of the model's last prediction of that symbol."""
    from feedback.signals.bars import Candle

    here = rooms()
    interval_ms_of(body.interval)
    with here.store.session() as session:
        sha256 = _model_of(session, body)
        weights = _weights(session, body, sha256)
    candles = [Candle(bar.opened_at_ms, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in body.bars]
    said = here.models.say(sha256, body.symbol, candles, weights)
    return PostedPrediction(
        symbol=said.symbol,
        interval=body.interval,
        at_ms=said.at_ms,
        model_sha256=said.model_sha256,
        horizon_ms=said.horizon_ms,
        probability=said.probability,
        direction=said.direction,
        silence=said.silence,
        members=tuple(
            MemberView(name=m.name, probability=m.probability, weight=m.weight, left_out=m.left_out)
            for m in said.members
        ),
        reasons=said.reasons,
    )


@operation(Operation(summary="Trained models, the newest first", answer=ModelsPage, scope="read", query=ModelsQuery))
def list_models(caller: Caller, query: ModelsQuery) -> ModelsPage:
    """Answer with the versions."""
    with rooms().store.session() as session:
        return ModelsPage(items=tuple(_model(version) for version in model_versions.latest(session, query.limit)))


def _view(record: PredictionRecord, now: datetime) -> PredictionView:
    names = PredictionView.model_fields.keys() - {"is_current"}
    return PredictionView(is_current=record.due_at > now, **{name: getattr(record, name) for name in names})


def _model(version: ModelVersion) -> ModelView:
    return ModelView(**{name: getattr(version, name) for name in ModelView.model_fields})


def _model_of(session: Session, body: PredictBody) -> str:
    """Return the model that speaks about such bars, of several the one that looks least far."""
    active = [
        (int(version.slot.split(":")[1]), version.model_id)
        for version in model_versions.latest(session, 1_000)
        if version.status == "active"
        and version.slot.split(":")[0] == body.task
        and version.slot.split(":")[2] == body.interval
    ]
    if not active:
        raise UnknownName(f"no active model predicts {body.task} of {body.interval} bars", "See /api/models")
    return min(active)[1]


def _weights(session: Session, body: PredictBody, sha256: str) -> Mapping[str, float]:
    newest = predictions.latest(session, 20, body.symbol, body.interval)
    last = next((record for record in newest if record.model_sha256 == sha256), None)
    return {} if last is None else {member.name: member.weight for member in last.members}
