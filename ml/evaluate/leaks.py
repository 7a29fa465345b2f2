"""The leak meter: five checks that nothing of the future or of the test reached a model, each proven to see its leak.

A score that is too good is a leak until these say otherwise. Where a check needs a limit, it is far from what honest
data give and far from what a leak gives; `tests/unit/ml/test_leaks.py` plants each leak and sees it found.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from market.candles import Candles, Floats, Integers
from ml.evaluate.protocol import OutOfFold
from ml.labels import Labels
from ml.models.protocol import Expert
from ml.models.random_forest import RandomForest
from ml.splits import Fold, purged_walk_forward

MAX_FEATURE_AUC = 0.7
"""Of a sign, one honest column tells next to nothing: at most 0.552 over hourly BTC and ETH, five bars ahead."""
MAX_SHUFFLED_SIGMAS = 4.0
MIN_PURGE_EFFECT = 0.05
PREFIX_TOLERANCE = 0.0
"""Features of a prefix are the same numbers, to the bit."""


@dataclass(frozen=True, slots=True)
class LeakFinding:
    """What one check measured against its limit."""

    check: str
    is_leak: bool
    measured: float
    limit: float
    message: str


def prefix_invariance(build: Callable[[Candles], Floats], candles: Candles, cuts: Sequence[int]) -> LeakFinding:
    """Compare features of the first k candles, for each k of `cuts`, with the first k rows of those of all candles.

    A feature that changes when later candles are known reads the future.
    """
    whole = build(candles)
    worst, worst_column = 0.0, -1
    for k in cuts:
        part = build(candles.rows(slice(0, k)))
        apart = np.where(np.isnan(part) & np.isnan(whole[:k]), 0.0, np.abs(part - whole[:k]))
        apart = np.where(np.isnan(apart), np.inf, apart)
        if apart.size and apart.max() > worst:
            worst, worst_column = float(apart.max()), int(np.unravel_index(np.argmax(apart), apart.shape)[1])
    leaks = worst > PREFIX_TOLERANCE
    message = f"column {worst_column} differs by {worst:g}" if leaks else f"{len(cuts)} prefixes give the same numbers"
    return LeakFinding("prefix_invariance", leaks, worst, PREFIX_TOLERANCE, message)


def shuffled_labels(predict: Callable[[Floats], OutOfFold], y: Floats, names: Sequence[str], seed: int) -> LeakFinding:
    """Run the whole protocol, `predict`, on labels put in random order: what still shows skill saw the answers.

    Measured is the largest |AUC - 1/2| of an expert in standard errors of Mann and Whitney. A row that is tested twice
    counts once.
    """
    known = np.flatnonzero(~np.isnan(y))
    mixed = np.full(len(y), np.nan)
    mixed[known] = y[np.random.default_rng(seed).permutation(known)]
    found = predict(mixed)
    rows, first = np.unique(found.rows, return_index=True)
    labels = mixed[rows]
    kept = ~np.isnan(labels)
    n_ones, n_zeros = int((labels[kept] == 1).sum()), int((labels[kept] == 0).sum())
    error = math.sqrt((n_ones + n_zeros + 1) / (12 * n_ones * n_zeros))
    sigmas = [
        abs(float(roc_auc_score(labels[kept], found.p[first][kept, column])) - 0.5) / error
        for column in range(found.p.shape[1])
    ]
    worst = int(np.argmax(sigmas))
    leaks = bool(sigmas[worst] > MAX_SHUFFLED_SIGMAS)
    message = f"{names[worst]} is {sigmas[worst]:.1f} standard errors from chance on shuffled labels"
    return LeakFinding("shuffled_labels", leaks, float(sigmas[worst]), MAX_SHUFFLED_SIGMAS, message)


def future_features(x: Floats, names: Sequence[str], y: Floats, rows: Integers) -> LeakFinding:
    """Ask each column alone to tell the label; one that nearly can is made of it."""
    labels = y[rows]
    aucs = [_column_auc(x[rows, column], labels) for column in range(x.shape[1])]
    worst = int(np.argmax(aucs))
    leaks = bool(aucs[worst] > MAX_FEATURE_AUC)
    message = f"{names[worst]} alone has an AUC of {aucs[worst]:.3f}"
    return LeakFinding("future_features", leaks, aucs[worst], MAX_FEATURE_AUC, message)


def purging(labels: Labels, folds: Sequence[Fold], embargo_bars: int, seed: int) -> LeakFinding:
    """Count training rows whose label reaches a test row or its embargo; and see that such rows would raise a score.

    The second is measured on a made random walk, where nothing can be known: with purging near one half, without far
    above. If it is not, the check is blind and says so.
    """
    touching = sum(_n_touching(labels, fold, embargo_bars) for fold in folds)
    effect = purge_effect(seed)
    if effect < MIN_PURGE_EFFECT:
        message = f"without purging the score rises by {effect:.3f} only: this check is blind"
        return LeakFinding("purging", True, effect, MIN_PURGE_EFFECT, message)
    message = f"{touching} training rows reach a test; without purging the score would rise by {effect:.2f}"
    return LeakFinding("purging", touching > 0, float(touching), 0.0, message)


def fold_isolation(
    x: Floats, segment: Integers, y: Floats, fold: Fold, experts: Sequence[Expert], seed: int
) -> LeakFinding:
    """Fit each expert twice, the second time with every row after its training rows spoiled: it must be the same model.

    A scaler or a selection of columns that was fitted on all rows tells them apart.
    """
    train = fold.train[~np.isnan(y[fold.train])]
    spoiled = x.copy()
    after = int(train.max()) + 1
    spoiled[after:] = np.random.default_rng(seed).normal(3, 50, spoiled[after:].shape)
    weight = np.ones(len(train))
    worst, guilty = 0.0, ""
    for expert in experts:
        clean, other = (expert.fit(given, segment, train, y[train], weight, seed) for given in (x, spoiled))
        probes = train[-200:]
        apart = float(np.abs(clean.predict(x, segment, probes) - other.predict(x, segment, probes)).max())
        if apart > worst:
            worst, guilty = apart, expert.name
    message = f"{guilty} changes by {worst:g} with rows it must not know" if guilty else "no expert knows later rows"
    return LeakFinding("fold_isolation", bool(guilty), worst, 0.0, message)


def purge_effect(seed: int, n: int = 1_200, horizon_bars: int = 24) -> float:
    """Return by how much a forest is better on a random walk when rows are shuffled instead of purged.

    Labels overlap over 24 bars and the features are slow, so that a shuffled neighbour gives the answer away.
    """
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(0, 1, n + horizon_bars))
    slow = np.column_stack([walk[:n] - np.concatenate([np.full(lag, walk[0]), walk[: n - lag]]) for lag in (24, 72)])
    x = np.column_stack([slow, walk[:n]])
    y = (walk[horizon_bars:] > walk[:n]).astype(np.float64)
    end = np.arange(n) + horizon_bars
    segment = np.zeros(n, dtype=np.int64)
    expert = RandomForest(n_trees=10, min_leaf=2, column_share=0.7, row_share=0.9, max_depth=30)
    order = rng.permutation(n)
    shuffled = Fold(np.sort(order[n // 5 :]), np.sort(order[: n // 5]))
    purged = purged_walk_forward(Labels(y, end, y), n // 2, n, n // 4, horizon_bars)

    def accuracy(folds: Sequence[Fold]) -> float:
        right = []
        for fold in folds:
            fitted = expert.fit(x, segment, fold.train, y[fold.train], np.ones(len(fold.train)), seed)
            right.append((fitted.predict(x, segment, fold.test) > 0.5) == (y[fold.test] == 1))
        return float(np.concatenate(right).mean())

    return accuracy([shuffled]) - accuracy(purged)


def _n_touching(labels: Labels, fold: Fold, embargo_bars: int) -> int:
    """Return how many training rows have a label whose span, with the embargo, meets a run of test rows."""
    count = 0
    breaks = np.flatnonzero(np.diff(fold.test) > embargo_bars + 1) + 1
    for run in np.split(fold.test, breaks):
        first, last = int(run[0]), int(labels.end[run].max()) + embargo_bars
        before = fold.train < first
        count += int((before & (labels.end[fold.train] >= first)).sum() + (~before & (fold.train <= last)).sum())
    return count


def _column_auc(value: Floats, labels: Floats) -> float:
    kept = np.isfinite(value) & ~np.isnan(labels)
    if len(np.unique(labels[kept])) < 2 or len(np.unique(value[kept])) < 2:
        return 0.5
    found = float(roc_auc_score(labels[kept], value[kept]))
    return max(found, 1 - found)
