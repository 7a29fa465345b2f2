"""The weekly cycle: 30 days become patterns, searches look for better parameters, one champion goes to the sealed test.

What passes begins its canary. Every step is durable, each instance's search is one of them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import TypeVar

from core.clock import Clock, kst_day
from core.model.analysis import Analysis, PatternRule, PatternWeek
from core.model.canonical import canonical_json, short_id
from core.model.language import Language
from core.model.proposal import ParamVersion, Proposal, Verdict
from core.store import (
    Session,
    Store,
    analyses,
    audit,
    param_versions,
    pattern_weeks,
    patterns,
    proposals,
    searches,
    verdicts,
)
from feedback.analyzer import Analyzer, Follower
from feedback.cycles.canaries import CanaryRoom, Planned
from feedback.cycles.publishing import save_notification, save_reports, write_notification, write_reports
from feedback.cycles.report_facts import ReportSources
from feedback.patterns import PatternFinder
from feedback.report import ReportFacts
from feedback.runs import RunLedger
from feedback.search import ParameterSearch, Searched
from strategies.gate import Gate, Judgement
from strategies.gate.placebo import PlaceboTest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WeeklyDeepAnalysis:
    """Holds the rooms of the weekly cycle. It alone spends the error budget."""

    store: Store
    clock: Clock
    runs: RunLedger
    finder: PatternFinder
    analyzer: Analyzer
    search: ParameterSearch
    gate: Gate
    canaries: CanaryRoom
    report_sources: ReportSources
    language: Language
    ask_retraining: Callable[[Session, datetime], Sequence[str]] = lambda session, at: ()
    """Asks for a training of every model that serves, where that is wanted; returns the ids of the requests."""

    def run_weekly_analysis(self, scheduled_for: datetime, late: bool = False) -> str | None:
        """Study the 30 days before `scheduled_for`; returns the report id, or None when the run is done or taken."""
        run = self.runs.open_run("weekly", scheduled_for, late)
        if run is None:
            return None
        on = kst_day(scheduled_for) - timedelta(days=1)

        def read_facts(session: Session) -> ReportFacts:
            return self.report_sources.weekly(session, on, scheduled_for, late)

        run.step("patterns", lambda: self.finder.find(on), lambda session, rules: _save_patterns(session, on, rules))
        run.step("study", lambda: self._study(on), _save_study)
        run.step("programs", lambda: self._propose_programs(on), _save_proposals)
        for instance_id in self.search.instances:
            run.step(f"search.{instance_id}", partial(self._search, on, instance_id), self.search.save)
        run.step("admit", lambda: self._judge_made(on, self.gate.admit), self._save_admissions)
        run.step("screen", lambda: self._judge_made(on, self.gate.screen), self._save_screens)
        champion_id = run.step("champion", lambda: None, self._choose)
        run.step("sealed", lambda: self._judge(champion_id), self._save_verdict)
        run.step("placebo", self._judge_placebo, self._save_placebo)
        run.step("deploy", self.canaries.plan, self._begin)
        run.step("retraining", lambda: scheduled_for, self._ask_retraining)
        run.step("report", lambda: write_reports(self.store, read_facts), save_reports)
        run.step("notify", lambda: write_notification(self.store, read_facts, self.language), save_notification)
        run.finish()
        return short_id("report", "weekly", on.isoformat(), self.language)

    def _study(self, on: date) -> Analysis:
        with self.store.session() as session:
            rules = patterns.list(session)
        return self.analyzer.find_patterns(on, self.finder.summary(on), rules, self.language)

    def _propose_programs(self, on: date) -> tuple[Proposal, ...]:
        """Return the rule sets that the study proposes for instances that follow one; nobody is asked without any."""
        with self.store.session() as session:
            study = analyses.for_day(session, on, "patterns")
            rules = patterns.list(session)
            running = [each for each in param_versions.all_active(session) if each.rules is not None]
            known = [each for each in running if each.instance_id in self.search.instances]
            followers = [Follower(each, _tried(session, each)) for each in known]
        assert study is not None, "the study step has committed"
        if not followers:
            return ()
        return self.analyzer.propose_programs(study, self.finder.summary(on), rules, followers)

    def _search(self, on: date, instance_id: str) -> Searched:
        with self.store.session() as session:
            study = analyses.for_day(session, on, "patterns")
        assert study is not None, "the study step has committed"
        return self.search.search(instance_id, on, study.analysis_id, study.created_at)

    def _judge_made(self, on: date, judge: Callable[[Proposal], T]) -> tuple[tuple[Proposal, T], ...]:
        """Judge what this week's searches and the study made and nobody has refused yet."""
        with self.store.session() as session:
            study = analyses.for_day(session, on, "patterns")
            asked = [] if study is None else proposals.for_analysis(session, study.analysis_id)
            found = [proposals.get(session, name) for each in searches.of_week(session, on) for name in each.made]
        # What a search made belongs to the study as well; it comes first, in its own order.
        made = {each.proposal_id: each for each in (*found, *asked)}.values()
        return tuple((proposal, judge(proposal)) for proposal in made if proposal.state == "pending")

    def _save_admissions(self, session: Session, judged: Sequence[tuple[Proposal, Verdict]]) -> str:
        return canonical_json([self.gate.save_admission(session, proposal, verdict) for proposal, verdict in judged])

    def _save_screens(self, session: Session, judged: Sequence[tuple[Proposal, Judgement]]) -> str:
        return canonical_json([self.gate.save_screen(session, proposal, found) for proposal, found in judged])

    def _choose(self, session: Session, _: None) -> str:
        """Let old proposals expire, then name the best of the queue over all strategies; empty without one."""
        self.gate.expire(session)
        champion = self.gate.champion(session)
        return "" if champion is None else champion.proposal_id

    def _judge(self, champion_id: str) -> tuple[Proposal, Judgement] | None:
        if not champion_id:
            return None
        with self.store.session() as session:
            champion = proposals.get(session, champion_id)
        if champion.state != "queued":
            # It expired, or another run of this cycle judged it, while this run waited for its next attempt.
            return None
        return champion, self.gate.judge_sealed(champion)

    def _save_verdict(self, session: Session, judged: tuple[Proposal, Judgement] | None) -> str:
        return "" if judged is None else self.gate.save_sealed(session, *judged)

    def _judge_placebo(self) -> tuple[Proposal, PlaceboTest] | None:
        """Test one placebo a week, whatever became of the champion: it measures the gate and promotes nothing."""
        with self.store.session() as session:
            placebo = self.gate.next_placebo(session)
        return None if placebo is None else (placebo, self.gate.judge_placebo(placebo))

    def _save_placebo(self, session: Session, judged: tuple[Proposal, PlaceboTest] | None) -> str:
        return "" if judged is None else self.gate.save_placebo(session, *judged)

    def _ask_retraining(self, session: Session, scheduled_for: datetime) -> str:
        return canonical_json(self.ask_retraining(session, scheduled_for))

    def _begin(self, session: Session, planned: Sequence[Planned]) -> str:
        """Begin the canary of what passed, in the shadow: nothing gets capital before its days are over."""
        begun = self.canaries.save_plans(session, planned)
        now = self.clock.now()
        audit.append(session, now, "worker", "weekly_cycle", kst_day(now).isoformat(), {"begun": begun})
        return begun


