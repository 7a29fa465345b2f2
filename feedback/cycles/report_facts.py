"""Gathers what a report says from the store. Reads only; every number is computed here or stored by an earlier step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal

import numpy as np

from core import metrics
from core.clock import KST, kst_day, kst_day_bounds
from core.model.analysis import Analysis, PatternRule
from core.model.canary import Canary
from core.model.dataset import DaySummary
from core.model.proposal import Deployment, Proposal
from core.model.scorecard import Scorecard
from core.settings import Settings
from core.store import (
    Session,
    alerts,
    analyses,
    canaries,
    datasets,
    deployments,
    engine_states,
    equity,
    forecasts,
    ledger,
    llm_calls,
    model_watches,
    param_versions,
    patterns,
    performance,
    predictions,
    proposals,
    scorecards,
    searches,
    trades,
    verdicts,
)
from feedback.accuracy import score_predictions
from feedback.advisor.read import load_value
from feedback.model_words import ModelWords, model_words
from feedback.report import Change, Judged, PeriodResult, ReportFacts, Tally, WeekOfSearch
from feedback.results import LIVE_MODES, equity_change_usd, funded_instances, summarise_day
from feedback.scorecard import load_scorecard
from feedback.shortfall import shortfall_by_strategy
from market.bars import BarArchive
from strategies.gate import Gate
from strategies.program_text import tell_edits

PERIOD_DAYS = 30
MIN_INTERVAL_DAYS = 10
N_SCORED = 90


@dataclass(frozen=True, slots=True)
class ReportSources:
    """Where the facts come from. `capital` and `symbols` are by instance."""

    settings: Settings
    archive: BarArchive
    gate: Gate
    capital: Mapping[str, Decimal]
    symbols: Mapping[str, tuple[str, ...]]

    def daily(self, session: Session, on: date, due_at: datetime, late: bool) -> ReportFacts:
        """Return the facts of one KST day."""
        analysis = analyses.for_day(session, on, "daily_analysis")
        made = [] if analysis is None else proposals.for_analysis(session, analysis.analysis_id)
        return self._facts(session, "daily", (on, on), due_at, late, made, analysis)

    def weekly(self, session: Session, on: date, due_at: datetime, late: bool) -> ReportFacts:
        """Return the facts of the week that ends with a KST day; its proposals are those that a sealed test judged."""
        first = on - timedelta(days=6)
        # The cycle judges after the week's last day has ended; a verdict before that was the last week's.
        _, end_at = kst_day_bounds(on)
        judged = [
            proposals.get(session, verdict.proposal_id)
            for verdict in verdicts.latest(session, 200)
            if verdict.stage == "sealed" and verdict.decided_at >= end_at
        ]
        return self._facts(
            session, "weekly", (first, on), due_at, late, judged, analyses.for_day(session, on, "patterns")
        )

    def _facts(
        self,
        session: Session,
        kind: Literal["daily", "weekly"],
        span: tuple[date, date],
        due_at: datetime,
        late: bool,
        made: Sequence[Proposal],
        analysis: Analysis | None,
    ) -> ReportFacts:
        first, on = span
        start_at, end_at = kst_day_bounds(first)[0], kst_day_bounds(on)[1]
        days = [_summary(session, first + timedelta(days=n)) for n in range((on - first).days + 1)]
        closed = (trade for trade in trades.between(session, start_at, end_at) if trade.mode in LIVE_MODES)
        dataset = datasets.for_day(session, on) if kind == "daily" else None
        engine = engine_states.latest(session)
        return ReportFacts(
            kind=kind,
            on=on,
            due_at=due_at,
            late=late,
            engine_state="unknown" if engine is None else engine.state,
            data_as_of=end_at,
            n_trades=sum(day.n_trades for day in days),
            n_wins=sum(day.n_wins for day in days),
            net_pnl_usd=sum((day.net_pnl_usd for day in days), Decimal(0)),
            costs_usd=sum((day.fees_usd + day.slippage_usd for day in days), Decimal(0)),
            equity_change_usd=sum((day.equity_change_usd for day in days), Decimal(0)),
            strategies=() if dataset is None else dataset.strategies,
            shortfalls=shortfall_by_strategy(closed),
            predictions=score_predictions(performance.between(session, start_at, end_at)),
            period=self._period(session, on),
            changes=_changes(session, start_at),
            judged=tuple(Judged(p, tuple(verdicts.for_proposal(session, p.proposal_id))) for p in made),
            search=_week_of_search(session, span, made) if kind == "weekly" else None,
            analysis=analysis,
            dataset=dataset,
            alerts=tuple(alerts.open(session)),
            patterns=_told_patterns(session, first),
            forecasts=tuple(forecasts.for_day(session, on + timedelta(days=1))),
            scored=tuple(f for f in forecasts.for_day(session, on) if f.covered is not None),
            scored_before=tuple(f for f in forecasts.scored(session, N_SCORED) if f.covered is not None),
            tally=self._tally(session, end_at),
            scorecard=self._scorecard(session, kind, on, due_at),
            advisor=load_value(session, end_at),
            next_daily=_next(due_at, self.settings.schedule.daily_at, None),
            next_weekly=_next(due_at, self.settings.schedule.weekly_at, 6),
            models=_model_words(session, start_at, end_at),
            canaries=tuple(one for one in canaries.latest(session, 100) if one.is_open or _ended_since(one, first)),
        )

    def _period(self, session: Session, on: date) -> PeriodResult:
        """Return the result of up to 30 days that the account traded, beside holding their symbols."""
        names = funded_instances(session, on)
        began = [first.at for name in names if (first := equity.earliest(session, name)) is not None]
        if not began:
            return PeriodResult(0, 0.0, None, None, None, None, None)
        first_on = max(kst_day(min(began)), on - timedelta(days=PERIOD_DAYS - 1))
        bounds = [kst_day_bounds(first_on + timedelta(days=n))[0] for n in range((on - first_on).days + 2)]
        changes = np.zeros(len(bounds) - 1)
        for name in names:
            marks = [equity.at_or_before(session, name, at) for at in bounds]
            changes += [float(equity_change_usd(a, b)) for a, b in zip(marks[:-1], marks[1:], strict=True)]
        capital = sum(float(self.capital.get(name, 0)) for name in names)
        interval = (
            metrics.mean_interval(changes, seed=on.toordinal()) if len(changes) >= MIN_INTERVAL_DAYS else (None, None)
        )
        return PeriodResult(
            n_days=len(changes),
            pnl_usd=float(changes.sum()),
            # A canary's capital is part of the live instance's.
            hold_usd=self._hold([name for name in names if name in self.capital], bounds[0], bounds[-1]),
            drawdown_pct=metrics.max_drawdown_pct(np.concatenate([[capital], capital + np.cumsum(changes)])),
            mean_usd=float(changes.mean()) if interval[0] is not None else None,
            low_usd=interval[0],
            high_usd=interval[1],
        )

    def _hold(self, names: Sequence[str], start_at: datetime, end_at: datetime) -> float | None:
        """Return what each instance's capital, spread evenly over its symbols and held, made; None without bars."""
        made = 0.0
        for name in names:
            symbols = self.symbols.get(name) or self.archive.symbols()
            for symbol in symbols:
                closes = self.archive.candles(symbol, start_at, end_at).close
                if len(closes) < 2:
                    return None
                made += float(self.capital.get(name, 0)) / len(symbols) * (closes[-1] / closes[0] - 1)
        return made

    def _scorecard(self, session: Session, kind: Literal["daily", "weekly"], on: date, due_at: datetime) -> Scorecard:
        """Return the card that the daily cycle made, or for a week one that knows of this week's tests."""
        kept = scorecards.for_day(session, on) if kind == "daily" else None
        return load_scorecard(session, due_at, self.settings.gate) if kept is None else kept

    def _tally(self, session: Session, as_of: datetime) -> Tally:
        counts: dict[str, int] = {}
        for proposal in proposals.latest(session, 100_000):
            counts[proposal.state] = counts.get(proposal.state, 0) + 1
        budget = self.gate.budget(session)
        local = as_of.astimezone(KST)
        month_start = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return Tally(
            proposals=counts,
            n_trials=len(ledger.rows(session, kind="backtest")),
            tests_used=budget.tests_used,
            tests_allowed=budget.tests_per_quarter,
            next_level=budget.level,
            spent_month_usd=llm_calls.spent_between(session, month_start, as_of + timedelta(days=1)),
            cap_month_usd=self.settings.analyzer.monthly_cap_usd,
        )


