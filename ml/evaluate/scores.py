"""How good probabilities were: each figure with its convention, and intervals that respect dependence in time.

P is (n, C), one column a class in the order of `classes`; y (n,) holds the classes. Skills compare with the prior's
probabilities of the same rows, made before them: 1 - loss / prior's loss. What cannot be computed is None.
"""

import numpy as np
import numpy.typing as npt
from sklearn.metrics import balanced_accuracy_score, matthews_corrcoef, roc_auc_score

from market.candles import Floats, Integers

Mask = npt.NDArray[np.bool_]

WEEK_MS = 7 * 86_400_000
N_RESAMPLES = 1_000
THRESHOLD_WINDOW = 4_000
"""Scores before a row that its threshold is taken from."""
THRESHOLD_EVERY = 24
MIN_PAST_SCORES = 500
N_BINS = 10


def hits(p: Floats, y: Floats, classes: Floats) -> Mask:
    """Return (n,) whether the likeliest class came true; of two equally likely ones the later counts as predicted."""
    last_best = p.shape[1] - 1 - np.argmax(p[:, ::-1], axis=1)
    return np.asarray(classes[last_best] == y, dtype=bool)


def log_losses(p: Floats, y: Floats, classes: Floats) -> Floats:
    """Return (n,) -ln of the probability of what came true, in nats."""
    return -np.log(p[np.arange(len(y)), np.searchsorted(classes, y)])


def brier_losses(p: Floats, y: Floats, classes: Floats) -> Floats:
    """Return (n,) the sum over classes of squared differences to 0 or 1 (Brier 1950)."""
    losses: Floats = ((p - (y[:, None] == classes)) ** 2).sum(axis=1)
    return losses


def skill(losses: Floats, prior_losses: Floats) -> float | None:
    """Return 1 - sum of losses / sum of the prior's."""
    total = float(prior_losses.sum())
    return None if total <= 0 else 1 - float(losses.sum()) / total


def auc(p: Floats, y: Floats, classes: Floats) -> float | None:
    """Return the area under the ROC curve of the last class; of three classes the mean of each against the rest."""
    if any(not (y == one).any() or bool((y == one).all()) for one in classes):
        return None
    if len(classes) == 2:
        return float(roc_auc_score(y == classes[1], p[:, 1]))
    return float(np.mean([roc_auc_score(y == one, p[:, column]) for column, one in enumerate(classes)]))


def balanced_accuracy(p: Floats, y: Floats, classes: Floats) -> float | None:
    """Return the mean over the classes that occur of the share of their rows that was predicted."""
    return float(balanced_accuracy_score(y, _predicted(p, classes))) if len(y) else None


def matthews(p: Floats, y: Floats, classes: Floats) -> float | None:
    """Return the correlation coefficient of Matthews (1975), for several classes that of Gorodkin (2004)."""
    return float(matthews_corrcoef(y, _predicted(p, classes))) if len(y) else None


def calibration_error(p: Floats, y: Floats, classes: Floats) -> float | None:
    """Return the expected calibration error (ECE) over 10 bins of equal count, weighted by count.

    Of two classes, mean |probability of the second - its share|; of three, of the likeliest class and whether it came.
    """
    if len(y) < N_BINS:
        return None
    if len(classes) == 2:
        said, came = p[:, 1], (y == classes[1]).astype(np.float64)
    else:
        said, came = p.max(axis=1), hits(p, y, classes).astype(np.float64)
    order = np.argsort(said, kind="stable")
    parts = np.array_split(order, N_BINS)
    return float(sum(len(part) * abs(said[part].mean() - came[part].mean()) for part in parts) / len(y))


def most_confident(score: Floats, share: float) -> Mask:
    """Return (n,) which rows score above the 1 - share quantile of the scores before them, at most 4,000.

    The threshold of a row is from earlier rows only and renewed every 24; the first 500 rows are never chosen.
    """
    chosen = np.zeros(len(score), dtype=bool)
    for start in range(MIN_PAST_SCORES, len(score), THRESHOLD_EVERY):
        limit = np.quantile(score[max(0, start - THRESHOLD_WINDOW) : start], 1 - share)
        chosen[start : start + THRESHOLD_EVERY] = score[start : start + THRESHOLD_EVERY] > limit
    return chosen


def mean_interval(values: Floats, at_ms: Integers, seed: int) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean over rows by drawing whole weeks anew 1,000 times; None below two weeks.

    Rows of a week stay together, so labels that overlap and clustered errors widen it. Percentile method.
    """
    _, week = np.unique(at_ms // WEEK_MS, return_inverse=True)
    n_weeks = int(week.max()) + 1 if len(week) else 0
    if n_weeks < 2:
        return None
    sums = np.bincount(week, values, n_weeks)
    counts = np.bincount(week, minlength=n_weeks).astype(np.float64)
    drawn = np.random.default_rng(seed).integers(0, n_weeks, (N_RESAMPLES, n_weeks))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def effective_n(rows: Integers, end: Integers) -> int:
    """Return how many of the rows have labels that do not overlap, taken greedily from the first."""
    count, free = 0, -1
    for row, last in zip(rows.tolist(), end.tolist(), strict=True):
        if row >= free:
            count, free = count + 1, last
    return count


def _predicted(p: Floats, classes: Floats) -> Floats:
    last_best = p.shape[1] - 1 - np.argmax(p[:, ::-1], axis=1)
    predicted: Floats = classes[last_best]
    return predicted
