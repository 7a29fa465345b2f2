"""The weekly cycle: 30 days become patterns, one champion goes to the sealed test, and what passes is deployed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from core.clock import Clock, kst_day
from core.model.analysis import Analysis, PatternRule
from core.model.canonical import canonical_json, short_id
from core.model.operations import Notification, Report
from core.model.proposal import Proposal, Verdict
from core.store import Session, Store, analyses, audit, notifications, patterns, proposals, reports
from feedback.analyzer import Analyzer
from feedback.cycles.daily import build_report_notification
from feedback.cycles.report_facts import ReportSources
from feedback.patterns import PatternFinder
from feedback.report import LANGUAGES, Language, brief, render_report
from feedback.runs import RunLedger
from strategies.gate import Gate
from strategies.rollout import Rollout


@dataclass(frozen=True, slots=True)
class WeeklyDeepAnalysis:
    """Holds the rooms of the weekly cycle. It alone spends the error budget."""

    store: Store
    clock: Clock
    runs: RunLedger
    finder: PatternFinder
    analyzer: Analyzer
    gate: Gate
    rollout: Rollout
    report_sources: ReportSources
    language: Language

    def run_weekly_analysis(self, scheduled_for: datetime, late: bool = False) -> str | None:
        """Study the 30 days before `scheduled_for`; returns the report id, or None when the run is done or taken."""
        run = self.runs.open_run("weekly", scheduled_for, late)
        if run is None:
            return None
        on = kst_day(scheduled_for) - timedelta(days=1)
        run.step("patterns", lambda: self.finder.find(on), _save_patterns)
        run.step("study", lambda: self._study(on), _save_study)
        run.step("champion", self._choose, lambda session, chosen: self._register(session, chosen))
        run.step("sealed", self._judge, self._save_verdict)
        run.step("deploy", lambda: None, self._deploy)
        run.step("report", lambda: self._write_report(on, scheduled_for, late), _save_reports)
        run.step("notify", lambda: self._brief(on, scheduled_for, late), _save_notification)
        run.finish()
        return short_id("report", "weekly", on.isoformat(), self.language)

    def _study(self, on: date) -> Analysis:
        with self.store.session() as session:
            rules = patterns.list(session)
        return self.analyzer.find_patterns(on, self.finder.summary(on), rules, self.language)

    def _choose(self) -> Proposal | None:
        with self.store.session() as session:
            self.gate.expire(session)
            return self.gate.champion(session)

    def _register(self, session: Session, champion: Proposal | None) -> str:
        if champion is not None:
            self.gate.register_champion(session, champion)
        return "" if champion is None else champion.proposal_id

    def _judge(self) -> tuple[Proposal, Verdict] | None:
        with self.store.session() as session:
            champion = self.gate.registered_champion(session)
        return None if champion is None else (champion, self.gate.judge_sealed(champion))

    def _save_verdict(self, session: Session, judged: tuple[Proposal, Verdict] | None) -> str:
        if judged is None:
            return ""
        proposal, verdict = judged
        self.gate.save_sealed(session, proposal, verdict)
        return verdict.verdict_id

    def _deploy(self, session: Session, _: None) -> str:
        """Deploy what was accepted and is not on its way yet."""
        deployed = []
        for proposal in proposals.in_state(session, "accepted"):
            verdict = self.gate.last_verdict(session, proposal.proposal_id)
            if verdict is not None and not self.rollout.exists_for(session, proposal.proposal_id):
                deployed.append(self.rollout.deploy(session, proposal, verdict).deployment_id)
        payload = {"deployed": deployed}
        audit.append(session, self.clock.now(), "worker", "weekly_cycle", kst_day(self.clock.now()).isoformat(), payload)
        return canonical_json(deployed)

    def _write_report(self, on: date, due_at: datetime, late: bool) -> tuple[Report, ...]:
        with self.store.session() as session:
            facts = self.report_sources.weekly(session, on, due_at, late)
        return tuple(render_report(facts, language) for language in LANGUAGES)

    def _brief(self, on: date, due_at: datetime, late: bool) -> Notification:
        with self.store.session() as session:
            facts = self.report_sources.weekly(session, on, due_at, late)
        return build_report_notification("weekly", on, due_at, brief(facts, self.language))


def _save_patterns(session: Session, rules: Sequence[PatternRule]) -> str:
    for rule in rules:
        patterns.put(session, rule)
    return canonical_json([rule.pattern_id for rule in rules])


def _save_study(session: Session, analysis: Analysis) -> str:
    analyses.add(session, analysis)
    return analysis.analysis_id


def _save_reports(session: Session, written: Sequence[Report]) -> str:
    for item in written:
        reports.add(session, item)
    return canonical_json({item.language: item.sha256 for item in written})


def _save_notification(session: Session, notification: Notification) -> str:
    notifications.add(session, notification)
    return notification.notification_id
