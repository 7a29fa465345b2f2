"""What models said over a stretch of bars, as the columns that a backtest of strategy `predictive` takes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import trading_engine


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Arrays of equal length, one row a prediction, oldest first."""

    symbol: NDArray[np.int16]
    """Index into the symbols of the bars."""
    at_ns: NDArray[np.int64]
    """When the data it rests on were known, UTC; it is handed over with the close of the bar that holds this time."""
    expires_at_ns: NDArray[np.int64]
    horizon_ms: NDArray[np.int64]
    direction: NDArray[np.float64]
    """-1 (down) to 1 (up)."""
    confidence: NDArray[np.float64]
    """Calibrated probability that the sign is right."""
    expected_move_bps: NDArray[np.float64]
    expected_volatility_bps: NDArray[np.float64]
    """NaN where the model does not say."""

    def __len__(self) -> int:
        return len(self.at_ns)


def prediction_columns(predictions: Predictions | None) -> "trading_engine.PredictionArrays | None":
    """Return them as the engine takes them; shared by the parts of `core.native`."""
    if predictions is None:
        return None
    return {
        "symbol": np.ascontiguousarray(predictions.symbol, dtype=np.int16),
        "at_ns": np.ascontiguousarray(predictions.at_ns, dtype=np.int64),
        "expires_at_ns": np.ascontiguousarray(predictions.expires_at_ns, dtype=np.int64),
        "horizon_ms": np.ascontiguousarray(predictions.horizon_ms, dtype=np.int64),
        "direction": np.ascontiguousarray(predictions.direction, dtype=np.float64),
        "confidence": np.ascontiguousarray(predictions.confidence, dtype=np.float64),
        "expected_move_bps": np.ascontiguousarray(predictions.expected_move_bps, dtype=np.float64),
        "expected_volatility_bps": np.ascontiguousarray(predictions.expected_volatility_bps, dtype=np.float64),
    }
