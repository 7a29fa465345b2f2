"""`/api/ai/status`: what the models do, how right they were, what drifts, and what the market shows."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from app.ai_status import AiStatus, WatchView, read_ai_status
from app.api.operations import Answer, Operation, operation
from app.auth import Caller
from app.rooms import rooms
from core.model.drift import DriftKind
from feedback.signals.market_facts import Sighting, SymbolRegime
from ml.online.scores import Score


class TaskView(Answer):
    """One task of the worker."""

    name: str
    state: Literal["waiting", "healthy", "late", "failing"]
    every_s: float
    n_runs: int
    n_failures: int
    finished_at: datetime | None
    seconds: Annotated[float, Field(description="That its last run took")]
    error: str


class ScoreView(Answer):
    """How right predictions of one label and interval were."""

    n: int
    n_effective: Annotated[float, Field(description="Overlapping horizons counted once")]
    accuracy: float
    accuracy_low: Annotated[float | None, Field(description="Lower end of the 90 % interval")]
    accuracy_high: float | None
    log_loss: float
    log_loss_skill: Annotated[float | None, Field(description="1 - loss / loss of the prior; above 0 is skill")]
    brier_skill: float | None
    calibration_error: float


class TrialView(Answer):
    """A model in shadow beside the one that serves."""

    slot: str
    incumbent: str
    challenger: str
    n_bars: int
    mean_difference: Annotated[float | None, Field(description="Nats a bar that the challenger is better")]
    evidence_for_challenger: Annotated[float, Field(description="Above 20 over 500 bars it takes over")]
    evidence_for_incumbent: float
    incumbent_accuracy: float | None
    challenger_accuracy: float | None


class DriftView(Answer):
    """Something that was found of a model that serves."""

    kind: DriftKind
    onset: datetime
    found_at: datetime
    before: Annotated[float, Field(description="Mean loss, overconfidence, or the training's largest index")]
    after: float
    columns: Annotated[tuple[str, ...], Field(description="Features that moved most")]


class WatchedView(Answer):
    """What the watch knows of a model that serves."""

    slot: str
    model_id: str
    n_scored: int
    mean_loss: Annotated[float | None, Field(description="Of settled bars like the newest, 0 to 1")]
    overconfidence: Annotated[float | None, Field(description="Mean confidence less the share that came true")]
    has_reference: Annotated[bool, Field(description="Whether its features are watched")]
    n_blocks: int
    is_shifted: bool
    index: Annotated[float | None, Field(description="How far the newest block of features lies from the training")]
    limit: Annotated[float | None, Field(description="The largest of the training's own blocks")]
    findings: tuple[DriftView, ...]


class RetrainingView(Answer):
    """A training that was asked for and has no answer yet."""

    slot: str
    model_id: str
    reason: Literal["drift", "weekly"]
    at: datetime
    command: Annotated[str, Field(description="What answers it")]


class SightingView(Answer):
    """A pattern of the newest bars beside what earlier ones were worth."""

    symbol: str
    interval: str
    at: datetime
    name: str
    sign: Annotated[int, Field(description="1 announces a rise, -1 a fall")]
    n: int
    hit_rate: float | None
    null_rate: Annotated[float | None, Field(description="Of the same signals at other times")]
    q_value: float | None
    has_evidence: bool


class RegimeNow(Answer):
    """A symbol's last whole hour: how alike it is to each regime, and which one is called."""

    symbol: str
    at: datetime
    regime: Literal["trend", "range", "volatile"]
    trend: float
    range: float
    volatile: float


class AiStatusView(Answer):
    """The models as a whole."""

    is_running: Annotated[bool, Field(description="Whether the worker's tasks gave a sign of life lately")]
    uptime_s: float | None
    predictions_made: Annotated[int, Field(description="Kept in the store; older ones are forgotten")]
    opportunities: Annotated[
        int, Field(description="Signals of the last 7 days, and the patterns with evidence that completed in them")
    ]
    score_days: int
    scores: Annotated[
        dict[str, ScoreView],
        Field(
            description="By label, horizon in bars and interval, such as `sign:1:1h`. Of a day with more than "
            "3,000 outcomes of an interval they rest on so many, chosen at random"
        ),
    ]
    models: tuple[str, ...]
    tasks: tuple[TaskView, ...]
    trials: tuple[TrialView, ...]
    drift: tuple[WatchedView, ...]
    retraining: tuple[RetrainingView, ...]
    patterns: tuple[SightingView, ...]
    regimes: tuple[RegimeNow, ...]


@operation(
    Operation(
        summary="What the models do: tasks, predictions made, how right they were", answer=AiStatusView, scope="read"
    )
)
def ai_status(caller: Caller) -> AiStatusView:
    """Answer with the status."""
    here = rooms()
    with here.store.session() as session:
        return status_view(read_ai_status(session, here.clock.now(), here.settings))


def status_view(status: AiStatus) -> AiStatusView:
    """Return what the API tells of a status."""
    return AiStatusView(
        is_running=status.is_running,
        uptime_s=status.uptime_s,
        predictions_made=status.n_made,
        opportunities=status.opportunities,
        score_days=status.score_days,
        scores={name: _score(score) for name, score in status.scores.items()},
        models=status.models,
        tasks=tuple(TaskView(state=state, **_fields(TaskView, task, "state")) for task, state in status.tasks),
        trials=tuple(TrialView(**_fields(TrialView, each)) for each in status.trials),
        drift=tuple(_watched(each) for each in status.drift),
        retraining=tuple(RetrainingView(**_fields(RetrainingView, each)) for each in status.retraining),
        patterns=() if status.patterns is None else tuple(_sighting(each) for each in status.patterns.sightings),
        regimes=tuple(_regime(each) for each in status.regimes),
    )


def _fields(kind: type[Answer], value: object, *but: str) -> dict[str, Any]:
    """Return the fields of a view that a value has under the same names."""
    return {name: getattr(value, name) for name in kind.model_fields if name not in but}


def _score(score: Score) -> ScoreView:
    low, high = score.accuracy_ci or (None, None)
    own = _fields(ScoreView, score, "accuracy_low", "accuracy_high", "calibration_error")
    return ScoreView(accuracy_low=low, accuracy_high=high, calibration_error=score.ece, **own)


def _watched(view: WatchView) -> WatchedView:
    found = tuple(DriftView(**_fields(DriftView, each)) for each in view.findings)
    return WatchedView(findings=found, **_fields(WatchedView, view, "findings"))


def _sighting(one: Sighting) -> SightingView:
    own, facts = ("symbol", "interval", "at", "sign"), ("name", "n", "hit_rate", "null_rate", "q_value", "has_evidence")
    told = {name: getattr(one, name) for name in own} | {name: getattr(one.evidence, name) for name in facts}
    return SightingView(**told)


def _regime(one: SymbolRegime) -> RegimeNow:
    told = {name: getattr(one.view, name) for name in ("regime", "trend", "range", "volatile")}
    return RegimeNow(symbol=one.symbol, at=one.at, **told)
