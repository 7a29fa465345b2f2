"""`/api/ai-insights`: read from the database, kept for seconds in an optional cache.

The sealed stage's numbers never pass through here: of a verdict only stage and outcome are read.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Literal, cast

from flask import Response, request

from app.api.insights_model import (
    AdjustmentInsight,
    AnalysisInsight,
    EditView,
    Insights,
    PastScore,
    PatternInsight,
    PredictionInsight,
    RiskInsight,
    VerdictOutcome,
)
from app.api.operations import Operation, answer_json, operation
from app.api.scorecard import load_insight
from app.auth import Caller
from app.rooms import rooms
from core.clock import kst_day_bounds
from core.metrics import share_interval
from core.model.analysis import Analysis, Forecast, PatternRule
from core.model.canonical import short_id
from core.model.proposal import Deployment, Proposal, Verdict
from core.store import Session, alerts, analyses, datasets, deployments, forecasts, param_versions
from core.store import patterns as pattern_rules
from core.store import proposals as proposal_rows
from core.store import verdicts as verdict_rows

STALE_AFTER = timedelta(hours=36)
N_ADJUSTMENTS = 20
N_SCORED = 300
_SEVERITY_RANK = {"critical": 0, "warning": 1, "info": 2}
_SOURCE_RANK = {"monitor": 0, "gate": 1, "analyzer": 2}


@operation(
    Operation(
        summary="What the analysis says, what it proposes, and what to watch",
        answer=Insights,
        scope="read",
        errors=(304,),
        headers={"If-None-Match": "ETag of an earlier answer"},
    )
)
def ai_insights(caller: Caller) -> Response:
    """Answer with all six insights and an ETag."""
    here = rooms()
    insights = here.cache.load()
    if insights is None:
        with here.store.session() as session:
            insights = build_insights(session, here.clock.now())
        here.cache.keep(insights)
    response = answer_json(insights)
    response.add_etag()
    response.headers["Cache-Control"] = "private, no-cache"
    response.make_conditional(request)
    return response


def build_insights(session: Session, now: datetime) -> Insights:
    """Return the insights as the database has them at `now`."""
    analysis = next(iter(analyses.latest(session, "daily_analysis", 1)), None)
    return Insights(
        latest_analysis=None if analysis is None else _analysis(session, analysis, now),
        suggested_adjustments=tuple(
            _adjustment(session, one, now) for one in proposal_rows.latest(session, N_ADJUSTMENTS)
        ),
        pattern_alerts=tuple(_patterns(session, now)),
        risk_warnings=load_risks(session, analysis, now),
        performance_prediction=tuple(_predictions(session, now)),
        scorecard=load_insight(session),
    )


def load_risks(session: Session, analysis: Analysis | None, now: datetime) -> tuple[RiskInsight, ...]:
    """Return what monitor, gate and the newest `analysis` warn of, most urgent first."""
    return rank(chain(_monitor_risks(session, now), _gate_risks(session, now), _analyzer_risks(analysis, now)))


def rank(risks: Iterable[RiskInsight]) -> tuple[RiskInsight, ...]:
    """Return the risks most urgent first: severity, then source, then newest."""
    newest_first = sorted(risks, key=lambda risk: (risk.generated_at, risk.id), reverse=True)
    return tuple(sorted(newest_first, key=lambda risk: (_SEVERITY_RANK[risk.severity], _SOURCE_RANK[risk.source])))


def verdict_outcome(verdicts: Sequence[Verdict]) -> VerdictOutcome | None:
    """Return stage and outcome of the last verdict, without any of its numbers."""
    if not verdicts:
        return None
    last = verdicts[-1]
    return VerdictOutcome(stage=last.stage, outcome=last.outcome, decided_at=last.decided_at)


def edits_of(proposal: Proposal) -> tuple[EditView, ...]:
    """Return the proposal's edits with the values they replace."""
    return tuple(
        EditView(param=edit.param, from_value=proposal.base_params.get(edit.param), to_value=edit.value)
        for edit in proposal.edits
    )


