"""Feature columns of the compiled engine: over a history in one call, and bar by bar.

The third part of `core.native`, under the same rules. Both forms run the same code and give the same bits. A gap, a
revised candle or one that cannot be a candle's starts a new segment: nothing of the bars before reaches a later row.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import trading_engine
from numpy.typing import NDArray

from core.errors import BadInput

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureBars:
    """Candles of one symbol as columns of equal length, in the order in which they came."""

    opened_at_ms: Integers
    """UTC milliseconds since 1970."""
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    """In base units."""

    def __len__(self) -> int:
        return len(self.opened_at_ms)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureRows:
    """Columns of a history, a row a bar."""

    values: Floats
    """(n, n_columns); NaN where a column is not known."""
    segment: Integers
    """(n,) number of the unbroken run that a row is in, from 0; a candle that is none has a number of its own."""


def load_feature_schema() -> dict[str, Any]:
    """Return the registry of this build of the engine: `schema_sha256`, `inputs`, `features` and raw `indicators`."""
    schema: dict[str, Any] = json.loads(trading_engine.features_schema())
    return schema


def features_batch(
    names: Sequence[str], interval_ms: int, bars: FeatureBars, extras: Floats | None = None
) -> FeatureRows:
    """Return the named columns, in that order, over all bars; what no column needs is not worked out.

    `extras` is (n, number of inputs after the candle's), NaN where unknown; without it all are. Raises BadInput for no
    name, an unknown one, an interval that is no length, and columns of different length.
    """
    rows = _empty(len(bars), len(names))
    try:
        trading_engine.features_batch(
            list(names), interval_ms, _columns(bars), _rows(extras), rows.values, rows.segment
        )
    except ValueError as error:
        raise BadInput(str(error)) from error
    return rows


class FeatureStream:
    """The named columns of one symbol, bar by bar, in constant time a bar.

    `update(opened_at_ms, open, high, low, close, volume, extras=None)` adds a closed candle and returns the columns:
    always the same array, with new numbers; copy what has to stay. The last candle once more changes nothing.
    """

    __slots__ = ("_stream", "names", "update")

    update: Final[Callable[..., Floats]]

    def __init__(self, names: Sequence[str], interval_ms: int) -> None:
        """Start with no bars. Raises BadInput for no name, an unknown one, or an interval that is no length."""
        try:
            self._stream = trading_engine.FeatureStream(list(names), interval_ms)
        except ValueError as error:
            raise BadInput(str(error)) from error
        self.names: Final = tuple(names)
        # The compiled method itself: a call in between would cost as much as the work.
        self.update = self._stream.update

    def update_all(self, bars: FeatureBars, extras: Floats | None = None) -> FeatureRows:
        """Add all bars of a history and return their rows, as `update` would bar by bar. Raises BadInput as batch."""
        rows = _empty(len(bars), len(self.names))
        try:
            self._stream.update_all(_columns(bars), _rows(extras), rows.values, rows.segment)
        except ValueError as error:
            raise BadInput(str(error)) from error
        return rows

    @property
    def segment(self) -> int:
        """Number of the unbroken run that the newest bar is in; -1 before the first bar."""
        return self._stream.segment

    def state(self) -> bytes:
        """Return everything carried; `restore` goes on from it."""
        return self._stream.state()

    def restore(self, state: bytes) -> None:
        """Go on where a stream of the same columns was. Raises BadInput for damaged bytes or a foreign state."""
        try:
            self._stream.restore(state)
        except ValueError as error:
            raise BadInput(str(error), "Feed the stream its history again") from error


def _empty(n_rows: int, n_columns: int) -> FeatureRows:
    return FeatureRows(np.empty((n_rows, n_columns), dtype=np.float64), np.empty(n_rows, dtype=np.int64))


def _rows(extras: Floats | None) -> Floats | None:
    return None if extras is None else np.ascontiguousarray(extras, dtype=np.float64)


def _columns(bars: FeatureBars) -> "trading_engine.FeatureBars":
    return {
        "opened_at_ms": np.ascontiguousarray(bars.opened_at_ms, dtype=np.int64),
        "open": np.ascontiguousarray(bars.open, dtype=np.float64),
        "high": np.ascontiguousarray(bars.high, dtype=np.float64),
        "low": np.ascontiguousarray(bars.low, dtype=np.float64),
        "close": np.ascontiguousarray(bars.close, dtype=np.float64),
        "volume": np.ascontiguousarray(bars.volume, dtype=np.float64),
    }
