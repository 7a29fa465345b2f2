"""The features of one symbol, bar by bar as they close."""

from collections.abc import Callable, Sequence
from typing import Final

from core import native_features
from core.errors import BadInput
from market.candles import Candles, Floats, interval_name
from ml.features.registry import load_registry
from ml.features.table import FeatureTable


class FeatureStream:
    """Carries the features of one symbol; one bar costs the same however many came before.

    `update(opened_at_ms, open, high, low, close, volume, extras=None)` adds a closed candle and returns the columns
    (n_columns,): always the same array, with new numbers; copy what has to stay. `extras` holds the inputs beside the
    candle, (len(registry.extra_inputs),) in that order, NaN where unknown. A row equals, to the bit, the one that
    `build_features` gives for the same bars. The last candle once more changes nothing; any other candle that does not
    follow the last one starts a new segment.
    """

    __slots__ = ("_stream", "interval_ms", "names", "schema_sha256", "update")

    def __init__(self, interval_ms: int, names: Sequence[str] | None = None) -> None:
        """Start with no bars, for the columns named or all. Raises BadInput for an unknown name or interval."""
        interval_name(interval_ms)
        registry = load_registry()
        self.interval_ms: Final = interval_ms
        self.names: Final = registry.names if names is None else tuple(names)
        self.schema_sha256: Final = registry.schema_sha256
        self._stream = native_features.FeatureStream(self.names, interval_ms)
        self.update: Final[Callable[..., Floats]] = self._stream.update

    @property
    def segment(self) -> int:
        """Number of the unbroken run that the newest bar is in; -1 before the first bar."""
        return self._stream.segment

    def feed(self, symbol: str, candles: Candles, extras: Floats | None = None) -> FeatureTable:
        """Add a history and return its rows, as `update` would candle by candle. Raises BadInput for uneven columns."""
        rows = self._stream.update_all(bars_of(candles), extras)
        return table_of(symbol, self.interval_ms, self.names, self.schema_sha256, candles, rows)

    def state(self) -> bytes:
        """Return everything carried, to be stored."""
        return self._stream.state()

    def restore(self, state: bytes) -> None:
        """Go on from a stored state. Raises BadInput for damaged bytes and for a state of other columns or formulas."""
        self._stream.restore(state)


def bars_of(candles: Candles) -> native_features.FeatureBars:
    """Return candles as the engine takes them."""
    return native_features.FeatureBars(
        candles.opened_at_ms, candles.open, candles.high, candles.low, candles.close, candles.volume
    )


def table_of(
    symbol: str,
    interval_ms: int,
    names: tuple[str, ...],
    schema_sha256: str,
    candles: Candles,
    rows: native_features.FeatureRows,
) -> FeatureTable:
    """Return the engine's rows as a table."""
    if len(candles) and int(candles.opened_at_ms.max()) > 2**62:
        raise BadInput(f"a candle of {symbol} opens at {int(candles.opened_at_ms.max())} ms, which is no time")
    return FeatureTable(
        symbol=symbol,
        interval_ms=interval_ms,
        names=names,
        schema_sha256=schema_sha256,
        closed_at_ms=candles.opened_at_ms + interval_ms,
        close=candles.close,
        high=candles.high,
        low=candles.low,
        segment=rows.segment,
        values=rows.values,
    )
