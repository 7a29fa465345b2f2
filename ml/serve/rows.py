"""The newest rows of one symbol as a model reads them: scaled and raw, from the start of the unbroken run."""

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import Refused
from market.candles import Floats
from ml.bundle import ModelCard
from ml.features.scaling import Scaler

Float32s = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class BarRow:
    """One closed bar with its features, in the registry's order."""

    closed_at_ms: int
    close: float
    segment: int
    """Number of the unbroken run of bars; another one forgets everything before."""
    values: Floats
    """(n_registry,) NaN where unknown; never written to again."""
    problem: str = ""
    """Why nothing may be said of this bar, though it is part of the series."""


class Columns:
    """From the registry's row to the model's: its columns, and the same on the card's scale."""

    __slots__ = ("_centre", "_clip", "_places", "_scale", "n")

    def __init__(self, card: ModelCard, registry_names: tuple[str, ...]) -> None:
        """Raise Refused for a feature that the registry does not know, and for a scaler of another width."""
        place = {name: at for at, name in enumerate(registry_names)}
        missing = [name for name in card.features if name not in place]
        if missing:
            raise Refused(f"the model reads {missing[0]}, which no feature is called", "Serve a model of this schema")
        scaler = Scaler.from_json(json.dumps(card.scaler))
        self.n = len(card.features)
        if len(scaler.mean) != self.n:
            raise Refused(f"the model scales {len(scaler.mean)} of its {self.n} features", "Train again")
        self._places = np.array([place[name] for name in card.features])
        self._centre, self._scale, self._clip = (np.array(part) for part in (scaler.mean, scaler.scale, scaler.clip))

    def raw(self, values: Floats) -> Floats:
        """Return the model's columns of registry rows (…, n_registry), unscaled."""
        return np.ascontiguousarray(values[..., self._places])

    def scaled(self, raw: Floats) -> Floats:
        """Return raw columns on the card's scale, NaN as 0; as `Scaler.transform`, to the bit."""
        scaled = np.clip((raw - self._centre) / self._scale, -self._clip, self._clip)
        scaled[np.isnan(scaled)] = 0.0
        result: Floats = scaled
        return result


class Run:
    """The rows of the unbroken run so far: how many there were, and the newest `keep` of them."""

    __slots__ = ("_end", "_keep", "_kept", "count", "is_changed", "last_raw", "last_scaled", "number")

    def __init__(self, keep: int, n_columns: int) -> None:
        """Hold no row yet."""
        self._keep = keep
        # Twice the room: the newest rows always lie side by side, and are moved once in `keep` rows.
        self._kept = np.empty((2, 2 * keep, n_columns), dtype=np.float32)
        self._end = self.count = 0
        self.number = 0
        """Of this run; what was carried for another one is worth nothing."""
        self.is_changed = True
        """Whether the newest row differs from the one before."""
        self.last_scaled: Floats = np.empty(0)
        self.last_raw: Floats = np.empty(0)

    def start(self) -> None:
        """Forget the rows: a new run begins."""
        self.number += 1
        self._end = self.count = 0

    def push(self, raw: Floats, scaled: Floats) -> None:
        """Add the newest row."""
        if self._end == 2 * self._keep:
            self._kept[:, : self._keep] = self._kept[:, self._keep :]
            self._end = self._keep
        self.is_changed = not self.count or not np.array_equal(raw, self.last_raw, equal_nan=True)
        self._kept[0, self._end], self._kept[1, self._end] = scaled, raw
        self.last_scaled, self.last_raw = scaled, raw
        self._end += 1
        self.count += 1

    def newest(self, n: int, is_scaled: bool) -> Float32s:
        """Return the newest n rows, or all kept where there are fewer, oldest first, as float32 (rows, k)."""
        rows: Float32s = self._kept[0 if is_scaled else 1, max(self._end - n, 0) : self._end]
        return rows
