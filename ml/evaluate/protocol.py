"""The protocol: purged walk-forward, calibration on what was settled before, the mixture bar by bar, in this order.

Fold 0 comes before the first scored row: its predictions only calibrate, teach the stack and fill the thresholds.
The last period of a file is locked and not even read here; who opens it is written down (`ml.evaluate.locked`).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from threading import Lock

import numpy as np
from threadpoolctl import threadpool_limits

from core.errors import BadInput
from market.candles import Floats, Integers
from ml.calibration import fit_calibration
from ml.ensemble import Ensemble, Standing, delay_of, replay
from ml.evaluate.lineup import ANCHORS, NETS
from ml.evaluate.tasks import Problem
from ml.labels import Labels
from ml.models.protocol import MIN_PROBABILITY, Expert
from ml.splits import Fold, purged_walk_forward, uniqueness_weights

DAY_MS = 86_400_000
LOCKED_DAYS = 91
LOCKED_SHARE = 0.1
"""Of a file, where that is less than 91 days."""
TEST_BARS = 2_184
"""91 days of hours."""
FIRST_TRAIN_BARS = 17_520
"""Two years of hours; half of a file that is shorter than twice that."""
MAX_TRAIN_BARS = 43_800
MAX_FOLDS = 12
EMBARGO_BARS = 24
MIN_BARS = 2_000
CALIBRATION_ROWS = 8_000

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a series of n rows is cut."""

    first_scored: int
    past_last: int
    """Rows from here on are locked, or not there."""
    test_bars: int
    embargo_bars: int = EMBARGO_BARS

    @property
    def first_test(self) -> int:
        """First row of fold 0."""
        return max(self.first_scored - self.test_bars, 1)


