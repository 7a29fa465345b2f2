"""What the model is shown of a question: shares, ratios and counts. No symbol, price, date, or text of anybody."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.clock import KST, from_ns
from core.model.advice import SizeClass
from core.model.canonical import canonical_json
from core.model.generated import AdviceRequest
from core.model.trade import Trade
from feedback.advisor.rules import Surroundings

RECENT_TRADES = 20


@dataclass(frozen=True, slots=True)
class RecentTrades:
    """The last closed trades of the instance, in all."""

    n: int
    win_share: float | None
    mean_bps: float | None


def summarise_recent(trades: Sequence[Trade]) -> RecentTrades:
    """Return count, share of winners, and mean result after costs in bps of notional."""
    if not trades:
        return RecentTrades(0, None, None)
    results = [float(trade.net_pnl_usd / trade.notional_usd) * 1e4 for trade in trades if trade.notional_usd > 0]
    mean = sum(results) / len(results) if results else None
    return RecentTrades(len(trades), sum(t.net_pnl_usd > 0 for t in trades) / len(trades), mean)


def write_facts(request: AdviceRequest, size: SizeClass, surroundings: Surroundings, recent: RecentTrades) -> str:
    """Return the facts as one line of JSON with the same keys in the same order every time."""
    sign = 1.0 if request.side == "buy" else -1.0
    conditions, indicators = request.conditions, request.indicators
    volatility_bps, equity = conditions.volatility_bps, request.equity
    return canonical_json(
        {
            "strategy": request.strategy,
            "side": request.side,
            "strength": _round(request.strength, 2),
            "size": size,
            "order_share": _share(request.notional, equity),
            "position_share": _share(request.position * request.price, equity),
            "drawdown_pct": _drawdown_pct(equity, surroundings.peak_equity_usd),
            "volatility_ratio": _ratio(volatility_bps, surroundings.usual_volatility_bps, 2),
            "trend_for_us": _signed(_ratio(conditions.trend_bps, volatility_bps, 2), sign),
            "volume_ratio": _round(conditions.volume_ratio, 2),
            "rsi_for_us": _rsi(indicators.rsi, sign),
            "macd_for_us": _macd(indicators.macd, indicators.macd_signal, sign),
            "band_for_us": _band(request, sign),
            "recent": {
                "n": recent.n,
                "win_share": _round(recent.win_share, 2),
                "mean_bps": _round(recent.mean_bps, 1),
            },
            "hour_kst": from_ns(request.at_ns).astimezone(KST).hour,
        }
    )


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, digits)


def _share(part: Decimal, whole: Decimal) -> float:
    return round(float(part / whole), 3)


def _ratio(value: float | None, usual: float | None, digits: int) -> float | None:
    return None if value is None or not usual else _round(value / usual, digits)


def _signed(value: float | None, sign: float) -> float | None:
    return None if value is None else value * sign


def _drawdown_pct(equity: Decimal, peak: Decimal | None) -> float | None:
    return None if peak is None or peak <= 0 else _round(max(0.0, float((peak - equity) / peak) * 100), 1)


def _rsi(rsi: float | None, sign: float) -> float | None:
    return _round(rsi if rsi is None or sign > 0 else 100 - rsi, 0)


def _macd(macd: float | None, signal: float | None, sign: float) -> int | None:
    if macd is None or signal is None:
        return None
    return int(math.copysign(1, (macd - signal) * sign)) if macd != signal else 0


def _band(request: AdviceRequest, sign: float) -> float | None:
    upper, lower = request.indicators.bollinger_upper, request.indicators.bollinger_lower
    if upper is None or lower is None or upper <= lower:
        return None
    place = (2 * float(request.price) - upper - lower) / (upper - lower)
    return _signed(_round(place, 2), sign)
