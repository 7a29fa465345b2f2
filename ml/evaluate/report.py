"""What an evaluation says: one row a task, every figure beside its baselines, its interval and its number of trials."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from core.clock import from_ns
from market.candles import Floats, Integers
from ml.conformal import AdaptiveConformal, coverage, replay_sets
from ml.evaluate import scores
from ml.evaluate.lineup import ANCHORS
from ml.evaluate.protocol import Answer, OutOfFold, Plan, answer, make_folds
from ml.evaluate.scores import Mask
from ml.evaluate.tasks import Task, class_probabilities, horizon_text
from ml.features.table import FeatureTable
from ml.labels import Labels
from ml.models.protocol import Expert

COVERAGE = 0.1
FEE_BPS = 20.0
"""Taker fees of both ways on a spot market without discount: 10 bps each."""
SKILL, NO_SKILL = "skill", "no skill"
_HOUR_MS = 3_600_000
_MIN_SLICE = 50

Interval = tuple[float, float]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Covered:
    """The tenth of the rows with the strongest scores, as known then: threshold from earlier scores alone.

    Of a direction: how often it was right. Of a big move or a move over sigma: how often it came (precision).
    """

    accuracy: float | None
    ci: Interval | None
    n: int
    share: float


@dataclass(frozen=True, slots=True)
class Figures:
    """One expert on the same rows as the whole."""

    name: str
    accuracy: float
    auc: float | None
    log_loss: float
    log_loss_skill: float | None
    weight: float | None
    """In the mixture at the end, of the last problem; None for a rule of several problems."""
    is_disabled: bool
    """Whether it lost more than the prior."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Accuracy of the rows that closed in one hour of the day, or on one weekday (0 is Monday), UTC."""

    key: int
    n: int
    accuracy: float


@dataclass(frozen=True, slots=True)
class Conformal:
    """Adaptive conformal sets at 10 %: how often they held the truth, and how often they were a single side."""

    coverage: float
    target: float
    bound: float
    """How far coverage can be from the target on any sequence."""
    single: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Log-loss skill of one expert over the paths of combinatorial purged splits, neither calibrated nor mixed."""

    name: str
    low: float
    median: float
    high: float
    n_paths: int


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """One task of one symbol. Accuracies and skills are shares; losses are in nats."""

    symbol: str
    task: str
    horizon: str
    period: tuple[str, str]
    """Close of the first and of the last scored bar, UTC."""
    is_locked: bool
    n: int
    n_effective: int
    """Labels that do not overlap."""
    accuracy: float
    accuracy_ci: Interval | None
    """95 %, drawn by weeks."""
    coverage_10: Covered
    auc: float | None
    log_loss: float
    log_loss_skill: float | None
    brier_skill: float | None
    ece: float | None
    balanced_accuracy: float | None
    mcc: float | None
    majority: float
    """Accuracy of always saying the commonest class."""
    base_rates: dict[str, float]
    skill: str
    """`no skill` unless the 95 % interval of what it saves of the best baseline's log loss, the prior's among them, is
    above zero."""
    baselines: dict[str, Figures]
    experts: list[Figures]
    gross_bps: float | None
    """Mean log return a trade of the covered rows, on the side predicted; None where no side follows."""
    gross_bps_ci: Interval | None
    net_bps: float | None
    fee_bps: float
    regret_nats: float
    bound_nats: float
    """(d + 1) ln N a problem."""
    conformal: Conformal | None
    by_quarter: list[float]
    """Accuracy in each run of 91 days, oldest first."""
    by_hour: list[Slice]
    by_weekday: list[Slice]
    n_folds: int
    n_selected: int | None
    """Columns that the logistic line and the trees were given, chosen from the rows of each fit; None for all."""
    seed: int
    trials: int
    """Configurations that this data and task were ever judged with, this one included."""
    is_ledgered: bool
    """Whether the trials are counted in the ledger of an installation, or only within this run."""
    spread: tuple[Spread, ...] = ()
    """Where it was asked for; `ml.evaluate.spread` measures it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """The scored rows of one task, and all rows that its thresholds look back on."""

    rows: Integers
    y: Floats
    p_all: Floats
    """(m, C) of the whole, fold 0 included."""
    is_scored: Mask
    members: dict[str, Floats]
    """(scored, C) of each expert."""


