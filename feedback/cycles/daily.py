"""The daily cycle: one straight function from the day's rows to a report and, perhaps, a queued proposal.

Every step is durable: killed between any two lines, the next start goes on at the step that had not committed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

from core.clock import KST, Clock, kst_day, kst_day_bounds, require_utc, to_ns
from core.errors import Conflict
from core.log import get_logger
from core.model.advice import AdviceOutcome
from core.model.analysis import Analysis, Forecast
from core.model.canonical import canonical_json, short_id
from core.model.dataset import DailyDataset
from core.model.language import Language
from core.model.market import MarketContext
from core.model.news import NewsReading
from core.model.proposal import Proposal, Verdict
from core.model.scorecard import Scorecard, TwinDay
from core.store import (
    Session,
    Store,
    advice,
    analyses,
    audit,
    contexts,
    datasets,
    deployments,
    forecasts,
    news_readings,
    param_versions,
    proposals,
    scorecards,
    verdicts,
)
from feedback.advisor import SettleRoom
from feedback.analyzer import Analyzer, NewsReader
from feedback.context import MarketContextCollector
from feedback.cycles.canaries import CanaryRoom
from feedback.cycles.publishing import save_notification, save_reports, write_notification, write_reports
from feedback.cycles.report_facts import ReportSources
from feedback.dataset import DatasetBuilder
from feedback.forecast import Forecaster
from feedback.report import ReportFacts
from feedback.runs import RunLedger
from feedback.scorecard import build_scorecard
from feedback.scorecard_facts import read_scorecard_facts
from feedback.twin import find_twin_days, save_twin_days
from strategies.gate import Gate, Judgement
from strategies.gate.aftermath import JudgedAftermath, save_aftermaths
from strategies.rollout import Rollout

T = TypeVar("T")
_log = get_logger("feedback.cycles")


@dataclass(frozen=True, slots=True)
class DailyFeedbackLoop:
    """Holds the rooms of the daily cycle. `on_prepared` tells the engine what it needs for the next day."""

    store: Store
    clock: Clock
    runs: RunLedger
    collector: MarketContextCollector
    reader: NewsReader
    dataset_builder: DatasetBuilder
    analyzer: Analyzer
    gate: Gate
    rollout: Rollout
    canaries: CanaryRoom
    forecaster: Forecaster
    report_sources: ReportSources
    settle_room: SettleRoom
    symbols: tuple[str, ...]
    language: Language
    on_prepared: Callable[[Session, datetime], None]

    def run_daily_cycle(self, scheduled_for: datetime, late: bool = False) -> str | None:
        """Study the KST day before `scheduled_for`; returns the report id, or None when the run is done or taken."""
        run = self.runs.open_run("daily", scheduled_for, late)
        if run is None:
            return None
        on = kst_day(scheduled_for) - timedelta(days=1)

        def read_facts(session: Session) -> ReportFacts:
            return self.report_sources.daily(session, on, scheduled_for, late)

        run.step("collect", lambda: self._collect(on), self._save_context)
        run.step("read", lambda: self._read(on), _save_readings)
        run.step("dataset", lambda: self._build_dataset(on), self._save_dataset)
        run.step("score", lambda: self._score_forecasts(on), self._save_scores)
        run.step("analyze", lambda: self._analyze(on), _save_analysis)
        run.step("propose", lambda: self._propose(on), self._save_proposals)
        run.step("admit", lambda: self._judge_pending(on, self.gate.admit), self._save_admissions)
        run.step("screen", lambda: self._judge_pending(on, self.gate.screen), self._save_screens)
        run.step("narrow", lambda: None, self._deploy_narrowed)
        run.step("advance", lambda: self.canaries.judge(on), self.canaries.save)
        run.step("forecast", lambda: self.forecaster.forecast(on + timedelta(days=1)), _save_forecasts)
        run.step("aftermath", self.gate.judge_aftermaths, _save_aftermaths)
        run.step("advice", lambda: self._settle_advice(scheduled_for), _save_outcomes)
        run.step("twin", lambda: self._compare_with_twins(on), _save_twin_days)
        run.step("scorecard", lambda: self._score_loop(scheduled_for), lambda s, card: _save_scorecard(s, on, card))
        run.step("report", lambda: write_reports(self.store, read_facts), save_reports)
        run.step("notify", lambda: write_notification(self.store, read_facts, self.language), save_notification)
        run.step("prepare", lambda: None, self._prepare)
        run.finish()
        return short_id("report", "daily", on.isoformat(), self.language)

    def _collect(self, on: date) -> MarketContext:
        _, end_at = kst_day_bounds(on)
        return self.collector.collect_context(end_at, self.symbols)

    def _save_context(self, session: Session, context: MarketContext) -> str:
        self.collector.save(session, context)
        return context.context_id

    def _read(self, on: date) -> tuple[NewsReading, ...]:
        with self.store.session() as session:
            context = contexts.as_of(session, kst_day_bounds(on)[1])
        return self.reader.read(() if context is None else context.headlines)

    def _build_dataset(self, on: date) -> DailyDataset:
        with self.store.session() as session:
            _, end_at = kst_day_bounds(on)
            context = contexts.as_of(session, end_at)
        return self.dataset_builder.build(on, context)

    def _save_dataset(self, session: Session, dataset: DailyDataset) -> str:
        datasets.add(session, dataset)
        self.dataset_builder.mark_feedback_used(session, dataset)
        return dataset.dataset_id

    def _score_forecasts(self, on: date) -> tuple[Forecast, ...]:
        return self.forecaster.score(on)

    def _save_scores(self, session: Session, scored: Sequence[Forecast]) -> str:
        for forecast in scored:
            forecasts.put_score(session, forecast)
        return canonical_json([forecast.forecast_id for forecast in scored])

    def _compare_with_twins(self, on: date) -> tuple[TwinDay, ...]:
        with self.store.session() as session:
            return find_twin_days(session, on)

    def _settle_advice(self, scheduled_for: datetime) -> tuple[AdviceOutcome, ...]:
        with self.store.session() as session:
            return tuple(self.settle_room.settle(session, require_utc(scheduled_for)))

    def _score_loop(self, scheduled_for: datetime) -> Scorecard:
        """Return the scorecard once a day: checking every row of the ledger takes too long for a page."""
        with self.store.session() as session:
            facts = read_scorecard_facts(session, require_utc(scheduled_for), self.gate.settings)
        return build_scorecard(facts)

    def _dataset(self, session: Session, on: date) -> DailyDataset:
        dataset = datasets.for_day(session, on)
        assert dataset is not None, "the dataset step has committed"
        return dataset

    def _analyze(self, on: date) -> Analysis:
        with self.store.session() as session:
            dataset = self._dataset(session, on)
        return self.analyzer.analyze_daily_performance(dataset, self.language)

    def _propose(self, on: date) -> tuple[Proposal, ...]:
        with self.store.session() as session:
            dataset = self._dataset(session, on)
            analysis = analyses.for_day(session, on, "daily_analysis")
            running = param_versions.all_active(session)
            tomorrow = forecasts.latest(session)
        assert analysis is not None, "the analyze step has committed"
        return self.analyzer.suggest_strategy_adjustments(dataset, analysis, running, tomorrow, dataset.last_days)

    def _save_proposals(self, session: Session, made: Sequence[Proposal]) -> str:
        for proposal in made:
            proposals.add(session, proposal)
        return canonical_json([proposal.proposal_id for proposal in made])

    def _judge_pending(self, on: date, judge: Callable[[Proposal], T]) -> tuple[tuple[Proposal, T], ...]:
        with self.store.session() as session:
            analysis = analyses.for_day(session, on, "daily_analysis")
            made = [] if analysis is None else proposals.for_analysis(session, analysis.analysis_id)
        return tuple((proposal, judge(proposal)) for proposal in made if proposal.state == "pending")

    def _save_admissions(self, session: Session, judged: Sequence[tuple[Proposal, Verdict]]) -> str:
        return canonical_json([self.gate.save_admission(session, proposal, verdict) for proposal, verdict in judged])

    def _save_screens(self, session: Session, judged: Sequence[tuple[Proposal, Judgement]]) -> str:
        return canonical_json([self.gate.save_screen(session, proposal, found) for proposal, found in judged])

    def _deploy_narrowed(self, session: Session, _: None) -> str:
        """Send what only narrows the same day; it needs no evidence."""
        return canonical_json(deploy_narrowed(session, self.rollout))

    def _prepare(self, session: Session, _: None) -> str:
        """Let old proposals expire and tell the engine what changed outside, for the day that begins."""
        expired = [proposal.proposal_id for proposal in self.gate.expire(session)]
        now = self.clock.now()
        self.on_prepared(session, now)
        payload = {"expired": expired, "reached_ns": to_ns(now)}
        audit.append(session, now, "worker", "daily_cycle", now.astimezone(KST).date().isoformat(), payload)
        return canonical_json(payload)


def deploy_narrowed(session: Session, rollout: Rollout) -> list[str]:
    """Deploy every narrowing that is not on its way yet; returns the deployment ids.

    One whose base was replaced since it was judged, as by a rollback meanwhile, expires: it must not stop the cycle.
    """
    deployed = []
    for proposal in proposals.in_state(session, "narrowed"):
        if deployments.for_proposal(session, proposal.proposal_id):
            continue
        verdict = verdicts.for_proposal(session, proposal.proposal_id)[-1]
        try:
            deployed.append(rollout.deploy(session, proposal, verdict).deployment_id)
        except Conflict as error:
            proposals.set_state(session, proposal.proposal_id, "expired")
            _log.warning("not_deployed", proposal_id=proposal.proposal_id, reason=str(error))
    return deployed


def _save_readings(session: Session, readings: Sequence[NewsReading]) -> str:
    for reading in readings:
        news_readings.add(session, reading)
    return canonical_json([reading.item_id for reading in readings])


def _save_analysis(session: Session, analysis: Analysis) -> str:
    analyses.add(session, analysis)
    return analysis.analysis_id


def _save_aftermaths(session: Session, judged: Sequence[JudgedAftermath]) -> str:
    return canonical_json(save_aftermaths(session, judged))


def _save_outcomes(session: Session, outcomes: Sequence[AdviceOutcome]) -> str:
    for outcome in outcomes:
        advice.add_outcome(session, outcome)
    return canonical_json([outcome.advice_id for outcome in outcomes])


def _save_twin_days(session: Session, days: tuple[TwinDay, ...]) -> str:
    return canonical_json(save_twin_days(session, days))


def _save_scorecard(session: Session, on: date, card: Scorecard) -> str:
    scorecards.add(session, on, card)
    return canonical_json(card.fault)


def _save_forecasts(session: Session, made: Sequence[Forecast]) -> str:
    for forecast in made:
        forecasts.add(session, forecast)
    return canonical_json([forecast.forecast_id for forecast in made])
