"""How the models are: what page, API and command line say of them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.model.drift import DriftFinding, ModelWatch, RetrainingRequest
from core.settings import Settings
from core.store import Session, model_trials, model_versions, model_watches
from feedback.signals.drift_steps import mean_of, unscaled_gap
from feedback.signals.market_facts import PatternReport, SymbolRegime, load_patterns, load_regimes
from feedback.signals.performance import load_scores
from feedback.signals.trial_steps import Standing, standing_of
from feedback.tasks import State, TaskHealth, load_report
from ml.online.scores import Score

ALIVE = timedelta(seconds=60)
"""A report older than this is of a worker that runs no more."""
MAX_VERSIONS = 1_000
N_FINDINGS = 20


@dataclass(frozen=True, slots=True)
class WatchView:
    """What the watch knows of one model that serves."""

    slot: str
    model_id: str
    n_scored: int
    """Settled bars that counted."""
    mean_loss: float | None
    """Over the bars that are like the newest, 0 to 1; a coin's is 0.37."""
    overconfidence: float | None
    """Mean stated confidence less the share that came true, over the bars that are like the newest; 0 if calibrated."""
    has_reference: bool
    """Whether its features are watched: its bundle tells how the training rows lay."""
    n_blocks: int
    is_shifted: bool
    index: float | None
    """Of the newest block of features, beside the largest among the training's."""
    limit: float | None
    findings: tuple[DriftFinding, ...]
    """Newest first."""


@dataclass(frozen=True, slots=True)
class AiStatus:
    """Figures are those of the worker's last report; None and empty before the first."""

    is_running: bool
    uptime_s: float | None
    n_made: int
    n_sent: int
    n_sent_lately: int
    """Signals of the last `score_days` days."""
    score_days: int
    scores: dict[str, Score]
    """By what is answered, such as `sign:1:1h`."""
    n_settled: int
    """Predictions of these days whose horizon is over."""
    n_scored: int
    """Those of them that the scores rest on: where there are many, a random choice."""
    models: tuple[str, ...]
    """SHA-256 of the bundles that are to speak."""
    tasks: tuple[tuple[TaskHealth, State], ...]
    trials: tuple[Standing, ...]
    """Models in shadow beside what serves."""
    drift: tuple[WatchView, ...]
    retraining: tuple[RetrainingRequest, ...]
    """Asked for, and not answered yet."""
    patterns: PatternReport | None
    regimes: tuple[SymbolRegime, ...]

    @property
    def opportunities(self) -> int:
        """What of the last seven days seemed worth acting on.

        Signals: predictions that were no abstention, and so were offered to the engine. And patterns that completed and
        have evidence: of those of their kind more were followed by the announced move than at other times, at a false
        discovery rate of 10 % (`market.pattern_evidence`). Whether anything was traded, or paid, is not in it.
        """
        return self.n_sent_lately + (0 if self.patterns is None else self.patterns.n_evident)


def read_ai_status(session: Session, now: datetime, settings: Settings) -> AiStatus:
    """Return the status as the store tells it."""
    report, scores = load_report(session), load_scores(session)
    is_running = report is not None and now - report.at <= ALIVE
    versions = model_versions.latest(session, MAX_VERSIONS)
    speaking = settings.models.serve or tuple(v.model_id for v in versions if v.status == "active")
    return AiStatus(
        is_running=is_running,
        uptime_s=(now - report.began_at).total_seconds() if report is not None and is_running else None,
        n_made=0 if scores is None else scores.n_made,
        n_sent=0 if scores is None else scores.n_sent,
        n_sent_lately=0 if scores is None else scores.n_sent_lately,
        score_days=0 if scores is None else scores.days,
        scores={} if scores is None else scores.scores,
        n_settled=0 if scores is None else scores.n_settled,
        n_scored=0 if scores is None else scores.n_scored,
        models=speaking,
        tasks=() if report is None else tuple((task, task.state(now)) for task in report.tasks),
        trials=read_trials(session),
        drift=read_drift(session, speaking),
        retraining=tuple(model_watches.open_requests(session)),
        patterns=load_patterns(session),
        regimes=load_regimes(session),
    )


def read_trials(session: Session) -> tuple[Standing, ...]:
    """Return the comparisons under way."""
    return tuple(standing_of(trial) for trial in model_trials.all(session))


def read_drift(session: Session, model_ids: tuple[str, ...]) -> tuple[WatchView, ...]:
    """Return what is known of these models, those without a watched bar left out."""
    watches = [watch for each in model_ids if (watch := model_watches.find(session, each)) is not None]
    return tuple(_view(session, watch) for watch in watches)


def _view(session: Session, watch: ModelWatch) -> WatchView:
    loss, gap = mean_of(watch.window), mean_of(watch.calibration)
    return WatchView(
        slot=watch.slot,
        model_id=watch.model_id,
        n_scored=watch.n_scored,
        mean_loss=loss,
        overconfidence=None if gap is None else unscaled_gap(gap),
        has_reference=watch.has_reference,
        n_blocks=watch.n_blocks,
        is_shifted=watch.is_shifted,
        index=watch.index,
        limit=watch.limit,
        findings=tuple(model_watches.findings(session, watch.model_id, N_FINDINGS)),
    )
