"""The shape of `/api/ai-insights`: six answers, each item with where it comes from and how old it is."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from app.api.operations import Answer
from core.model.analysis import Finding
from core.model.proposal import ExpectedEffect, Outcome, ProposalState, Stage
from core.model.scorecard import Scorecard

Severity = Literal["info", "warning", "critical"]


class VerdictOutcome(Answer):
    """What a stage of the gate decided. No number of it: a proposer may read this."""

    stage: Stage
    outcome: Outcome
    decided_at: datetime


class InsightItem(Answer):
    """What every item carries."""

    id: str
    evidence: str = Field(description="Path of the API that shows what this rests on")
    verdict: Annotated[
        VerdictOutcome | None, Field(description="Last word of the gate; null where nothing was judged")
    ] = None
    params_version: Annotated[
        int | None, Field(description="Parameters this is about; null when it is about several")
    ] = None
    params_versions: Annotated[dict[str, int], Field(description="By instance")] = {}
    model: str = Field(description="`rule`, `code`, or `llm:<model>`")
    prompt_sha256: Annotated[str, Field(description="Empty when no prompt was involved")] = ""
    cost_usd: Decimal = Decimal(0)
    generated_at: datetime
    data_as_of: datetime
    stale: bool = Field(description="Whether the data are older than 36 hours")


class AnalysisInsight(InsightItem):
    """The newest study of a day."""

    on: date
    summary: str
    fallback_reason: str = Field(description="Why the rule analyzer took over; empty otherwise")
    success_factors: tuple[Finding, ...]
    failure_factors: tuple[Finding, ...]
    effectiveness: dict[str, str]
    missed: tuple[Finding, ...]
    adjustments: tuple[Finding, ...]
    risks: tuple[Finding, ...]


class EditView(Answer):
    """One parameter: what it is and what it would be."""

    param: str
    from_value: float | None
    to_value: float


class AdjustmentInsight(InsightItem):
    """A proposal and what became of it."""

    instance_id: str
    strategy: str
    edits: tuple[EditView, ...]
    rationale: str = Field(description="Untrusted text of the proposer: show it escaped")
    expected_effect: ExpectedEffect
    confidence: float
    source: str
    state: ProposalState
    hold: bool


class PatternInsight(InsightItem):
    """A rule about our own trades that was found, held, or broke."""

    dimension: str
    bucket: str
    direction: Literal["better", "worse"]
    state: Literal["new", "confirmed", "broken"]
    n: int
    mean_bps: float
    p_value: float
    q_value: float
    hits: int
    misses: int
    hit_rate: float | None
    """Share of fresh weeks that leaned its way; None before any was there."""
    hit_rate_low: float | None
    """90 % interval after Wilson."""
    hit_rate_high: float | None


class RiskInsight(InsightItem):
    """Something to look at, most urgent first, with what to do."""

    source: Literal["monitor", "gate", "analyzer"]
    severity: Severity
    subject: str
    message: str
    action: str


class PastScore(Answer):
    """How earlier forecasts of the instance turned out."""

    n: int
    coverage: float | None = Field(description="Share of outcomes inside the 90 % interval; 0.9 is calibrated")
    mean_crps_usd: float | None


class PredictionInsight(InsightItem):
    """The forecast for the next day, with its interval and its record."""

    for_on: date
    instance_id: str
    strategy: str
    regime: str
    n_days: int
    volatility_bps: float | None
    pnl_p05_usd: float | None
    pnl_p50_usd: float | None
    pnl_p95_usd: float | None
    past: PastScore


class ScorecardInsight(InsightItem):
    """How good suggestions, changes and the gate were. Every figure has its interval, or is null with the reason."""

    card: Scorecard


class Insights(Answer):
    """All six."""

    latest_analysis: AnalysisInsight | None
    suggested_adjustments: tuple[AdjustmentInsight, ...]
    pattern_alerts: tuple[PatternInsight, ...]
    risk_warnings: tuple[RiskInsight, ...]
    performance_prediction: tuple[PredictionInsight, ...]
    scorecard: ScorecardInsight
