"""The advisor on large trades. It can stop or shrink an order, never raise it, and is never asked about a reduction.

The rules' answer is always ready first. Where a language model is to be asked as well, the question is taken durably
in the transaction that brings it, and answered outside of it; without one, or on a virtual clock, within it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from statistics import median
from typing import Protocol

from core.clock import Clock, from_ns, to_ns
from core.model.advice import AdviceRecord, FailureReason, PendingAdvice, SizeClass
from core.model.generated import AdviceAnswer, AdviceRequest, Message
from core.settings_advisor import AdvisorSettings
from core.store import Session, advice, signals, trades
from feedback.advisor.calibration import Calibration
from feedback.advisor.facts import RECENT_TRADES, summarise_recent, write_facts
from feedback.advisor.policy import judge_answer, judge_failure
from feedback.advisor.port import Decided
from feedback.advisor.rules import VETO, Opinion, Surroundings, judge_request, reduces, risk_score
from feedback.peaks import peak_of

MIN_USUAL = 10
"""Signals needed to say what volatility is usual."""
LATE = "late"
REUSED = "advice_id_reused"
Judge = Callable[[PendingAdvice], Decided | FailureReason]
"""A decider that answers at once: a script, where time is virtual."""


class Desk(Protocol):
    """Answers questions outside of the transaction that took them."""

    def stamp(self) -> float:
        """Return the present time of the desk's own clock, in seconds."""
        ...

    def begin(self, question: PendingAdvice, arrived: float) -> None:
        """Take a question that is committed. Never blocks and never raises; safe from any thread."""
        ...