def _save_patterns(session: Session, on: date, rules: Sequence[PatternRule]) -> str:
    before = {rule.pattern_id: rule.state for rule in patterns.list(session)}
    for rule in rules:
        patterns.put(session, rule)
    turned = Counter(rule.state for rule in rules if before.get(rule.pattern_id) != rule.state)
    counts = PatternWeek(on, turned["new"], turned["confirmed"], turned["broken"], turned["retired"])
    pattern_weeks.add(session, counts)
    return canonical_json([rule.pattern_id for rule in rules])


def _tried(session: Session, running: ParamVersion) -> tuple[str, ...]:
    """Return other rule sets that an instance followed or tried, newest first; placebos tell nobody anything."""
    versions = [(each.created_at, each.rules) for each in param_versions.history(session, running.instance_id)]
    made = [each for each in proposals.of_instance(session, running.instance_id) if not each.is_placebo]
    asked = [(each.created_at, each.rules) for each in made if each.state not in ("pending", "refused")]
    screened = verdicts.outcomes(session, "screen")
    asked += [
        (each.created_at, each.rules) for each in made if each.state == "refused" and each.proposal_id in screened
    ]
    newest = sorted(
        (each for each in [*versions, *asked] if each[1] is not None), key=lambda each: each[0], reverse=True
    )
    return tuple(dict.fromkeys(rules for _, rules in newest if rules is not None and rules != running.rules))


def _save_proposals(session: Session, made: Sequence[Proposal]) -> str:
    for proposal in made:
        proposals.add(session, proposal)
    return canonical_json([proposal.proposal_id for proposal in made])


def _save_study(session: Session, analysis: Analysis) -> str:
    analyses.add(session, analysis)
    return analysis.analysis_id