def _analysis(session: Session, analysis: Analysis, now: datetime) -> AnalysisInsight:
    dataset = datasets.for_day(session, analysis.on)
    data_as_of = _end_of(analysis)
    return AnalysisInsight(
        id=analysis.analysis_id,
        evidence=f"/api/analyses/{analysis.analysis_id}",
        params_versions={} if dataset is None else {one.instance_id: one.params_version for one in dataset.strategies},
        model=analysis.source,
        prompt_sha256=analysis.prompt_sha256,
        cost_usd=analysis.cost_usd,
        generated_at=analysis.created_at,
        data_as_of=data_as_of,
        stale=now - data_as_of > STALE_AFTER,
        on=analysis.on,
        summary=analysis.summary,
        fallback_reason=analysis.fallback_reason,
        success_factors=analysis.success_factors,
        failure_factors=analysis.failure_factors,
        effectiveness=analysis.effectiveness,
        missed=analysis.missed,
        adjustments=analysis.adjustments,
        risks=analysis.risks,
    )


def _adjustment(session: Session, proposal: Proposal, now: datetime) -> AdjustmentInsight:
    analysis = analyses.find(session, proposal.analysis_id)
    data_as_of = proposal.created_at if analysis is None else _end_of(analysis)
    return AdjustmentInsight(
        id=proposal.proposal_id,
        evidence=f"/api/proposals/{proposal.proposal_id}",
        verdict=verdict_outcome(verdict_rows.for_proposal(session, proposal.proposal_id)),
        params_version=proposal.base_version,
        params_versions={proposal.instance_id: proposal.base_version},
        model=proposal.source,
        prompt_sha256="" if analysis is None else analysis.prompt_sha256,
        cost_usd=Decimal(0) if analysis is None else analysis.cost_usd,
        generated_at=proposal.created_at,
        data_as_of=data_as_of,
        stale=now - data_as_of > STALE_AFTER,
        instance_id=proposal.instance_id,
        strategy=proposal.strategy,
        edits=edits_of(proposal),
        rationale=proposal.rationale,
        expected_effect=proposal.expected_effect,
        confidence=proposal.confidence,
        source=proposal.source,
        state=proposal.state,
        hold=proposal.hold,
    )


def _patterns(session: Session, now: datetime) -> Iterable[PatternInsight]:
    study = next(iter(analyses.latest(session, "patterns", 1)), None)
    for rule in pattern_rules.list(session, {"new", "confirmed", "broken"}):
        yield _pattern(rule, study, now)


def _pattern(rule: PatternRule, study: Analysis | None, now: datetime) -> PatternInsight:
    data_as_of = kst_day_bounds(rule.last_seen_on)[1]
    start_on = rule.last_seen_on - timedelta(days=30)
    n_weeks = rule.hits + rule.misses
    low, high = share_interval(rule.hits, n_weeks) or (None, None)
    return PatternInsight(
        id=rule.pattern_id,
        evidence=f"/api/trades?from={start_on.isoformat()}&to={rule.last_seen_on.isoformat()}",
        model="code",
        prompt_sha256="" if study is None else study.prompt_sha256,
        generated_at=data_as_of if study is None else study.created_at,
        data_as_of=data_as_of,
        stale=now - data_as_of > STALE_AFTER + timedelta(days=7),
        dimension=rule.dimension,
        bucket=rule.bucket,
        direction=rule.direction,
        state=cast(Literal["new", "confirmed", "broken"], rule.state),
        n=rule.n,
        mean_bps=rule.mean_bps,
        p_value=rule.p_value,
        q_value=rule.q_value,
        hits=rule.hits,
        misses=rule.misses,
        hit_rate=rule.hits / n_weeks if n_weeks else None,
        hit_rate_low=low,
        hit_rate_high=high,
    )


def _monitor_risks(session: Session, now: datetime) -> Iterable[RiskInsight]:
    for alert in alerts.open(session):
        yield RiskInsight(
            id=alert.alert_id,
            evidence="/api/alerts?state=open",
            model="code",
            generated_at=alert.raised_at,
            data_as_of=alert.raised_at,
            stale=now - alert.raised_at > STALE_AFTER,
            source="monitor",
            severity=alert.severity,
            subject=alert.subject,
            message=alert.message,
            action=alert.action,
        )


