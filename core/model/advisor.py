"""What the advisor was worth: figures over settled answers, and how fast and how often its model answers."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from core.model.advice import SettlementMethod
from core.model.scorecard import Figure
from core.model.trade import Side


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """One tenth of the probabilities that decided, and how often such an order was good. None where it is empty."""

    low: float
    n: int
    mean_p: float | None
    share_good: float | None


@dataclass(frozen=True, slots=True)
class Answering:
    """How the model did as a server: speed and rate stand apart, so that a fallback cannot pose as a fast answer."""

    n_asked: int
    n_answered: int
    n_late: int
    failures: dict[str, int]
    """By reason."""
    p50_ms: float | None
    """From the question's arrival to the decision, of all that asked a model: also those that it left unanswered."""
    p95_ms: float | None
    p99_ms: float | None
    answered_p50_ms: float | None
    """Of those that the model answered."""


@dataclass(frozen=True, slots=True)
class HourAnswering:
    """How the model answered in one hour of the day, over all days."""

    hour_kst: int
    n_asked: int
    n_answered: int
    answer_rate: float
    p50_ms: float | None
    """From the question's arrival to the decision on the model's first word; None where none was timed."""
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class StoppedOrder:
    """A large order that did not go ahead, and what it would have made. USD after costs."""

    advice_id: str
    asked_at: datetime
    instance_id: str
    symbol: str
    side: Side
    notional_usd: Decimal
    reason: str
    full_usd: Decimal
    """Of the whole order, as the evidence tells it."""
    method: SettlementMethod
    evidence: str
    """The simulated trade that tells it; empty where bars do."""


@dataclass(frozen=True, slots=True)
class AdvisorValue:
    """Result with the advisor less the result without it, over answers whose orders are settled. USD after costs."""

    as_of: datetime
    since_on: date
    n_answers: int
    n_stopped: int
    n_shrunk: int
    n_settled: int
    methods: dict[str, int]
    """How many were settled by which evidence."""
    total_usd: Decimal
    """Of all settled answers; without an interval it proves nothing."""
    per_day: Figure
    """USD a day, over days with a settled answer."""
    llm_total_usd: Decimal
    """The part that a model or the policy added to the rules."""
    llm_per_day: Figure
    brier: Figure
    """Mean squared distance of the deciding probability from what became of the order; 0.25 is a coin's."""
    bins: tuple[CalibrationBin, ...]
    by_day: tuple[tuple[date, Decimal], ...]
    answering: Answering
    stopped: tuple[StoppedOrder, ...] = ()
    """Large orders that were stopped and are settled, the largest first, at most ten."""
    by_hour: tuple[HourAnswering, ...] = ()
    """Hours of the day in which a model was asked; empty in a report from before they were counted."""