def _model_words(session: Session, start_at: datetime, end_at: datetime) -> ModelWords | None:
    """Return what models said of bars that closed in a period."""
    said = [each for each in predictions.since(session, start_at) if each.at <= end_at]
    found = [each for each in model_watches.findings(session, limit=1_000) if start_at < each.found_at <= end_at]
    return model_words(said, found)


def _summary(session: Session, on: date) -> DaySummary:
    return summarise_day(session, on, trades.between(session, *kst_day_bounds(on)))


def _changes(session: Session, since: datetime) -> tuple[Change, ...]:
    """Return the deployments that changed parameters and were made or acknowledged since a time, newest first."""
    moved = [d for d in deployments.latest(session, 100) if (d.acked_at or d.created_at) >= since]
    changes = (_change(session, deployment) for deployment in moved)
    return tuple(change for change in changes if change.edits)


def _ended_since(canary: Canary, on: date) -> bool:
    return canary.ended_on is not None and canary.ended_on > on


def _change(session: Session, deployment: Deployment) -> Change:
    before = param_versions.get(session, deployment.instance_id, deployment.rollback_to)
    after = param_versions.get(session, deployment.instance_id, deployment.version)
    edits = tell_edits(before.params, after.params, before.rules, after.rules)
    proposal_id = deployment.proposal_id
    judged = [] if proposal_id is None else verdicts.for_proposal(session, proposal_id)
    return Change(deployment, edits, judged[-1] if judged else None)


def _week_of_search(session: Session, span: tuple[date, date], judged: Sequence[Proposal]) -> WeekOfSearch:
    first, on = span
    start_at = kst_day_bounds(first)[0]
    made = [each for each in proposals.since(session, start_at) if not each.is_placebo]
    return WeekOfSearch(
        searches=tuple(
            (each, proposals.get(session, each.proposal_id).state if each.proposal_id else None)
            for each in searches.of_week(session, on)
        ),
        n_to_gate=len(made),
        n_queued=sum(not each.is_placebo for each in proposals.in_state(session, "queued")),
        n_accepted=sum(each.state in ("accepted", "deployed") for each in judged),
        programs=analyses.for_day(session, on, "programs"),
    )


def _told_patterns(session: Session, since: date) -> tuple[PatternRule, ...]:
    """Return the rules that are not retired, and those that were since a day."""
    return tuple(
        rule
        for rule in patterns.list(session)
        if rule.state != "retired" or (rule.since_on is not None and rule.since_on >= since)
    )


def _next(after: datetime, at: time, weekday: int | None) -> datetime:
    """Return the first time later than `after` that is `at` in KST, on `weekday` (Monday is 0) when given."""
    on = after.astimezone(KST).date()
    while True:
        due = datetime.combine(on, at, KST)
        if due > after and (weekday is None or on.weekday() == weekday):
            return due
        on += timedelta(days=1)
