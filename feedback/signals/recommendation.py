"""How an order on a prediction should be worked: by its size beside the market's volume, and by how urgent it is.

The size is the largest order that the risk limits let through, the time a quarter of the horizon, as the strategy
`predictive` works its entries. Urgency is the expected move over the expected volatility.

    share of the volume in that time      urgency below 0.4         from 0.4 on
    up to 1 %                             immediate                 immediate
    1 % to 10 %                           twap (under an hour),     almgren_chriss with `urgency`
                                          vwap (an hour and more)
    above 10 %                            pov at 10 %               almgren_chriss with `urgency`

`slices` keeps each slice within 1 % of the volume of its part of the time, at most 20. With an unknown volume an order
is worked as `twap` in 10 slices: nothing says that the market takes it at once.
"""

import math
from dataclasses import dataclass

from core.model.prediction import Algorithm

SMALL_SHARE = 0.01
LARGE_SHARE = 0.10
URGENT = 0.4
WORKING_PART = 4
"""Of the horizon, as in strategy `predictive`."""
MAX_SLICES = 20
UNKNOWN_SLICES = 10
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Recommendation:
    """An algorithm, and hints for it by the names that the engine knows."""

    algorithm: Algorithm
    params: dict[str, float]


def recommend(
    notional: float, turnover_per_s: float | None, horizon_ms: int, move_bps: float, volatility_bps: float | None
) -> Recommendation:
    """Return how to work an order of `notional`, both in quote currency; see the head of this file."""
    if not turnover_per_s:
        return Recommendation("twap", {"slices": float(UNKNOWN_SLICES)})
    share = notional / (turnover_per_s * horizon_ms / 1000 / WORKING_PART)
    if share <= SMALL_SHARE:
        return Recommendation("immediate", {})
    slices = float(min(MAX_SLICES, max(2, math.ceil(share / SMALL_SHARE))))
    urgency = abs(move_bps) / volatility_bps if volatility_bps else 0.0
    if urgency >= URGENT:
        # kappa T: at the lowest urgency three quarters are done after half of the time, and more above it.
        return Recommendation("almgren_chriss", {"slices": slices, "urgency": round(2.0 * urgency / URGENT, 4)})
    if share > LARGE_SHARE:
        return Recommendation("pov", {"participation": LARGE_SHARE})
    return Recommendation("vwap" if horizon_ms >= HOUR_MS else "twap", {"slices": slices})
