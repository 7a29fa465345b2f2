"""Bringing columns to one scale with numbers learned from some rows only: plain arithmetic, kept as JSON."""

import json
import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from core.errors import Corrupt
from market.candles import Floats

CLIP = 5.0
"""Standard deviations; beyond them a value says "extreme" and nothing more."""


@dataclass(frozen=True, slots=True)
class Scaler:
    """Mean, scale and clip of each column. `transform` gives (x - mean) / scale within ±clip, and 0 for NaN."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    clip: tuple[float, ...]

    @classmethod
    def fit(cls, x: Floats, clip: float = CLIP) -> Self:
        """Return the scaler of the rows (n, k) given, and of no others; what is not finite does not count.

        A column without two different finite values is brought to 0.
        """
        finite = np.isfinite(x)
        n = finite.sum(axis=0)
        values = np.where(finite, x, 0.0)
        mean = values.sum(axis=0) / np.maximum(n, 1)
        centred = np.where(finite, values - mean, 0.0)
        scale = np.sqrt((centred**2).sum(axis=0) / np.maximum(n, 1))
        flat = scale <= 1e-12 * np.maximum(1.0, np.abs(mean))
        limit = np.where(flat, 0.0, clip)
        return cls(
            tuple(mean.tolist()), tuple(np.where(flat, 1.0, scale).tolist()), tuple(float(value) for value in limit)
        )

    def transform(self, x: Floats) -> Floats:
        """Return x (n, k) on the common scale, finite everywhere."""
        clip = np.array(self.clip)
        scaled = np.clip((x - np.array(self.mean)) / np.array(self.scale), -clip, clip)
        result: Floats = np.where(np.isnan(scaled), 0.0, scaled)
        return result

    def to_json(self) -> str:
        """Return the numbers as JSON, exactly."""
        return json.dumps({"mean": self.mean, "scale": self.scale, "clip": self.clip}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the scaler that `to_json` wrote. Raises Corrupt for anything else."""
        try:
            parts = json.loads(text)
            mean, scale, clip = (tuple(float(value) for value in parts[name]) for name in ("mean", "scale", "clip"))
        except (ValueError, TypeError, KeyError):
            raise Corrupt("the scaler is not what was written", "Train the model again") from None
        is_whole = len(mean) == len(scale) == len(clip) and all(map(math.isfinite, (*mean, *scale, *clip)))
        if not is_whole or any(value <= 0 for value in scale) or any(value < 0 for value in clip):
            raise Corrupt("the scaler's numbers make no scaler", "Train the model again")
        return cls(mean, scale, clip)
