"""What acting on surer predictions alone would have brought: the move in the predicted direction less its costs.

Means are of closing times, over which symbols and models are averaged first: moves of one moment are not independent.
Intervals are by batch means (Schmeiser 1982): twenty runs of successive closing times, each longer than a horizon,
whose means are as good as independent, and Student's t of these.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from scipy import stats

from core.model.prediction import PredictionRecord
from core.model.scorecard import Figure
from feedback.track_record import MIN_EFFECTIVE, effective_number

FLOORS = tuple(round(0.5 + 0.05 * step, 2) for step in range(9))
"""Confidences from which on predictions count: 0.50, 0.55, …, 0.90."""
N_BATCHES = 20


@dataclass(frozen=True, slots=True)
class FilterLine:
    """The settled predictions of a direction whose confidence is at least `floor`. In bps of the price."""

    floor: float
    n: int
    n_effective: float
    share: float
    """Of all settled predictions of a direction."""
    gross_bps: Figure
    net_bps: Figure
    """Less fees and slippage of getting in and out."""


def net_by_confidence(records: Iterable[PredictionRecord], cost_bps: float) -> tuple[FilterLine, ...]:
    """Return a line for every floor that a settled prediction reaches; `cost_bps` is for both ways together."""
    settled = sorted((r for r in records if r.outcome is not None and r.direction), key=lambda r: r.at)
    lines = []
    for floor in FLOORS:
        # As in the buckets of confidence: 0.6 kept as 0.5999999999 is 0.6.
        kept = [record for record in settled if record.confidence >= floor - 1e-9]
        if kept:
            lines.append(_line(floor, kept, len(kept) / len(settled), cost_bps))
    return tuple(lines)


def _line(floor: float, kept: Sequence[PredictionRecord], share: float, cost_bps: float) -> FilterLine:
    n_effective = effective_number(kept)
    at_close: dict[datetime, list[float]] = {}
    for record in kept:
        assert record.outcome is not None
        at_close.setdefault(record.at, []).append(np.sign(record.direction) * record.outcome.move_bps)
    gross = np.array([np.mean(moves) for moves in at_close.values()])
    return FilterLine(
        floor=floor,
        n=len(kept),
        n_effective=n_effective,
        share=share,
        gross_bps=_figure(gross, len(kept), n_effective),
        net_bps=_figure(gross - cost_bps, len(kept), n_effective),
    )


def _figure(values: np.ndarray, n: int, n_effective: float) -> Figure:
    """Return the mean with its 90 % interval; neither where the effective number is too small."""
    if n_effective < MIN_EFFECTIVE:
        return Figure(None, None, None, n, "too_few_outcomes", n_effective, MIN_EFFECTIVE)
    means = [float(batch.mean()) for batch in np.array_split(values, N_BATCHES)]
    reach = float(stats.t.ppf(0.95, N_BATCHES - 1) * np.std(means, ddof=1) / N_BATCHES**0.5)
    mean = float(values.mean())
    return Figure(mean, mean - reach, mean + reach, n)
