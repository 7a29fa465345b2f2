"""What the advisor was asked, what it said, and what became of it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from core.model.trade import Side

SizeClass = Literal["small", "medium", "large"]
"""Small: below the limit in won and no strong signal. Medium: below it, strong. Large: at or above it, or unknown."""
FailureReason = Literal["timeout", "error", "breaker_open", "over_budget", "shed", "no_answer", "invalid"]
"""Why a language model gave no answer: not in time; refused, cut or broken; not asked, as it failed too often of late;
not asked, as money is out; not asked, as too many were; said neither yes nor no; said something else."""
SettlementMethod = Literal["trade", "slot", "bars", "unfilled"]
"""The account's own trade; that of a simulated companion with the same parameters, at the same decision; the move of
the price over an hour, less costs; an order that let nothing through to the market."""


@dataclass(frozen=True, slots=True)
class AdviceRecord:
    """One question of the engine and its answer, stored before the answer is sent."""

    advice_id: str
    instance_id: str
    strategy: str
    symbol: str
    side: Side
    qty: Decimal
    notional_usd: Decimal
    notional_krw: Decimal | None
    strength: float
    asked_at: datetime
    answered_at: datetime
    approve: bool
    size_factor: float
    reason: str
    source: str
    """`rule`, `llm:<model>`, or `policy` where a model was to be asked and gave no answer."""
    size_class: SizeClass | None = None
    """None for an answer stored before there were classes, and for a question that was not sound."""
    rule_factor: float | None = None
    """What the rules alone let through, 0 for their veto; nothing else lets through more."""
    risk_score: float | None = None
    """Largest share of a rule's limit that is used up, 0 to 1; None where nothing could be measured."""
    p_yes: float | None = None
    """The model's own number."""
    is_bare: bool = False
    """The model said a word and no number, so `p_yes` is 1 or 0."""
    p_good: float | None = None
    """What that number, or the bare word, was worth on settled trades; decides."""
    failure: FailureReason | None = None
    """Why the model gave no answer; None where it did or was not asked."""
    is_late: bool = False
    """Decided when the engine waited no more: recorded, and without effect."""
    latency_ms: float | None = None
    """From the question's arrival to the decision; None where that took no time that is measured."""
    call_ids: tuple[str, ...] = ()
    """Rows of the cost ledger."""
    facts: str = ""
    """The JSON that the model was shown; with the template it gives the prompt again."""

    @property
    def asked_llm(self) -> bool:
        """Whether a model was to be asked."""
        return self.source != "rule"


@dataclass(frozen=True, slots=True)
class PendingAdvice:
    """A question that is taken and not answered yet, with what is answered when nothing better comes."""

    rule: AdviceRecord
    """The rules' answer, ready before anybody else is asked."""
    deadline_at: datetime
    """The engine waits until this."""


@dataclass(frozen=True, slots=True)
class AdviceOutcome:
    """What the order made, and what it would have made in full; after costs, in USD."""

    advice_id: str
    asked_at: datetime
    settled_at: datetime
    method: SettlementMethod
    full_usd: Decimal
    """Of the whole quantity asked about: what doing without the advisor would have made."""
    evidence: str
    """The trade that tells it; empty where bars do."""


@dataclass(frozen=True, slots=True)
class AdviceNote:
    """Why the model answered so, in its own words, asked for after the decision. Untrusted text, and read by nobody
    who decides."""

    advice_id: str
    text: str
    model: str
    call_id: str
    at: datetime