@dataclass(frozen=True, slots=True)
class RealTimeAIAdvisor:
    """Answers the engine. `send` puts a message into the bridge's outbox within the caller's transaction."""

    clock: Clock
    settings: AdvisorSettings
    usd_krw: Callable[[Session, datetime], tuple[Decimal, bool]]
    send: Callable[[Session, Message], int]
    desk: Desk | None = None
    """None where no model is asked."""
    script: Judge | None = None
    stands_still: bool = False
    """Whether the engine's time waits for answers, as where it is granted: then none is late, though the clock may be
    ahead of an order that follows a fill at the beginning of a bar."""

    def answer(self, session: Session, request: AdviceRequest) -> AdviceRecord | None:
        """Store the answer and send it, both in the caller's transaction, or store the question and return None.

        A repeated question gets the same answer, or none while the first one is open.
        """
        arrived = 0.0 if self.desk is None else self.desk.stamp()
        stored = advice.find(session, request.advice_id)
        waiting = None if stored is not None else advice.find_pending(session, request.advice_id)
        known = stored or (waiting.rule if waiting is not None else None)
        if known is not None:
            return self._answer_again(session, request, known, is_open=stored is None)
        pending = self.question_of(session, request)
        if self.desk is not None and _wants_llm(pending.rule):
            desk = self.desk
            advice.add_pending(session, pending, on_commit=lambda: desk.begin(pending, arrived))
            return None
        record = pending.rule
        if self.script is not None and _wants_llm(record):
            record = self.judge(record, self.script(pending), Calibration(), record.answered_at)
        advice.add(session, record)
        self.send(session, message_of(record))
        return record

    def question_of(self, session: Session, request: AdviceRequest) -> PendingAdvice:
        """Return the question with the rules' answer, and with the facts where a model may be asked. Writes nothing."""
        rate, is_stale = self.usd_krw(session, from_ns(request.at_ns))
        surroundings = self._surroundings(session, request)
        rule = self.should_trade(request, None if is_stale else rate, surroundings)
        if (self.desk is not None or self.script is not None) and rule.size_class is not None and _wants_llm(rule):
            recent = summarise_recent(trades.latest(session, RECENT_TRADES, instance_id=request.instance_id))
            rule = replace(rule, facts=write_facts(request, rule.size_class, surroundings, recent))
        return PendingAdvice(rule, from_ns(request.deadline_ns))

    def should_trade(
        self, request: AdviceRequest, krw_per_usd: Decimal | None, surroundings: Surroundings
    ) -> AdviceRecord:
        """Return what the rules say: yes, less, or no, with a reason code. Pure but for the clock.

        `krw_per_usd` is None when the rate is stale or unknown; then the trade counts as large.
        """
        now = from_ns(request.at_ns) if self.stands_still else self.clock.now()
        notional_krw = None if krw_per_usd is None else request.notional * krw_per_usd
        fault = _fault(request, now)
        if fault is not None:
            return _record(request, now, None, Opinion(VETO, fault))
        size = size_of(request, notional_krw, self.settings)
        score = risk_score(request, surroundings)
        if reduces(request):
            opinion = Opinion(1.0, "reduces")
        elif size == "small":
            opinion = Opinion(1.0, "not_large")
        else:
            opinion = judge_request(request, surroundings)
        record = _record(request, now, notional_krw, opinion)
        return replace(record, size_class=size, rule_factor=opinion.factor, risk_score=score)

    def judge(
        self, rule: AdviceRecord, said: Decided | FailureReason, calibration: Calibration, now: datetime
    ) -> AdviceRecord:
        """Return the final answer, of the rules and of a decider or its failure: never larger than the rules' own."""
        if isinstance(said, str):
            opinion = judge_failure(rule, said, self.settings)
            told = replace(rule, source="policy", failure=said)
        else:
            p_good = calibration.p_good(said.p_yes, said.is_bare)
            opinion = judge_answer(rule, p_good, self.settings)
            told = replace(rule, source=said.source, p_yes=said.p_yes, is_bare=said.is_bare, p_good=p_good)
        return replace(
            told,
            approve=opinion.factor > VETO,
            size_factor=opinion.factor,
            reason=opinion.reason,
            answered_at=max(now, rule.asked_at),
        )

    def close(self, session: Session, pending: PendingAdvice, record: AdviceRecord) -> bool:
        """Store and send the answer of an open question, in the caller's transaction; False when it has one already.

        An answer after the engine's deadline is recorded as late, and is the policy's: the price has moved on.
        """
        if not advice.take_pending(session, record.advice_id):
            return False
        now = self.clock.now()
        if now >= pending.deadline_at:
            fallen = judge_failure(pending.rule, "timeout", self.settings)
            record = replace(
                record,
                approve=fallen.factor > VETO,
                size_factor=fallen.factor,
                reason=LATE,
                source=record.source if record.p_yes is not None else "policy",
                failure=record.failure or (None if record.p_yes is not None else "timeout"),
                is_late=True,
                answered_at=max(now, record.asked_at),
            )
        advice.add(session, record)
        self.send(session, message_of(record))
        return True

    def _answer_again(
        self, session: Session, request: AdviceRequest, known: AdviceRecord, is_open: bool
    ) -> AdviceRecord | None:
        # The time too: an engine that lost its state counts from one again, and an old yes is none for its orders.
        asked = (request.symbol, request.side, request.qty, from_ns(request.at_ns))
        if (known.symbol, known.side, known.qty, known.asked_at) != asked:
            refused = _record(request, self.clock.now(), None, Opinion(VETO, REUSED))
            self.send(session, message_of(refused))
            return refused
        if is_open:
            return None
        self.send(session, message_of(known))
        return known

    def _surroundings(self, session: Session, request: AdviceRequest) -> Surroundings:
        seen = signals.latest_of_symbol(session, request.symbol, 50)
        known = [s.conditions.volatility_bps for s in seen if s.conditions.volatility_bps is not None]
        peak = peak_of(session, [request.instance_id])
        return Surroundings(
            peak_equity_usd=None if peak is None else peak.usd,
            usual_volatility_bps=median(known) if len(known) >= MIN_USUAL else None,
        )


def size_of(request: AdviceRequest, notional_krw: Decimal | None, settings: AdvisorSettings) -> SizeClass:
    """Return the class of an order; without a known rate it is large."""
    if notional_krw is None or notional_krw >= Decimal(str(settings.min_notional_krw)):
        return "large"
    return "medium" if request.strength > settings.min_strength else "small"


def message_of(record: AdviceRecord) -> AdviceAnswer:
    """Return what the engine is told."""
    return AdviceAnswer(
        advice_id=record.advice_id, approve=record.approve, size_factor=record.size_factor, reason=record.reason
    )


def _wants_llm(rule: AdviceRecord) -> bool:
    """Return whether a model may change anything: not where nothing is gated, and not after a veto of the rules."""
    is_gated = rule.size_class in ("medium", "large") and rule.reason != "reduces"
    return is_gated and rule.approve


def _fault(request: AdviceRequest, now: datetime) -> str | None:
    amounts = (request.notional, request.qty, request.price)
    if not all(amount.is_finite() and amount > 0 for amount in amounts) or not request.position.is_finite():
        return "implausible_request"
    # What an instance that has lost everything still holds must be let go.
    if not reduces(request) and not (request.equity.is_finite() and request.equity > 0):
        return "implausible_request"
    # The engine decides by its own clock; an answer that is late here would not be used there either.
    return LATE if to_ns(now) >= request.deadline_ns else None


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
