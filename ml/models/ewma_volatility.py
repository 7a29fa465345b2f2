"""The yardstick of volatility: a logistic curve in the exponentially weighted one. What it knows, anybody knows."""

from dataclasses import dataclass

from market.candles import Floats, Integers
from ml.models.one_column import FittedCurve, fit_curve


@dataclass(frozen=True, slots=True)
class EwmaVolatility:
    """Reads one column, a volatility or its logarithm."""

    column: int
    name: str = "ewma_volatility"
    lookback: int = 1

    def fit(self, x: Floats, segment: Integers, rows: Integers, y: Floats, weight: Floats, seed: int) -> FittedCurve:
        """Return the curve."""
        return fit_curve(self.column, x, rows, y, weight)
