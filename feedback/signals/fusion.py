"""One view out of all intervals: the Bayes mixture of what the intervals' models last said, on the longest horizon.

The intervals are the experts of an ensemble of their own (`ml.ensemble`), beside one half as the prior: one that proves
right at the longest horizon gains weight, and the whole is never worse than the best of them by more than the bound.
An interval whose last word is older than its own bar has no say.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.model.prediction import PredictionSet
from market.candles import interval_name
from ml.conformal import AdaptiveConformal
from ml.ensemble import MAX_DELAY, PRIOR, Ensemble
from ml.serve import Member, Said


@dataclass(frozen=True, slots=True)
class FusedView:
    """The mixture at one base bar."""

    probability: float
    side: PredictionSet
    members: tuple[Member, ...]
    strongest: Said
    """What the interval with the largest weight among those that spoke said."""


class Fuser:
    """One symbol's. `intervals_ms` rise, two or more."""

    def __init__(self, intervals_ms: tuple[int, ...], base_ms: int, longest_ms: int, miss_target: float) -> None:
        """Begin before the first bar; a horizon of more than 512 base bars is shortened to that."""
        self._names = {interval_ms: interval_name(interval_ms) for interval_ms in intervals_ms}
        self.base_ms, self._longest_ms = base_ms, longest_ms
        self.horizon_bars = min(longest_ms // base_ms, MAX_DELAY)
        self._ensemble = Ensemble.start((*self._names.values(), PRIOR), self.horizon_bars - 1)
        self._sets = AdaptiveConformal(target=miss_target)
        self._waiting: deque[tuple[int, float]] = deque()

    @property
    def horizon_ms(self) -> int:
        """From a base bar's close to where its label is settled."""
        return self.horizon_bars * self.base_ms

    def covers(self, intervals_ms: tuple[int, ...], longest_ms: int) -> bool:
        """Whether it was made for these."""
        return tuple(self._names) == intervals_ms and self._longest_ms == longest_ms

    def advance(self, at_ms: int, close: float, said: Mapping[int, Said]) -> FusedView | None:
        """Take a closed base bar and what the intervals last said; None while none of them has a say."""
        while self._waiting and self._waiting[0][0] <= at_ms:
            due_ms, before = self._waiting.popleft()
            label = math.nan if due_ms != at_ms or close == before else float(close > before)
            self._ensemble.settle(label)
            self._sets.settle(label)
        p = np.full(len(self._names) + 1, np.nan)
        p[-1] = 0.5
        for place, interval_ms in enumerate(self._names):
            one = said.get(interval_ms)
            if one is not None and one.probability is not None and at_ms - one.at_ms < interval_ms:
                p[place] = one.probability
        if np.isnan(p[:-1]).all():
            return None
        forecast = self._ensemble.predict(p)
        self._waiting.append((at_ms + self.horizon_ms, close))
        weights = forecast.weights[: len(p)]
        members = tuple(
            Member(name, None if math.isnan(value) else float(value), float(weight))
            for name, value, weight in zip((*self._names.values(), PRIOR), p, weights, strict=True)
        )
        best = int(np.argmax(np.where(np.isnan(p[:-1]), -1.0, weights[:-1])))
        side = self._sets.predict(forecast.probability)
        return FusedView(forecast.probability, side, members, said[list(self._names)[best]])