def locked_bars(n: int, interval_ms: int) -> int:
    """Return how many last bars of n are locked: 91 days, or a tenth where that is less."""
    return min(LOCKED_DAYS * DAY_MS // interval_ms, int(n * LOCKED_SHARE))


def plan_for(n: int, interval_ms: int, opens_locked: bool = False) -> Plan:
    """Return the plan of n bars. Opened, the locked bars alone are scored. Raises BadInput for too few bars."""
    free = n - locked_bars(n, interval_ms)
    if free < MIN_BARS:
        raise BadInput(
            f"{n} bars leave {free} after the locked period, too few to learn from and judge on",
            f"Give a file of at least {round(MIN_BARS / (1 - LOCKED_SHARE)) + 1} candles",
        )
    first = min(FIRST_TRAIN_BARS, free // 2)
    test_bars = max(min(TEST_BARS, (free - first) // 4), -(-(free - first) // MAX_FOLDS))
    return Plan(free, n, test_bars) if opens_locked else Plan(first, free, test_bars)


@dataclass(frozen=True, slots=True, eq=False)
class OutOfFold:
    """What each expert said of rows that it had not learned from."""

    rows: Integers
    """(m,) rows of the table, rising."""
    fold: Integers
    """(m,) number of the fold; 0 is not scored."""
    p: Floats
    """(m, k) uncalibrated."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One problem, answered by all experts and their mixture, on the rows of an `OutOfFold`."""

    members: tuple[str, ...]
    p: Floats
    """(m, N) of every expert, calibrated."""
    mixed: Floats
    """(m,) of the whole."""
    standings: tuple[Standing, ...]
    regret_nats: float
    """Summed log loss over the scored rows, less that of the best expert."""
    bound_nats: float


def make_folds(labels: Labels, plan: Plan) -> tuple[Fold, ...]:
    """Return fold 0 and the scored folds."""
    scored = purged_walk_forward(
        labels, plan.first_scored, plan.past_last, plan.test_bars, plan.embargo_bars, MAX_TRAIN_BARS
    )
    zero = purged_walk_forward(
        labels, plan.first_test, plan.first_scored, plan.test_bars, plan.embargo_bars, MAX_TRAIN_BARS
    )
    return (zero[0], *scored)


def predict_out_of_fold(
    x: Floats,
    segment: Integers,
    labels: Labels,
    y: Floats,
    folds: tuple[Fold, ...],
    experts: tuple[Expert, ...],
    seed: int,
    n_threads: int = 2,
    progress: Progress = lambda done, whole: None,
) -> OutOfFold:
    """Return what each expert, fitted on each fold's training rows that have y, says of the fold's test rows.

    Labels weigh by their uniqueness. The same seed gives the same numbers, whatever the number of threads.
    """
    # A net draws from PyTorch's one generator: two at a time would take numbers from each other.
    alone = Lock()
    jobs = [(fold, place) for fold in range(len(folds)) for place in range(len(experts))]

    def work(job: tuple[int, int]) -> Floats:
        fold, expert = folds[job[0]], experts[job[1]]
        train = fold.train[~np.isnan(y[fold.train])]
        if not len(train):
            raise BadInput(f"no row before row {fold.test[0]} has a label to learn from", "Give a longer series")
        weight = uniqueness_weights(labels, train)
        with alone if expert.name in NETS else nullcontext():
            fitted = expert.fit(x, segment, train, y[train], weight / weight.mean(), seed)
            found = fitted.predict(x, segment, fold.test)
        if found.shape != (len(fold.test),) or not bool(((found >= 0) & (found <= 1) | np.isnan(found)).all()):
            raise ValueError(f"the model {expert.name} gave something else than one probability a row")
        return found

    columns: dict[tuple[int, int], Floats] = {}
    # Threads of BLAS or OpenMP inside ours would wait for each other, and change the last bits.
    with threadpool_limits(1), ThreadPoolExecutor(n_threads) as pool:
        for done, (job, found) in enumerate(zip(jobs, pool.map(work, jobs), strict=True), start=1):
            columns[job] = found
            progress(done, len(jobs))
    blocks = [np.column_stack([columns[fold, place] for place in range(len(experts))]) for fold in range(len(folds))]
    numbers = [np.full(len(fold.test), number, dtype=np.int64) for number, fold in enumerate(folds)]
    return OutOfFold(np.concatenate([fold.test for fold in folds]), np.concatenate(numbers), np.concatenate(blocks))


def calibrate(found: OutOfFold, names: tuple[str, ...], y: Floats, end: Integers) -> Floats:
    """Return (m, k) calibrated: each fold by the predictions of folds before it whose labels were settled by then.

    `y` and `end` are those of the table. Fold 0 has none before it and stays as it is, as do the
    rules: shares that were counted, constant for a fold, have no slope to correct.
    """
    said = np.clip(found.p, MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    calibrated = said.copy()
    labels, ends = y[found.rows], end[found.rows]
    for number in range(1, int(found.fold.max()) + 1):
        now = found.fold == number
        settled = (found.fold < number) & (ends < found.rows[now][0]) & ~np.isnan(labels)
        for column, name in enumerate(names):
            past = np.flatnonzero(settled & np.isfinite(said[:, column]))[-CALIBRATION_ROWS:]
            if name in ANCHORS or len(past) < 2:
                continue
            calibration = fit_calibration(said[past, column], labels[past])
            calibrated[now, column] = calibration.apply(said[now, column])
    return calibrated


def mix(found: OutOfFold, names: tuple[str, ...], calibrated: Floats, y: Floats, end: Integers) -> Answer:
    """Return the mixture of calibrated experts, bar by bar; after fold 0 its weights start even again.

    So bound and regret are those of the scored rows. Labels of fold 0 that are settled later count nowhere.
    """
    rows, labels, ends = found.rows, y[found.rows].copy(), end[found.rows]
    is_scored = found.fold > 0
    first = int(np.argmax(is_scored))
    labels[(~is_scored) & (ends >= rows[first])] = np.nan
    ensemble = Ensemble.start(names, delay_of(rows, ends))
    forecasts = list(replay(ensemble, calibrated[:first], labels[:first], rows[:first], ends[:first]))
    ensemble.restart()
    forecasts += replay(ensemble, calibrated[first:], labels[first:], rows[first:], ends[first:])
    return Answer(
        ensemble.members,
        np.array([forecast.members for forecast in forecasts]),
        np.array([forecast.probability for forecast in forecasts]),
        ensemble.standings(),
        float(ensemble.losses[-1] - ensemble.losses[:-1].min()),
        ensemble.bound,
    )


def answer(
    x: Floats,
    segment: Integers,
    labels: Labels,
    problem: Problem,
    folds: tuple[Fold, ...],
    experts: tuple[Expert, ...],
    seed: int,
    n_threads: int = 2,
    progress: Progress = lambda done, whole: None,
) -> tuple[OutOfFold, Answer]:
    """Return the whole chain for one problem: fit and predict, calibrate, mix."""
    names = tuple(expert.name for expert in experts)
    found = predict_out_of_fold(x, segment, labels, problem.y, folds, experts, seed, n_threads, progress)
    return found, mix(found, names, calibrate(found, names, problem.y, labels.end), problem.y, labels.end)
