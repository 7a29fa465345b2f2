"""Trades as arrays with one label a dimension: what patterns are looked for in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.clock import KST, kst_day
from core.model.trade import Trade
from feedback.regime_at import RegimeAt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Dimension = Literal["hour_kst", "weekday", "volatility", "symbol", "side", "strategy", "regime"]
DIMENSIONS: tuple[Dimension, ...] = ("hour_kst", "weekday", "volatility", "symbol", "side", "strategy", "regime")
BY_DAY = frozenset({"weekday", "regime"})
"""Dimensions that hardly change within a day: their labels are shuffled by the day."""
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True, eq=False)
class LabelledTrades:
    """Trades as arrays, oldest first: result in bps of notional, KST day number, and one label a dimension."""

    net_bps: Floats
    day: npt.NDArray[np.int64]
    labels: dict[Dimension, npt.NDArray[np.str_]]

    def after(self, day: int) -> "LabelledTrades":
        """Return the trades closed later than a KST day number."""
        later = self.day > day
        return LabelledTrades(
            self.net_bps[later], self.day[later], {name: values[later] for name, values in self.labels.items()}
        )

    def day_centred(self) -> Floats:
        """Return each result less the mean of its day, in bps."""
        _, day_index, counts = np.unique(self.day, return_inverse=True, return_counts=True)
        means = np.bincount(day_index, weights=self.net_bps) / counts
        return np.asarray(self.net_bps - means[day_index], dtype=np.float64)

    def sums_by_day(self, inside: Mask) -> Floats:
        """Return the sum of day-centred results of the trades inside, by day, in bps."""
        days, day_index = np.unique(self.day, return_inverse=True)
        weights = np.where(inside, self.day_centred(), 0.0)
        return np.bincount(day_index, weights=weights, minlength=len(days)).astype(np.float64)

    def lead_bps(self, dimension: Dimension, inside: Mask) -> float:
        """Return by how much the mean inside leads the rest in bps, in the way its dimension is tested."""
        values = self.net_bps if dimension in BY_DAY else self.day_centred()
        return float(values[inside].mean() - values[~inside].mean())


def label_trades(found: Sequence[Trade], regime_at: RegimeAt) -> LabelledTrades:
    """Return trades as arrays. Hour, weekday and regime are those of the entry decision; volatility is in terciles."""
    found = sorted(found, key=lambda trade: (trade.closed_at, trade.trade_id))
    entered = [trade.entry.decided_at.astimezone(KST) for trade in found]
    labels: dict[Dimension, list[str]] = {
        "hour_kst": [f"{at.hour:02d}" for at in entered],
        "weekday": [_WEEKDAYS[at.weekday()] for at in entered],
        "volatility": _terciles([trade.conditions.volatility_bps for trade in found]),
        "symbol": [trade.symbol for trade in found],
        "side": [trade.side for trade in found],
        "strategy": [trade.strategy for trade in found],
        "regime": [regime_at(trade.symbol, trade.entry.decided_at) or "" for trade in found],
    }
    return LabelledTrades(
        net_bps=np.array([float(trade.net_pnl_usd / trade.notional_usd) * 1e4 for trade in found], dtype=np.float64),
        day=np.array([kst_day(trade.closed_at).toordinal() for trade in found], dtype=np.int64),
        labels={name: np.array(values, dtype=np.str_) for name, values in labels.items()},
    )


def _terciles(values: Sequence[float | None]) -> list[str]:
    known = [value for value in values if value is not None]
    if not known:
        return ["" for _ in values]
    low, high = np.quantile(known, [1 / 3, 2 / 3])
    return ["" if v is None else "low" if v <= low else "mid" if v <= high else "high" for v in values]
