"""The yardstick of trend: above its moving average the price goes on rising.

How often that held is learned; its direction is not.
"""

from dataclasses import dataclass

from market.candles import Floats, Integers
from ml.models.one_column import FittedSides, fit_sides


@dataclass(frozen=True, slots=True)
class SmaCross:
    """Reads one column, whose sign is the rule's."""

    column: int
    name: str = "sma_cross"
    lookback: int = 1

    def fit(self, x: Floats, segment: Integers, rows: Integers, y: Floats, weight: Floats, seed: int) -> FittedSides:
        """Return how often y was 1 on each side."""
        return fit_sides(self.column, True, x, rows, y, weight)
