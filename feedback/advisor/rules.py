"""The advisor's rules: what the numbers of this moment say to an opening order, without asking anybody.

Checks, in order; the first veto decides, else the smallest size does: equity against its peak; volatility against what
is usual for the symbol; a momentum entry against a strong trend; RSI at an extreme; the position after the order
against the equity.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from core.model.generated import AdviceRequest

VETO = 0.0
MAX_DRAWDOWN_PCT = 10.0
WARN_DRAWDOWN_PCT = 5.0
SPIKE = 3.0
"""Times the usual volatility at which nothing new is opened; at two times, half."""
HIGH = 2.0
STRONG_TREND = 1.5
"""Times the volatility of one bar by which the fast average leads the slow one."""
RSI_HIGH, RSI_LOW = 85.0, 15.0
MAX_CONCENTRATION = 1.0
"""Largest position in one symbol as a share of the instance's equity."""
MIN_FACTOR = 0.1
"""A smaller remainder is not worth its costs."""
_TREND_FOLLOWERS = frozenset({"momentum_scalping"})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the store knows beside the question. None where it knows nothing."""

    peak_equity_usd: Decimal | None
    usual_volatility_bps: float | None


@dataclass(frozen=True, slots=True)
class Opinion:
    """One check's word: the share of the quantity that may stay, 0 for a veto."""

    factor: float
    reason: str


def judge_request(request: AdviceRequest, surroundings: Surroundings) -> Opinion:
    """Return the first veto, else the smallest size, else `sound` at full size."""
    opinions = list(_opinions(request, surroundings))
    for opinion in opinions:
        if opinion.factor == VETO:
            return opinion
    return min(opinions, key=lambda opinion: opinion.factor, default=Opinion(1.0, "sound"))


def reduces(request: AdviceRequest) -> bool:
    """Return whether the order only takes away from the position: such an order is never gated."""
    signed = request.qty if request.side == "buy" else -request.qty
    return request.position * signed < 0 and request.qty <= abs(request.position)


def risk_score(request: AdviceRequest, surroundings: Surroundings) -> float | None:
    """Return the largest share of a veto's limit that is used up, 0 to 1; None where the market cannot be measured."""
    conditions, usual_bps = request.conditions, surroundings.usual_volatility_bps
    if conditions.volatility_bps is None or not usual_bps:
        return None
    shares = [0.0, conditions.volatility_bps / (SPIKE * usual_bps)]
    drawdown_pct = _drawdown_pct(request, surroundings.peak_equity_usd)
    if drawdown_pct is not None:
        shares.append(drawdown_pct / MAX_DRAWDOWN_PCT)
    if request.strategy in _TREND_FOLLOWERS and conditions.trend_bps is not None and conditions.volatility_bps:
        against_bps = -conditions.trend_bps if request.side == "buy" else conditions.trend_bps
        shares.append(against_bps / (STRONG_TREND * conditions.volatility_bps))
    return min(1.0, max(shares))


def _opinions(request: AdviceRequest, surroundings: Surroundings) -> Iterator[Opinion]:
    yield from _on_drawdown(request, surroundings.peak_equity_usd)
    yield from _on_volatility(request, surroundings.usual_volatility_bps)
    if request.strategy in _TREND_FOLLOWERS:
        yield from _on_trend(request)
        yield from _on_rsi(request)
    yield from _on_concentration(request)


def _on_drawdown(request: AdviceRequest, peak_usd: Decimal | None) -> Iterator[Opinion]:
    drawdown_pct = _drawdown_pct(request, peak_usd)
    if drawdown_pct is None:
        return
    if drawdown_pct >= MAX_DRAWDOWN_PCT:
        yield Opinion(VETO, "drawdown")
    elif drawdown_pct >= WARN_DRAWDOWN_PCT:
        yield Opinion(0.5, "drawdown_reduced")


def _drawdown_pct(request: AdviceRequest, peak_usd: Decimal | None) -> float | None:
    return None if peak_usd is None or peak_usd <= 0 else float((peak_usd - request.equity) / peak_usd) * 100


def _on_volatility(request: AdviceRequest, usual_bps: float | None) -> Iterator[Opinion]:
    now_bps = request.conditions.volatility_bps
    if now_bps is None or not usual_bps:
        return
    if now_bps >= SPIKE * usual_bps:
        yield Opinion(VETO, "volatility_spike")
    elif now_bps >= HIGH * usual_bps:
        yield Opinion(0.5, "volatility_high")


def _on_trend(request: AdviceRequest) -> Iterator[Opinion]:
    trend_bps, volatility_bps = request.conditions.trend_bps, request.conditions.volatility_bps
    if trend_bps is None or not volatility_bps:
        return
    with_us = trend_bps if request.side == "buy" else -trend_bps
    if with_us <= -STRONG_TREND * volatility_bps:
        yield Opinion(VETO, "against_trend")


def _on_rsi(request: AdviceRequest) -> Iterator[Opinion]:
    rsi = request.indicators.rsi
    if rsi is None:
        return
    if (request.side == "buy" and rsi >= RSI_HIGH) or (request.side == "sell" and rsi <= RSI_LOW):
        yield Opinion(0.5, "rsi_extreme")


def _on_concentration(request: AdviceRequest) -> Iterator[Opinion]:
    signed = request.qty if request.side == "buy" else -request.qty
    held_usd = float(abs(request.position) * request.price)
    after_usd = float(abs(request.position + signed) * request.price)
    limit_usd = MAX_CONCENTRATION * float(request.equity)
    if after_usd <= limit_usd or after_usd <= held_usd:
        return
    room_usd = limit_usd + (held_usd if request.position * signed < 0 else -held_usd)
    factor = int(100 * room_usd / float(request.qty * request.price)) / 100
    yield Opinion(VETO, "concentration") if factor < MIN_FACTOR else Opinion(factor, "concentration_reduced")
