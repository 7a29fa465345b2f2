"""How good the loop is, in figures that cannot be picked by their result. Nothing of it reaches a proposer."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from core.model.analysis import PatternWeek

Reason = Literal[
    "",
    "fault",
    "no_signs",
    "too_few_proposals",
    "too_few_weeks",
    "placebo_no_signs",
    "placebo_too_few_proposals",
    "placebo_too_few_weeks",
    "is_placebo",
    "no_twin",
    "too_few_days",
    "too_few_answers",
    "too_few_outcomes",
    "no_difference",
    "not_a_number",
    "too_few_tests",
    "too_few_promises",
    "no_slope",
    "none_promoted",
    "none_registered",
    "none_adopted",
]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its 90 % interval. What cannot be said is None, with the reason; an interval alone says how far."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: Reason = ""
    have: float | None = None
    """How much there is of what the reason misses,"""
    need: float | None = None
    """and how much it takes."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often what one arm proposed beat what it would have replaced, over one horizon."""

    arm: str
    """`llm`, `rule`, `tpe`, `cma`, `jitter` or `placebo`."""
    model: str
    """Of an LLM; empty for the whole arm."""
    prompt: str
    """Template and version; empty for the whole arm."""
    horizon_days: int
    n_registered: int
    """All that were registered, whatever became of them."""
    n_waiting: int
    """Those whose horizon has not passed."""
    outcomes: dict[str, int]
    """How many of the others ended how."""
    share: Figure
    """Of better among better and worse."""
    n_effective: float | None
    """As how many independent proposals those count."""
    over_placebo: Figure
    """The same less that of placebos."""


@dataclass(frozen=True, slots=True)
class ConfidenceBin:
    """Proposals whose stated confidence fell into one tenth. The share has its 90 % Wilson interval."""

    low: float
    """Where the tenth begins."""
    n: int
    mean_confidence: float
    share: float
    share_low: float
    share_high: float


@dataclass(frozen=True, slots=True)
class ConfidenceScore:
    """How far stated confidence is to be believed. Without enough cases there is no score."""

    arm: str
    horizon_days: int
    n: int
    """Proposals with a sign;"""
    need: int
    """so many it takes."""
    brier: float | None
    brier_of_base_rate: float | None
    """What always stating the arm's own share of better ones would score: above it, confidence tells nothing."""
    bins: tuple[ConfidenceBin, ...]
    """Tenths with a proposal in them."""


@dataclass(frozen=True, slots=True)
class ArmRates:
    """What became of one arm's proposals."""

    arm: str
    n_registered: int
    adopted: Figure
    """Share that was ever in force."""
    rolled_back: Figure
    """Share of those that was taken back."""


@dataclass(frozen=True, slots=True)
class TwinDay:
    """One KST day of a live instance and of its do-nothing twin: the parameters of the first day, never changed."""

    instance_id: str
    on: date
    live_usd: float
    """With its canary, which trades a part of the same capital."""
    twin_usd: float
    """On the same capital."""
    capital_usd: float


@dataclass(frozen=True, slots=True)
class Improvement:
    """Live minus the do-nothing twin. The intervals are a confidence sequence: they hold on all days at once."""

    first_on: date | None
    n_days: int
    usd_per_day: Figure
    pct_per_day: Figure
    """Of the capital."""
    total_usd: Figure
    total_pct: Figure


@dataclass(frozen=True, slots=True)
class GateRecord:
    """Whether the gate keeps its promises."""

    stopped: str
    """Why nothing may be promoted, or empty."""
    slope: Figure
    """Realised on promised d: 1 is what was promised, 0 a screen that tells nothing."""
    placebo_ks_p: Figure
    """Chance of so many small placebo p-values from a gate that keeps its word."""
    n_promotions: int
    n_rolled_back: int
    n_not_confirmed: int
    """Promotions whose 30 days after their registration were worse than what they replaced."""
    false_budget: float
    """How many false promotions the error budget allows so far: the sum of the levels spent."""
    unconfirmed: Figure
    """Share of promotions that were rolled back or not confirmed."""


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """The error budget of the present quarter."""

    quarter: str
    tests_used: int
    tests_allowed: int
    promotions: int
    alpha: float
    next_level: float


@dataclass(frozen=True, slots=True)
class Scorecard:
    """All of it. A `fault` is a row that is missing, overdue or not what was written: then no figure rests on them."""

    as_of: datetime
    fault: str
    accuracy: tuple[Accuracy, ...]
    improvement: Improvement
    gate: GateRecord
    rates: tuple[ArmRates, ...]
    budget: BudgetUse
    patterns: tuple[PatternWeek, ...]
    """Newest week first."""
    confidence: tuple[ConfidenceScore, ...] = ()
