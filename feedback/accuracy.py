"""How predictions turned out, by instance: how many were traded, how many were right, and what getting in cost."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from core import metrics
from core.model.trade import PerformanceRecord

MIN_INTERVAL = 10
"""Fewer values give a mean, and no interval of it."""


@dataclass(frozen=True, slots=True)
class PredictionScore:
    """Predictions that one instance was given. Shares and means are None without a value to make them of."""

    instance_id: str
    n: int
    outcomes: dict[str, int]
    """How many ended how, most frequent first."""
    n_taken: int
    n_hits: int
    """Those taken after which the price moved the way it was traded."""
    hit_share: float | None
    hit_low: float | None
    """Lower end of the 90 % interval of the share."""
    hit_high: float | None
    mean_move_bps: float | None
    """Mean move over the horizon in the direction traded, before costs."""
    move_low_bps: float | None
    """Lower end of its 90 % interval; None below 10 values."""
    move_high_bps: float | None
    mean_shortfall_bps: float | None
    """Mean cost of getting in, over the notional decided."""


def score_predictions(records: Iterable[PerformanceRecord]) -> tuple[PredictionScore, ...]:
    """Return the score of every instance with records, by its id."""
    by_instance: dict[str, list[PerformanceRecord]] = {}
    for record in records:
        by_instance.setdefault(record.instance_id, []).append(record)
    return tuple(_score(instance_id, of_it) for instance_id, of_it in sorted(by_instance.items()))


def _score(instance_id: str, records: Sequence[PerformanceRecord]) -> PredictionScore:
    taken = [record for record in records if record.outcome == "taken"]
    moves = [record.aligned_move_bps for record in taken if record.aligned_move_bps is not None]
    n_hits = sum(move > 0 for move in moves)
    share = metrics.share_interval(n_hits, len(moves))
    spread = mean_with_interval(moves)
    costs = [cost for record in taken if (cost := _entry_cost_bps(record)) is not None]
    counts = sorted(Counter(record.outcome for record in records).items(), key=lambda pair: (-pair[1], pair[0]))
    return PredictionScore(
        instance_id=instance_id,
        n=len(records),
        outcomes=dict(counts),
        n_taken=len(taken),
        n_hits=n_hits,
        hit_share=n_hits / len(moves) if moves else None,
        hit_low=None if share is None else share[0],
        hit_high=None if share is None else share[1],
        mean_move_bps=spread[0],
        move_low_bps=spread[1],
        move_high_bps=spread[2],
        mean_shortfall_bps=sum(costs) / len(costs) if costs else None,
    )


def mean_with_interval(values: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """Return the mean and the ends of its 90 % interval; the ends are None below 10 values, the mean without any."""
    if not values:
        return None, None, None
    array = np.asarray(values, dtype=np.float64)
    if len(array) < MIN_INTERVAL:
        return float(array.mean()), None, None
    low, high = metrics.mean_interval(array, seed=len(array))
    return float(array.mean()), low, high


def _entry_cost_bps(record: PerformanceRecord) -> float | None:
    if record.shortfall is None or record.decision_price is None or record.qty <= 0:
        return None
    return float(record.shortfall.total_usd / (record.qty * record.decision_price)) * 1e4
