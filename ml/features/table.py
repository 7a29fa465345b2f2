"""The features of one symbol as a table: one row a closed bar, one column a feature."""

from dataclasses import dataclass

from market.candles import Floats, Integers


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTable:
    """Features of one symbol, oldest bar first. NaN where a feature is not known yet or its source is missing."""

    symbol: str
    interval_ms: int
    names: tuple[str, ...]
    """One a column, as the registry orders them."""
    schema_sha256: str
    """Hash of the registry that gave the columns their meaning; a model reads no other."""
    closed_at_ms: Integers
    """(n,) when each bar closed: what a row says was known then, UTC milliseconds since 1970."""
    close: Floats
    """(n,) closing price in quote currency, for labels; no feature."""
    high: Floats
    low: Floats
    segment: Integers
    """(n,) number of the unbroken run of bars that a row is in; no window, label or sequence crosses a border."""
    values: Floats
    """(n, len(names)) float64."""

    def __len__(self) -> int:
        return len(self.closed_at_ms)