@dataclass(frozen=True, slots=True)
class Run:
    """How tasks are judged, and what was answered so far: one symbol, one table, one line-up."""

    plan: Plan
    experts: tuple[Expert, ...]
    seed: int
    trials: Mapping[str, int]
    """By key of the task."""
    is_ledgered: bool = False
    is_locked: bool = False
    fee_bps: float = FEE_BPS
    n_selected: int | None = None
    """As the line-up was built with."""
    n_threads: int = 2
    progress: Progress = lambda what, done, whole: None
    answered: dict[str, tuple[OutOfFold, Answer]] = field(default_factory=dict)
    """By key of the problem: a question that two tasks share is answered once."""


def evaluate_task(table: FeatureTable, task: Task, run: Run) -> EvaluationRow:
    """Return the row of one task; its answers stay in the run."""
    labels = task.label(table, task.horizon_bars)
    folds = make_folds(labels, run.plan)
    parts = []
    for problem in task.problems(labels):
        if problem.key not in run.answered:
            run.answered[problem.key] = answer(
                table.values, table.segment, labels, problem, folds, run.experts, run.seed, run.n_threads,
                partial(run.progress, problem.key),
            )  # fmt: skip
        parts.append(run.answered[problem.key])
    return _row(table, task, labels, _scored(parts, labels), parts, len(folds) - 1, run)


def _scored(parts: list[tuple[OutOfFold, Answer]], labels: Labels) -> _Scored:
    found = parts[0][0]
    is_scored = found.fold > 0
    members = {
        name: class_probabilities(tuple(one.p[is_scored, column] for _, one in parts))
        for column, name in enumerate(parts[0][1].members)
    }
    mixed = class_probabilities(tuple(one.mixed for _, one in parts))
    rows = found.rows[is_scored]
    return _Scored(rows, labels.y[rows], mixed, is_scored, members)


