"""The leak meter on a candle file: its own features, labels, folds and experts, all five checks."""

from collections.abc import Sequence

import numpy as np

from ml.evaluate.files import CandleFile, build_table, feature_values
from ml.evaluate.leaks import (
    LeakFinding,
    fold_isolation,
    future_features,
    prefix_invariance,
    purging,
    shuffled_labels,
)
from ml.evaluate.lineup import build_lineup
from ml.evaluate.protocol import EMBARGO_BARS, make_folds, predict_out_of_fold
from ml.evaluate.tasks import find_tasks

MAX_BARS = 12_000
"""Last free bars that are looked at: leaks do not need years."""
N_CUTS = 3


def measure_leaks(
    file: CandleFile,
    files: Sequence[CandleFile],
    models: Sequence[str],
    seed: int,
    n_threads: int,
    n_selected: int | None = None,
) -> tuple[LeakFinding, ...]:
    """Return the five findings on the sign five bars ahead; nothing of the locked period is read."""
    whole, _ = build_table(file, files, opens_locked=False)
    candles = file.candles.rows(slice(max(0, len(whole) - MAX_BARS), len(whole)))
    last = candles.opened_at_ms[-1]
    others = {one.symbol: one.candles.rows(one.candles.opened_at_ms <= last) for one in files if one is not file}
    cuts = sorted(np.random.default_rng(seed).integers(len(candles) // 2, len(candles), N_CUTS).tolist())
    prefix = prefix_invariance(lambda part: feature_values(file, part, others), candles, cuts)

    short = CandleFile(file.path, file.symbol, file.interval_ms, candles, file.findings)
    table, plan = build_table(short, files, opens_locked=False)
    task = find_tasks("sign:5")[0]
    labels = task.label(table, task.horizon_bars)
    folds = make_folds(labels, plan)
    experts = build_lineup(table.names, models, n_selected)
    learners = experts[len(experts) - len(models) :] if models else experts
    x, segment = table.values, table.segment
    shuffled = shuffled_labels(
        lambda y: predict_out_of_fold(x, segment, labels, y, folds, learners, seed, n_threads),
        labels.y,
        [expert.name for expert in learners],
        seed,
    )
    known = np.flatnonzero(labels.is_known)
    return (
        prefix,
        shuffled,
        future_features(x, table.names, labels.y, known),
        purging(labels, folds, EMBARGO_BARS, seed),
        fold_isolation(x, segment, labels.y, folds[0], learners, seed),
    )
