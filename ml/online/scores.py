"""Prequential scores: each prediction judged by the label that came after it, in the order in which labels came.

Log loss and Brier score stand beside those of the prior that was known at the same time; skill is 1 - loss / prior's
loss. A stream of overlapping labels counts as n / horizon independent ones where an interval is given.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

import numpy as np

from core.metrics import share_interval
from market.candles import Floats

N_BINS = 10


@dataclass(frozen=True, slots=True)
class Settled:
    """A prediction and what came true."""

    prediction_id: str
    symbol: str
    horizon_bars: int
    model_sha256: str
    regime: str
    probability: float
    """That the label is 1."""
    prior: float
    """The share of ones that was known when it was made."""
    y: int

    @property
    def confidence(self) -> float:
        """Probability of the side that was predicted, 0.5 to 1."""
        return max(self.probability, 1 - self.probability)

    @property
    def is_hit(self) -> bool:
        """Whether that side came true."""
        return (self.probability >= 0.5) == bool(self.y)

    @property
    def bucket(self) -> str:
        """Confidence in steps of five points, as `0.55-0.60`."""
        low = min(int(self.confidence * 20), 19) / 20
        return f"{low:.2f}-{low + 0.05:.2f}"


@dataclass(frozen=True, slots=True)
class Score:
    """How good a set of predictions was."""

    n: int
    n_effective: float
    accuracy: float
    accuracy_ci: tuple[float, float] | None
    """90 % interval over the effective number."""
    log_loss: float
    log_loss_skill: float | None
    brier_skill: float | None
    mean_confidence: float
    ece: float
    """Expected calibration error over ten equal bins of the probability."""


def score(settled: Iterable[Settled]) -> Score | None:
    """Return the score, or None for no prediction."""
    rows = list(settled)
    if not rows:
        return None
    p, prior = np.array([r.probability for r in rows]), np.array([r.prior for r in rows])
    y = np.array([float(r.y) for r in rows])
    n_hits, n_effective = sum(r.is_hit for r in rows), float(sum(1 / r.horizon_bars for r in rows))
    log_loss, prior_loss = _log_loss(p, y), _log_loss(prior, y)
    rounded = max(1, round(n_effective))
    return Score(
        n=len(rows),
        n_effective=n_effective,
        accuracy=n_hits / len(rows),
        accuracy_ci=share_interval(round(n_hits / len(rows) * rounded), rounded),
        log_loss=log_loss,
        log_loss_skill=_skill(log_loss, prior_loss),
        brier_skill=_skill(float(((p - y) ** 2).mean()), float(((prior - y) ** 2).mean())),
        mean_confidence=float(np.mean([r.confidence for r in rows])),
        ece=expected_calibration_error(p, y),
    )


def score_by(settled: Iterable[Settled], key: Callable[[Settled], Hashable]) -> dict[str, Score]:
    """Return the score of each group, by the text of its key, in the order of the texts."""
    groups: dict[str, list[Settled]] = {}
    for row in settled:
        groups.setdefault(str(key(row)), []).append(row)
    found = ((name, score(rows)) for name, rows in sorted(groups.items()))
    return {name: each for name, each in found if each is not None}


def expected_calibration_error(p: Floats, y: Floats) -> float:
    """Return the mean over ten equal bins, weighted by their rows, of |mean probability - share of ones|."""
    bins = np.minimum((p * N_BINS).astype(np.int64), N_BINS - 1)
    gaps = np.abs(np.bincount(bins, p, N_BINS) - np.bincount(bins, y, N_BINS))
    return float(gaps.sum() / len(p))


def _log_loss(p: Floats, y: Floats) -> float:
    clipped = np.clip(p, 1e-4, 1 - 1e-4)
    return float(-np.log(np.where(y > 0, clipped, 1 - clipped)).mean())


def _skill(loss: float, prior_loss: float) -> float | None:
    return None if prior_loss <= 0 else 1 - loss / prior_loss