def _row(
    table: FeatureTable,
    task: Task,
    labels: Labels,
    scored: _Scored,
    parts: list[tuple[OutOfFold, Answer]],
    n_folds: int,
    run: Run,
) -> EvaluationRow:
    classes, p, y = task.classes, scored.p_all[scored.is_scored], scored.y
    at_ms = table.closed_at_ms[scored.rows]
    right = scores.hits(p, y, classes).astype(np.float64)
    losses, prior = scores.log_losses(p, y, classes), scored.members["prior"]
    covered, chosen = _covered(task, scored, at_ms, run.seed)
    gross = _gross(task, labels, scored, chosen, p)
    experts = [_figures(name, scored, classes, parts) for name in scored.members]
    baselines = {figures.name: figures for figures in experts if figures.name in ANCHORS}
    rival = min(baselines.values(), key=lambda figures: figures.log_loss).name
    saved = scores.mean_interval(scores.log_losses(scored.members[rival], y, classes) - losses, at_ms, run.seed)
    counts = {f"{one:g}": float(np.mean(y == one)) for one in classes}
    return EvaluationRow(
        symbol=table.symbol,
        task=task.name,
        horizon=horizon_text(table.interval_ms, task.horizon_bars),
        period=(_text(int(at_ms[0])), _text(int(at_ms[-1]))),
        is_locked=run.is_locked,
        n=len(y),
        n_effective=scores.effective_n(scored.rows, labels.end[scored.rows]),
        accuracy=float(right.mean()),
        accuracy_ci=scores.mean_interval(right, at_ms, run.seed),
        coverage_10=covered,
        auc=scores.auc(p, y, classes),
        log_loss=float(losses.mean()),
        log_loss_skill=scores.skill(losses, scores.log_losses(prior, y, classes)),
        brier_skill=scores.skill(scores.brier_losses(p, y, classes), scores.brier_losses(prior, y, classes)),
        ece=scores.calibration_error(p, y, classes),
        balanced_accuracy=scores.balanced_accuracy(p, y, classes),
        mcc=scores.matthews(p, y, classes),
        majority=max(counts.values()),
        base_rates=counts,
        skill=SKILL if saved is not None and saved[0] > 0 else NO_SKILL,
        baselines=baselines,
        experts=experts,
        gross_bps=None if gross is None or not len(gross) else float(gross.mean()),
        gross_bps_ci=None if gross is None else scores.mean_interval(gross, at_ms[chosen], run.seed),
        net_bps=None if gross is None or not len(gross) else float(gross.mean()) - run.fee_bps,
        fee_bps=run.fee_bps,
        regret_nats=max(one.regret_nats for _, one in parts),
        bound_nats=max(one.bound_nats for _, one in parts),
        conformal=_conformal(parts[0], labels, task) if len(parts) == 1 else None,
        by_quarter=_by_quarter(right, at_ms),
        by_hour=_slices(right, at_ms // _HOUR_MS % 24, 24),
        by_weekday=_slices(right, (at_ms // (24 * _HOUR_MS) + 3) % 7, 7),
        n_folds=n_folds,
        n_selected=run.n_selected,
        seed=run.seed,
        trials=run.trials[task.key],
        is_ledgered=run.is_ledgered,
    )


def _covered(task: Task, scored: _Scored, at_ms: Integers, seed: int) -> tuple[Covered, Mask]:
    """Return the covered tenth and which scored rows are in it."""
    chosen = scores.most_confident(_strength(task, scored.p_all), COVERAGE)[scored.is_scored]
    p, y = scored.p_all[scored.is_scored][chosen], scored.y[chosen]
    if task.is_direction:
        right = (y == np.where(p[:, -1] >= p[:, 0], task.classes[-1], task.classes[0])).astype(np.float64)
    else:
        right = (y == task.classes[-1]).astype(np.float64)
    interval = scores.mean_interval(right, at_ms[chosen], seed)
    return Covered(float(right.mean()) if len(right) else None, interval, len(right), float(chosen.mean())), chosen


def _strength(task: Task, p: Floats) -> Floats:
    """Return what coverage ranks: how far up and down are apart, or how likely a move is."""
    strength: Floats = np.abs(p[:, -1] - p[:, 0]) if task.is_direction else p[:, -1]
    return strength


def _gross(task: Task, labels: Labels, scored: _Scored, chosen: Mask, p: Floats) -> Floats | None:
    """Return (chosen,) log returns in bps of trades on the predicted side, held until the label is settled."""
    if not task.is_direction:
        return None
    side = np.where(p[chosen, -1] >= p[chosen, 0], 1.0, -1.0)
    gross: Floats = side * labels.move[scored.rows[chosen]] * 1e4
    return gross


def _figures(name: str, scored: _Scored, classes: Floats, parts: list[tuple[OutOfFold, Answer]]) -> Figures:
    p = scored.members[name]
    losses = scores.log_losses(p, scored.y, classes)
    before = scores.log_losses(scored.members["prior"], scored.y, classes)
    weight = next(standing.weight for standing in parts[0][1].standings if standing.name == name)
    return Figures(
        name,
        float(scores.hits(p, scored.y, classes).mean()),
        scores.auc(p, scored.y, classes),
        float(losses.mean()),
        scores.skill(losses, before),
        weight if len(parts) == 1 else None,
        bool(losses.sum() > before.sum()),
    )


def _conformal(part: tuple[OutOfFold, Answer], labels: Labels, task: Task) -> Conformal:
    found, whole = part
    is_scored = found.fold > 0
    state = AdaptiveConformal()
    rows = found.rows[is_scored]
    y = labels.y[rows]
    sets = replay_sets(state, whole.mixed[is_scored], y, rows, labels.end[rows])
    single = float(np.mean([held in ("up", "down") for held in sets]))
    return Conformal(coverage(sets, y), 1 - state.target, state.bound(task.horizon_bars) or 1.0, single)


def _by_quarter(right: Floats, at_ms: Integers) -> list[float]:
    quarter = (at_ms - at_ms[0]) // (91 * 24 * _HOUR_MS)
    return [float(right[quarter == one].mean()) for one in np.unique(quarter)]


def _slices(right: Floats, key: Integers, n: int) -> list[Slice]:
    counted = [(one, key == one) for one in range(n)]
    return [Slice(one, int(m.sum()), float(right[m].mean())) for one, m in counted if m.sum() >= _MIN_SLICE]


def _text(at_ms: int) -> str:
    return from_ns(at_ms * 1_000_000).isoformat()
