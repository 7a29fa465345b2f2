"""The first page: is it alive, what did it earn, what changed and why, what comes next."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import cast

from flask import g, render_template

from app.api.insights import load_risks
from app.api.insights_model import RiskInsight
from app.api.predictions import load_scores
from app.canaries import CanaryFacts, facts_of
from app.dashboard.charts import Chart, Series, build_chart
from app.performance import DayTotal, Result, daily_totals, live_marks, result_between, today_of
from app.rooms import rooms
from core.clock import KST, kst_day, kst_day_bounds
from core.model.analysis import Analysis, Forecast
from core.model.operations import EngineState, Report
from core.model.proposal import Deployment, ParamVersion, Proposal
from core.model.trade import EquityPoint
from core.settings_sections import ScheduleSettings
from core.store import (
    Session,
    analyses,
    canaries,
    deployments,
    engine_states,
    forecasts,
    param_versions,
    proposals,
    reports,
    signals,
    trades,
)
from feedback.accuracy import PredictionScore

CHART_DAYS = 30
N_CHANGES = 5
N_RISKS = 5
_SUNDAY = 6


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Whether the engine lives and how fresh its facts are. `state` is its own word, `silent` or `unknown`."""

    state: str
    engine: EngineState | None
    data_as_of: datetime | None


@dataclass(frozen=True, slots=True)
class InstanceLine:
    """One instance: what it runs and where it stands."""

    version: ParamVersion
    mark: EquityPoint | None


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """A deployment with the proposal behind it."""

    deployment: Deployment
    proposal: Proposal | None


@dataclass(frozen=True, slots=True)
class NoTrades:
    """Why nothing was traded yet: a text key and what fills it."""

    key: str
    values: dict[str, object]


@dataclass(frozen=True, slots=True)
class Overview:
    """All that the page shows."""

    heartbeat: Heartbeat
    instances: tuple[InstanceLine, ...]
    today: Result | None
    month: Result | None
    totals: tuple[DayTotal, ...]
    n_trades: int
    no_trades: tuple[NoTrades, ...]
    changes: tuple[ChangeLine, ...]
    waiting: int
    canaries: tuple[CanaryFacts, ...]
    """The open ones."""
    risks: tuple[RiskInsight, ...]
    analysis: Analysis | None
    report: Report | None
    forecasts: tuple[Forecast, ...]
    predictions: tuple[PredictionScore, ...]
    next_daily: datetime
    next_weekly: datetime


def show() -> str:
    """Render the page."""
    here = rooms()
    with here.store.session() as session:
        facts = _load(session, here.clock.now())
    return render_template("overview.html", o=facts, chart=_chart(facts), page="overview")


def next_runs(schedule: ScheduleSettings, now: datetime) -> tuple[datetime, datetime]:
    """Return the next daily and the next weekly (Sunday) run strictly after `now`, in KST."""
    return _next_at(schedule.daily_at, now, None), _next_at(schedule.weekly_at, now, _SUNDAY)


def _next_at(at: time, now: datetime, weekday: int | None) -> datetime:
    due = datetime.combine(kst_day(now), at, KST)
    while due <= now or (weekday is not None and due.weekday() != weekday):
        due += timedelta(days=1)
    return due


def _load(session: Session, now: datetime) -> Overview:
    here = rooms()
    totals = tuple(daily_totals(session, now, CHART_DAYS))
    live = live_marks(session)
    capital = sum((mark.capital_usd for mark in live), start=here.settings.risk.capital_usd * 0)
    today = today_of(totals)
    engine = engine_states.latest(session)
    heartbeat = _heartbeat(engine, live, now)
    n_trades = trades.count(session)
    analysis = next(iter(analyses.latest(session, "daily_analysis", 1)), None)
    next_daily, next_weekly = next_runs(here.settings.schedule, now)
    return Overview(
        heartbeat=heartbeat,
        instances=tuple(_instances(session, live)),
        today=result_between(*today, capital) if today else None,
        month=result_between(totals[0], totals[-1], capital) if totals else None,
        totals=totals,
        n_trades=n_trades,
        no_trades=() if n_trades else tuple(_why_no_trades(session, heartbeat, now)),
        changes=tuple(_changes(session)),
        waiting=len(deployments.in_state(session, "awaiting_approval")),
        canaries=tuple(facts_of(session, each) for each in canaries.all_open(session)),
        risks=load_risks(session, analysis, now)[:N_RISKS],
        analysis=analysis,
        report=reports.latest(session, "daily", g.language),
        forecasts=tuple(forecasts.latest(session)),
        predictions=load_scores(session, now, CHART_DAYS),
        next_daily=next_daily,
        next_weekly=next_weekly,
    )


def _heartbeat(engine: EngineState | None, live: list[EquityPoint], now: datetime) -> Heartbeat:
    data_as_of = max((mark.at for mark in live), default=None)
    if engine is None:
        return Heartbeat("unknown", None, data_as_of)
    silent = now - engine.heard_at > timedelta(seconds=rooms().settings.alerts.silence_s)
    return Heartbeat("silent" if silent else engine.state, engine, max(filter(None, (engine.at, data_as_of))))


def _instances(session: Session, live: list[EquityPoint]) -> list[InstanceLine]:
    marks = {mark.instance_id: mark for mark in live}
    return [InstanceLine(version, marks.get(version.instance_id)) for version in param_versions.all_active(session)]


def _changes(session: Session) -> list[ChangeLine]:
    return [
        ChangeLine(one, proposals.find(session, one.proposal_id) if one.proposal_id else None)
        for one in deployments.latest(session, N_CHANGES)
    ]


def _why_no_trades(session: Session, heartbeat: Heartbeat, now: datetime) -> list[NoTrades]:
    if heartbeat.state in {"unknown", "silent"}:
        return [NoTrades(f"why.engine_{heartbeat.state}", {})]
    reasons = [NoTrades(f"why.engine_{heartbeat.state}", {})] if heartbeat.state != "active" else []
    wishes = signals.between(session, kst_day_bounds(kst_day(now))[0] - timedelta(days=1), now)
    refused = Counter(wish.outcome for wish in wishes if wish.outcome != "taken")
    if not wishes:
        reasons.append(NoTrades("why.no_signals", {}))
    for outcome, n in refused.most_common(3):
        reasons.append(NoTrades("why.refused", {"rule": outcome, "n": n}))
    if len(wishes) > sum(refused.values()):
        reasons.append(NoTrades("why.open_positions", {"n": len(wishes) - sum(refused.values())}))
    return reasons


def _chart(facts: Overview) -> Chart | None:
    totals = facts.totals
    if len(totals) < 2:
        return None
    words = rooms().catalogue
    language = g.language
    holds = tuple(None if day.hold_usd is None else float(day.hold_usd) for day in totals)
    labels = tuple(day.at.astimezone(KST).strftime("%Y-%m-%d") for day in (totals[0], totals[-1]))
    return build_chart(
        title=words.text(language, "overview.chart_title"),
        description=words.text(language, "overview.chart_description"),
        series=(
            Series(words.text(language, "overview.hold"), "series-b", holds),
            Series(words.text(language, "overview.equity"), "series-a", tuple(float(day.equity_usd) for day in totals)),
        ),
        labels=cast(tuple[str, str], labels),
        csv_url=f"/api/equity.csv?days={CHART_DAYS}",
    )