def _gate_risks(session: Session, now: datetime) -> Iterable[RiskInsight]:
    for one in deployments.in_state(session, "awaiting_approval"):
        subject = one.proposal_id or one.deployment_id
        yield _gate_risk(
            one,
            now,
            "info",
            f"The change {subject} of {one.instance_id} passed the gate and waits for a person.",
            f"Read the evidence of {subject}, then approve or reject it.",
        )
    for one in deployments.latest(session, 50):
        if one.state in {"rejected", "rolled_back"} and now - one.created_at <= timedelta(days=7):
            yield _gate_risk(
                one,
                now,
                "warning",
                f"Version {one.version} of {one.instance_id} was {one.state.replace('_', ' ')}"
                f": {one.reason or 'no reason was given'}.",
                f"Check that {one.instance_id} runs the version you expect under /api/parameters.",
            )


def _gate_risk(
    one: Deployment, now: datetime, severity: Literal["info", "warning"], message: str, action: str
) -> RiskInsight:
    return RiskInsight(
        id=one.deployment_id,
        evidence=f"/api/proposals/{one.proposal_id}" if one.proposal_id else "/api/deployments",
        params_version=one.version,
        params_versions={one.instance_id: one.version},
        model="code",
        generated_at=one.created_at,
        data_as_of=one.created_at,
        stale=now - one.created_at > STALE_AFTER,
        source="gate",
        severity=severity,
        subject=one.instance_id,
        message=message,
        action=action,
    )


def _analyzer_risks(analysis: Analysis | None, now: datetime) -> Iterable[RiskInsight]:
    if analysis is None:
        return
    for finding in analysis.risks:
        yield RiskInsight(
            id=short_id("risk", analysis.analysis_id, finding.text),
            evidence=f"/api/analyses/{analysis.analysis_id}",
            model=analysis.source,
            prompt_sha256=analysis.prompt_sha256,
            cost_usd=analysis.cost_usd,
            generated_at=analysis.created_at,
            data_as_of=_end_of(analysis),
            stale=now - _end_of(analysis) > STALE_AFTER,
            source="analyzer",
            severity=finding.severity,
            subject=analysis.on.isoformat(),
            message=finding.text,
            action=finding.action or f"Read the analysis of {analysis.on.isoformat()}.",
        )


def _predictions(session: Session, now: datetime) -> Iterable[PredictionInsight]:
    latest = forecasts.latest(session)
    scored = forecasts.scored(session, N_SCORED) if latest else []
    for forecast in latest:
        active = param_versions.find_active(session, forecast.instance_id)
        # The forecast for a day is made from everything up to that day's start.
        data_as_of = kst_day_bounds(forecast.for_on)[0]
        yield PredictionInsight(
            id=forecast.forecast_id,
            evidence=f"/api/forecasts?instance_id={forecast.instance_id}",
            params_version=None if active is None else active.version,
            params_versions={} if active is None else {forecast.instance_id: active.version},
            model="code",
            generated_at=data_as_of,
            data_as_of=data_as_of,
            stale=now - data_as_of > STALE_AFTER,
            for_on=forecast.for_on,
            instance_id=forecast.instance_id,
            strategy=forecast.strategy,
            regime=forecast.regime,
            n_days=forecast.n_days,
            volatility_bps=forecast.volatility_bps,
            pnl_p05_usd=forecast.pnl_p05_usd,
            pnl_p50_usd=forecast.pnl_p50_usd,
            pnl_p95_usd=forecast.pnl_p95_usd,
            past=past_score([one for one in scored if one.instance_id == forecast.instance_id]),
        )


def past_score(scored: Sequence[Forecast]) -> PastScore:
    """Return how forecasts with a known outcome did; shares and means are None without any."""
    covered = [one.covered for one in scored if one.covered is not None]
    crps = [one.crps_usd for one in scored if one.crps_usd is not None]
    return PastScore(
        n=len(scored),
        coverage=sum(covered) / len(covered) if covered else None,
        mean_crps_usd=sum(crps) / len(crps) if crps else None,
    )


def _end_of(analysis: Analysis) -> datetime:
    return kst_day_bounds(analysis.on)[1]
