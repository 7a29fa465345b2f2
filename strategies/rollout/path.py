"""How a change stood after each of its days: what the guard looked at, and what is known of the mean of d. Pure.

People look every day. So the interval is a confidence sequence, which holds on all days at once: whoever stops at the
first day on which it says something is not misled more often than its level.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.model.canary import Canary, CanaryDay
from strategies.gate.moments import RunningMoments
from strategies.gate.sequential import EDetector, confidence_sequence_path
from strategies.rollout.guard import difference_of, sealed_moments

LEVEL = 0.10
"""The confidence sequence ever misses the mean with this probability."""


@dataclass(frozen=True, slots=True)
class GuardPoint:
    """Where a change stood after a day. Money in USD at the whole capital; None is not known, or too few to tell."""

    day: CanaryDay
    d_usd: float | None
    n_days: int
    """Days so far of which d is known."""
    sum_usd: float
    """d so far, from the first day of the shadow on."""
    low_usd: float | None
    """With `high_usd` the bounds on what the sum would be at the true mean."""
    high_usd: float | None
    promised_usd: float
    """What the sum would be had every known day made what the sealed days promised."""
    floor_usd: float
    """A sum at or below this is harm: the loss budget, which counts anew from the promotion on."""
    statistic: float | None
    """The running t of d, against the boundary."""
    drift: float | None
    """The e-detector since the promotion, against its threshold."""


def guard_path(canary: Canary, days: Sequence[CanaryDay]) -> tuple[GuardPoint, ...]:
    """Return where the change stood after each of `days`, oldest first."""
    made = [difference_of(canary.promise, day) for day in days]
    bounds = _bounds_of([d for d in made if d is not None])
    moments, detector = RunningMoments(), EDetector(sealed_moments(canary.promise))
    budget = canary.terms.loss_budget_usd
    floor, is_promoted = -budget, False
    points = []
    for day, d in zip(days, made, strict=True):
        if day.stage == "promoted" and not is_promoted:
            # The old budget stays in force beside the new one; the nearer of the two is the floor.
            floor, is_promoted = max(-budget, moments.mean * moments.n - budget), True
        if d is not None:
            moments = moments.updated(d)
            detector = detector.updated(d) if is_promoted else detector
        low, high = bounds[moments.n - 1] if moments.n else (None, None)
        points.append(
            GuardPoint(
                day=day,
                d_usd=d,
                n_days=moments.n,
                sum_usd=moments.mean * moments.n,
                low_usd=low,
                high_usd=high,
                promised_usd=canary.promise.mean_usd * moments.n,
                floor_usd=floor,
                statistic=moments.t_statistic,
                drift=detector.value if is_promoted else None,
            )
        )
    return tuple(points)


def _bounds_of(d: Sequence[float]) -> list[tuple[float | None, float | None]]:
    """Return by known day the bounds on the sum at the true mean; None before there are any."""
    if not d:
        return []
    low, high = confidence_sequence_path(np.asarray(d, dtype=np.float64), LEVEL)
    n = np.arange(1, len(d) + 1)
    return [
        (_known(below), _known(above)) for below, above in zip((n * low).tolist(), (n * high).tolist(), strict=True)
    ]


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
