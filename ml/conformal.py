"""When to abstain: sets of classes that hold the truth as often as promised, whatever the market does.

Adaptive conformal inference (Gibbs, Candes 2021) for two classes, one state per symbol and horizon. The set holds each
class whose score 1 - p(class) is within the quantile of past scores at level 1 - level. After a label the level moves
by gamma (target - miss). On any sequence of T labels, each known after at most d further predictions, the share of
misses is within (max(target', 1 - target') + (d + 1) gamma) / (gamma T) of the target, where target' is the first
level: it lives in [-(d + 1) gamma, 1 + (d + 1) gamma], since below 0 the set holds all and above 1 none. With d = 0 the
published bound is (max + gamma) / (gamma T).
"""

import json
import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from core.errors import BadInput, Conflict, Corrupt
from core.model.prediction import PredictionSet
from market.candles import Floats, Integers

WINDOW = 500
"""Past scores that the quantile is taken from."""


@dataclass(slots=True)
class AdaptiveConformal:
    """State of one symbol and horizon: predict a bar, later settle it, in order."""

    target: float = 0.1
    """Share of misses that is aimed at."""
    gamma: float = 0.005
    """How fast the level follows misses."""
    level: float = field(default=math.nan)
    scores: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    pending: deque[tuple[float, PredictionSet]] = field(default_factory=deque)
    """Probability and set of the predictions whose labels are not known yet, oldest first."""
    n_settled: int = 0
    n_missed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.target < 1 or not 0 < self.gamma < 1:
            raise BadInput(
                f"a target of {self.target:g} and a gamma of {self.gamma:g} promise nothing", "Both lie between 0 and 1"
            )
        if math.isnan(self.level):
            self.level = self.target

    def predict(self, p: float) -> PredictionSet:
        """Return the set for a probability of class 1, and remember it until its label is settled."""
        held = self.set_of(p)
        self.pending.append((p, held))
        return held

    def set_of(self, p: float) -> PredictionSet:
        """Return the set for a probability of class 1; nothing is remembered."""
        if self.level >= 1:
            return "none"
        if self.level <= 0 or not self.scores:
            return "both"
        past = np.fromiter(self.scores, dtype=np.float64)
        rank = math.ceil((1 - self.level) * (len(past) + 1))
        if rank > len(past):
            return "both"
        limit = float(np.partition(past, rank - 1)[rank - 1])
        has_up, has_down = 1 - p <= limit, p <= limit
        return ("both" if has_down else "up") if has_up else ("down" if has_down else "none")

    def settle(self, y: float) -> bool:
        """Learn the label, 0 or 1, of the oldest prediction that waits; return whether its set missed it.

        NaN, a label that will never be known, only takes the prediction away. Raises Conflict when none waits.
        """
        if not self.pending:
            raise Conflict("a label came for which no prediction waits", "Predict before settling")
        p, held = self.pending.popleft()
        if math.isnan(y):
            return False
        is_missed = held not in ("both", "up" if y == 1 else "down")
        self.level += self.gamma * (self.target - is_missed)
        self.scores.append(1 - p if y == 1 else p)
        self.n_settled += 1
        self.n_missed += is_missed
        return is_missed

    def bound(self, delay: int = 0) -> float | None:
        """Return how far the share of misses can be from the target by now, for a first level equal to the target."""
        if not self.n_settled:
            return None
        slack = max(self.target, 1 - self.target) + (delay + 1) * self.gamma
        return slack / (self.gamma * self.n_settled)

    def to_json(self) -> str:
        """Return the state as JSON, exactly."""
        state = {
            "target": self.target,
            "gamma": self.gamma,
            "level": self.level,
            "scores": list(self.scores),
            "pending": list(self.pending),
            "n_settled": self.n_settled,
            "n_missed": self.n_missed,
        }
        return json.dumps(state, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the state that `to_json` wrote. Raises Corrupt for anything else."""
        try:
            state = json.loads(text)
            pending = deque((_probability(p), _set(held)) for p, held in state["pending"])
            scores = deque((_probability(score) for score in state["scores"]), maxlen=WINDOW)
            target, gamma, level = (float(state[name]) for name in ("target", "gamma", "level"))
            return cls(target, gamma, level, scores, pending, int(state["n_settled"]), int(state["n_missed"]))
        except (ValueError, TypeError, KeyError, BadInput):
            raise Corrupt("the conformal state is not what was written", "Remove it; it starts anew") from None


def replay_sets(state: AdaptiveConformal, p: Floats, y: Floats, rows: Integers, end: Integers) -> list[PredictionSet]:
    """Return the set of each of `rows`, in order, each label settled once row `end` has come: the live code, looped."""
    sets: list[PredictionSet] = []
    waiting: deque[tuple[int, float]] = deque()
    for place, row in enumerate(rows):
        while waiting and waiting[0][0] <= row:
            state.settle(waiting.popleft()[1])
        sets.append(state.predict(float(p[place])))
        waiting.append((int(end[place]), float(y[place])))
    for _, label in waiting:
        state.settle(label)
    return sets


def coverage(sets: list[PredictionSet], y: Floats) -> float:
    """Return the share of labels that their sets hold."""
    is_held = [held in ("both", "up" if label == 1 else "down") for held, label in zip(sets, y, strict=True)]
    return float(np.mean(is_held))


def _probability(value: Any) -> float:
    number = float(value)
    if not 0 <= number <= 1:
        raise ValueError
    return number


def _set(value: object) -> PredictionSet:
    if value not in ("up", "down", "both", "none"):
        raise ValueError
    return value
