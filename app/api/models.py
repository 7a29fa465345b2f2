"""`/api/models/<model_id>`: one trained model, its card, and every change of its status."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from pydantic import Field

from app.api.operations import Answer, Operation, operation
from app.auth import Caller
from app.rooms import rooms
from core.errors import Corrupt
from core.model.canonical import from_json
from core.model.models import ModelVersion
from core.store import model_versions
from market.candles import from_ms
from ml.bundle import CARD, MAX_CARD_BYTES, ExpertCard, Measure, ModelCard
from ml.features.inputs import families_of
from ml.features.registry import load_registry


class MetricView(Answer):
    """A measured value of the card with its uncertainty."""

    expert: Annotated[str, Field(description="Empty for the whole bundle")]
    name: str
    value: float
    low: float
    high: float
    level: float
    n: int
    method: str


class FileView(Answer):
    """One file of the bundle."""

    name: str
    sha256: str
    n_bytes: int


class ExpertView(Answer):
    """One expert."""

    name: str
    kind: str
    form: str
    lookback: int
    files: tuple[FileView, ...]


class CardView(Answer):
    """What the trainer wrote down."""

    task: str
    horizon_bars: int
    interval_ms: int
    threshold: float
    symbols: tuple[str, ...]
    start_at: datetime
    end_at: Annotated[datetime, Field(description="Close of the last bar that training or measuring looked at")]
    trained_at: datetime
    n_features: int
    inputs: Annotated[
        tuple[str, ...],
        Field(description="Families of inputs of its columns, on which alone it is served"),
    ]
    trials: Annotated[int, Field(description="Hyper-parameter trials that were run to get here")]
    seed: int
    feature_schema_sha256: str
    data_sha256: str
    code_sha256: str
    experts: tuple[ExpertView, ...]
    metrics: tuple[MetricView, ...]
    versions: dict[str, str]


class ModelEventView(Answer):
    """A change of status."""

    at: datetime
    before: str
    after: str
    actor: str
    reason: str


class ModelAnswer(Answer):
    """One model. The card is null where its files are not here or are damaged; `fault` says which."""

    model_id: str
    slot: str
    status: Literal["candidate", "shadow", "active", "retired", "failed"]
    created_at: datetime
    symbols: tuple[str, ...]
    has_files: bool
    reason: str
    card: CardView | None
    fault: str
    events: tuple[ModelEventView, ...]


@operation(Operation(summary="One trained model", answer=ModelAnswer, scope="read", errors=(404,)))
def show_model(caller: Caller, model_id: str) -> ModelAnswer:
    """Answer with the model, its card and its changes."""
    with rooms().store.session() as session:
        version = model_versions.get(session, model_id)
        events = model_versions.events(session, model_id)
    card, fault = card_of(rooms().models.folder, version)
    return ModelAnswer(
        model_id=version.model_id,
        slot=version.slot,
        status=version.status,
        created_at=version.created_at,
        symbols=version.symbols,
        has_files=version.has_files,
        reason=version.reason,
        card=card,
        fault=fault,
        events=tuple(
            ModelEventView(at=e.at, before=e.before, after=e.after, actor=e.actor, reason=e.reason) for e in events
        ),
    )


def card_of(folder: Path, version: ModelVersion) -> tuple[CardView | None, str]:
    """Return what the version's card tells, or None and why it cannot be told."""
    if not version.has_files:
        return None, ""
    try:
        return card_view(read_card(folder, version.model_id)), ""
    except Corrupt as error:
        return None, error.message


def read_card(folder: Path, model_id: str) -> ModelCard:
    """Return the card alone, checked against the model's name. Raises Corrupt for a missing or changed one."""
    remedy = "Restore the folder from a backup or train again"
    try:
        with (folder / model_id / CARD).open("rb") as file:
            raw = file.read(MAX_CARD_BYTES + 1)
    except OSError as error:
        raise Corrupt(f"the card of model {model_id[:12]} cannot be read: {error.strerror}", remedy) from error
    if hashlib.sha256(raw).hexdigest() != model_id:
        raise Corrupt(f"the card of model {model_id[:12]} was changed", remedy)
    try:
        return from_json(raw, ModelCard)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Corrupt(f"the card of model {model_id[:12]} is no card of this version: {error}", remedy) from error


def card_view(card: ModelCard) -> CardView:
    """Return what page and API tell of a card."""
    metrics = [_metric("", each) for each in card.metrics]
    metrics += [_metric(expert.name, each) for expert in card.experts for each in expert.metrics]
    return CardView(
        task=card.task,
        horizon_bars=card.horizon_bars,
        interval_ms=card.interval_ms,
        threshold=card.threshold,
        symbols=card.symbols,
        start_at=from_ms(card.start_at_ms),
        end_at=from_ms(card.end_at_ms),
        trained_at=from_ms(card.trained_at_ms),
        n_features=len(card.features),
        inputs=families_of(load_registry(), card.features),
        trials=card.trials,
        seed=card.seed,
        feature_schema_sha256=card.feature_schema_sha256,
        data_sha256=card.data_sha256,
        code_sha256=card.code_sha256,
        experts=tuple(_expert(expert) for expert in card.experts),
        metrics=tuple(metrics),
        versions=card.versions,
    )


def _metric(expert: str, measure: Measure) -> MetricView:
    told = measure.interval
    return MetricView(
        expert=expert,
        name=measure.name,
        value=told.value,
        low=told.low,
        high=told.high,
        level=told.level,
        n=told.n,
        method=told.method,
    )


def _expert(expert: ExpertCard) -> ExpertView:
    files = (FileView(name=f.name, sha256=f.sha256, n_bytes=f.n_bytes) for f in expert.files.values())
    return ExpertView(
        name=expert.name, kind=expert.kind, form=expert.form, lookback=expert.lookback, files=tuple(files)
    )
