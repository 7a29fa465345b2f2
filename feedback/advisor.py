"""The advisor on large trades: a deterministic rule with a reason code. It can stop or shrink an order, never raise it.

Checks, in order; the first veto decides, else the smallest size does:
the question is sound and still open; equity against its peak; volatility against what is usual for the symbol; a
momentum entry against a strong trend; RSI at an extreme; the position after the order against the equity.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from statistics import median

from core.clock import Clock, from_ns, to_ns
from core.model.generated import AdviceAnswer, AdviceRequest, Message
from core.model.trade import AdviceRecord
from core.settings_sections import AdvisorSettings
from core.store import Session, advice, signals
from feedback.peaks import peak_of

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
MIN_USUAL = 10
"""Signals needed to say what volatility is usual."""
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


@dataclass(frozen=True, slots=True)
class RealTimeAIAdvisor:
    """Answers the engine. `send` puts a message into the bridge's outbox within the caller's transaction."""

    clock: Clock
    settings: AdvisorSettings
    usd_krw: Callable[[Session, datetime], tuple[Decimal, bool]]
    send: Callable[[Session, Message], int]

    def answer(self, session: Session, request: AdviceRequest) -> AdviceRecord:
        """Store the answer and send it, both in the caller's transaction. A repeated question gets the same answer."""
        stored = advice.find(session, request.advice_id)
        if stored is None:
            rate, is_stale = self.usd_krw(session, from_ns(request.at_ns))
            record = self.should_trade(request, None if is_stale else rate, self._surroundings(session, request))
            advice.add(session, record)
        elif (stored.symbol, stored.side, stored.qty) == (request.symbol, request.side, request.qty):
            record = stored
        else:
            record = _record(request, self.clock.now(), None, Opinion(VETO, "advice_id_reused"))
        self.send(session, _message(record))
        return record

    def should_trade(
        self, request: AdviceRequest, krw_per_usd: Decimal | None, surroundings: Surroundings
    ) -> AdviceRecord:
        """Return yes, less, or no, with a reason code. Pure but for the clock.

        `krw_per_usd` is None when the rate is stale or unknown; then the trade counts as large.
        """
        now = self.clock.now()
        notional_krw = None if krw_per_usd is None else request.notional * krw_per_usd
        fault = _fault(request, now)
        if fault is not None:
            return _record(request, now, None, Opinion(VETO, fault))
        if not is_large(request, notional_krw, self.settings):
            return _record(request, now, notional_krw, Opinion(1.0, "not_large"))
        return _record(request, now, notional_krw, judge_request(request, surroundings))

    def _surroundings(self, session: Session, request: AdviceRequest) -> Surroundings:
        seen = signals.latest_of_symbol(session, request.symbol, 50)
        known = [s.conditions.volatility_bps for s in seen if s.conditions.volatility_bps is not None]
        peak = peak_of(session, [request.instance_id])
        return Surroundings(
            peak_equity_usd=None if peak is None else peak.usd,
            usual_volatility_bps=median(known) if len(known) >= MIN_USUAL else None,
        )


def is_large(request: AdviceRequest, notional_krw: Decimal | None, settings: AdvisorSettings) -> bool:
    """Return whether a trade needs advice: a strong signal, a large notional, or a notional unknown in KRW."""
    if notional_krw is None or request.strength > settings.min_strength:
        return True
    return notional_krw > Decimal(str(settings.min_notional_krw))


def judge_request(request: AdviceRequest, surroundings: Surroundings) -> Opinion:
    """Return the first veto, else the smallest size, else `sound` at full size."""
    opinions = list(_opinions(request, surroundings))
    for opinion in opinions:
        if opinion.factor == VETO:
            return opinion
    return min(opinions, key=lambda opinion: opinion.factor, default=Opinion(1.0, "sound"))


def _opinions(request: AdviceRequest, surroundings: Surroundings) -> Iterator[Opinion]:
    yield from _on_drawdown(request, surroundings.peak_equity_usd)
    yield from _on_volatility(request, surroundings.usual_volatility_bps)
    if request.strategy in _TREND_FOLLOWERS:
        yield from _on_trend(request)
        yield from _on_rsi(request)
    yield from _on_concentration(request)


def _fault(request: AdviceRequest, now: datetime) -> str | None:
    amounts = (request.notional, request.qty, request.price, request.equity)
    if not all(amount.is_finite() and amount > 0 for amount in amounts) or not request.position.is_finite():
        return "implausible_request"
    # The engine decides by its own clock; an answer that is late here would not be used there either.
    return "late" if to_ns(now) >= request.deadline_ns else None


def _on_drawdown(request: AdviceRequest, peak_usd: Decimal | None) -> Iterator[Opinion]:
    if peak_usd is None or peak_usd <= 0:
        return
    drawdown_pct = float((peak_usd - request.equity) / peak_usd) * 100
    if drawdown_pct >= MAX_DRAWDOWN_PCT:
        yield Opinion(VETO, "drawdown")
    elif drawdown_pct >= WARN_DRAWDOWN_PCT:
        yield Opinion(0.5, "drawdown_reduced")


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


def _record(request: AdviceRequest, now: datetime, notional_krw: Decimal | None, opinion: Opinion) -> AdviceRecord:
    asked_at = from_ns(request.at_ns)
    return AdviceRecord(
        advice_id=request.advice_id,
        instance_id=request.instance_id,
        strategy=request.strategy,
        symbol=request.symbol,
        side=request.side,
        qty=request.qty,
        notional_usd=request.notional,
        notional_krw=notional_krw,
        strength=request.strength,
        asked_at=asked_at,
        # In replay the engine runs ahead of this clock by what it was granted.
        answered_at=max(now, asked_at),
        approve=opinion.factor > VETO,
        size_factor=opinion.factor,
        reason=opinion.reason,
        source="rule",
    )


def _message(record: AdviceRecord) -> AdviceAnswer:
    return AdviceAnswer(
        advice_id=record.advice_id, approve=record.approve, size_factor=record.size_factor, reason=record.reason
    )
