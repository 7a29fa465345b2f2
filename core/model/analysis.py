"""What the analyzer said, and what we forecast ourselves."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from core.model.language import Language

Task = Literal["daily_analysis", "adjustments", "patterns", "programs", "news", "check", "advice", "advice_reason"]


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """A template filled with a dataset. `prefix` never changes between two days of one template version."""

    name: str
    version: int
    language: Language
    prefix: str
    body: str
    sha256: str


@dataclass(frozen=True, slots=True)
class LlmCall:
    """One attempt at a provider, also a failed one. Reserved before, settled after."""

    call_id: str
    task: Task
    provider: str
    model: str
    resolved_model: str
    prompt_sha256: str
    attempt: int
    status: str
    """`reserved`, `ok`, `invalid`, `timeout`, `http_<code>`, `not_json`, `empty`, `filtered`, `connection`,
    `over_budget`, `breaker_open` (its task became too dear), `interrupted` (its caller died: settled at its
    reservation)."""
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reserved_usd: Decimal
    cost_usd: Decimal
    started_at: datetime
    latency_ms: float
    response_text: str
    error: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One bilingual sentence with its weight, most important first."""

    text: str
    severity: Literal["info", "warning", "critical"] = "info"
    action: str = ""


@dataclass(frozen=True, slots=True)
class Analysis:
    """One study of a day, a week or 30 days. `fallback_reason` tells why the rules took over; else it is empty."""

    analysis_id: str
    task: Task
    on: date
    dataset_sha256: str
    prompt_sha256: str
    call_ids: tuple[str, ...]
    source: str
    fallback_reason: str
    summary: str
    success_factors: tuple[Finding, ...]
    failure_factors: tuple[Finding, ...]
    effectiveness: dict[str, str]
    """By instance: one sentence."""
    missed: tuple[Finding, ...]
    adjustments: tuple[Finding, ...]
    risks: tuple[Finding, ...]
    cost_usd: Decimal
    created_at: datetime
    n_numbers: int = 0
    """Numbers in the texts of a language model,"""
    n_unverified: int = 0
    """and those that no fact supports: they were struck."""


@dataclass(frozen=True, slots=True)
class PatternRule:
    """A checkable rule: over trades where `dimension` is in `bucket`, mean net P&L per trade differs from the rest.

    `n` to `q_value` describe the 30 days it was last found on; all that follows `state` comes from days after those.
    """

    pattern_id: str
    dimension: Literal["hour_kst", "weekday", "volatility", "symbol", "side", "strategy", "regime"]
    bucket: str
    direction: Literal["better", "worse"]
    n: int
    mean_bps: float
    p_value: float
    q_value: float
    state: Literal["new", "confirmed", "broken", "retired"]
    hits: int
    """Fresh weeks that leaned its way."""
    misses: int
    """Fresh weeks that leaned against it."""
    first_seen_on: date
    last_seen_on: date
    """When it was last found, or a fresh week leaned its way."""
    since_on: date | None = None
    """When it came into its state; None before states were dated."""
    test_number: int = 0
    """Its place among all rules ever tested, from 1; 0 before tests were counted."""
    tested_to: date | None = None
    """The last day that it was found or tested on, embargo included; the next test begins after it."""
    log_evidence: tuple[float, ...] = ()
    """Log e-values of its tests so far, one for each size of effect; begun anew when it is confirmed."""
    best_log_evidence: float = 0.0
    """The best that the mean of those e-values ever was, as a logarithm."""
    confirmed_log_evidence: float | None = None
    """The log e-value that it was confirmed with; None while it was not."""
    misses_before: int = 0
    """Misses from before it was confirmed."""


@dataclass(frozen=True, slots=True)
class PatternWeek:
    """How many pattern rules changed into which state in one weekly run."""

    week_on: date
    """Last KST day that the run studied."""
    n_new: int
    n_confirmed: int
    n_broken: int
    n_retired: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """Next-day distribution for one instance, from a block bootstrap; scored the day after."""

    forecast_id: str
    for_on: date
    instance_id: str
    strategy: str
    regime: str
    n_days: int
    volatility_bps: float | None
    pnl_p05_usd: float | None
    pnl_p50_usd: float | None
    pnl_p95_usd: float | None
    realised_usd: float | None
    crps_usd: float | None
    covered: bool | None
    """Whether the realised P&L fell into the 90 % interval."""
