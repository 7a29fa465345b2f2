"""The language model first, the rules whenever it cannot: the loop never stops, and always says who spoke."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import TypeVar

from core.clock import Clock
from core.log import get_logger
from core.model.analysis import Analysis, Finding, Forecast, PatternRule, Task
from core.model.canonical import short_id
from core.model.dataset import DailyDataset, DaySummary
from core.model.language import Language
from core.model.proposal import ParamVersion, Proposal
from core.store import Store, analyses
from feedback.analyzer.deepseek import Adjustments, DeepSeekAnalyzer
from feedback.analyzer.llm_programs import Follower
from feedback.analyzer.protocol import AnalyzerFailure
from feedback.analyzer.rule_texts import say
from feedback.analyzer.rules import SOURCE, RuleAnalyzer
from feedback.analyzer.summary import TradesSummary

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AnalyzerWithFallback:
    """`model` is None where none can be asked; `why_none` says why. A database that is down still raises."""

    model: DeepSeekAnalyzer | None
    rules: RuleAnalyzer
    store: Store
    clock: Clock
    why_none: str = "no_key"

    def analyze_daily_performance(self, dataset: DailyDataset, language: Language) -> Analysis:
        """Return the study of the day; `source` and `fallback_reason` say who made it."""
        return self._study(
            lambda model: model.analyze_daily_performance(dataset, language),
            lambda: self.rules.analyze_daily_performance(dataset, language),
        )

    def find_patterns(
        self, on: date, trades_summary: TradesSummary, rules: Sequence[PatternRule], language: Language
    ) -> Analysis:
        """Return the study of 30 days; `source` and `fallback_reason` say who made it."""
        return self._study(
            lambda model: model.find_patterns(on, trades_summary, rules, language),
            lambda: self.rules.find_patterns(on, trades_summary, rules, language),
        )

    def suggest_strategy_adjustments(
        self,
        dataset: DailyDataset,
        analysis: Analysis,
        running: Sequence[ParamVersion],
        forecasts: Sequence[Forecast],
        last_days: Sequence[DaySummary],
    ) -> tuple[Proposal, ...]:
        """Return the proposals; an analysis of task `adjustments` keeps who made them and what was refused."""
        asked = (dataset, analysis, running, forecasts, last_days)
        made, failure = self._first(
            lambda model: model.adjust(*asked),
            lambda: Adjustments(self.rules.suggest_strategy_adjustments(*asked), (), "", (), Decimal(0), SOURCE),
        )
        n, n_refused = len(made.proposals), len(made.refused)
        summary = say("adjustments_summary", self.rules.language, n=n, n_refused=n_refused)
        self._keep("adjustments", analysis, (dataset.on, dataset.sha256), made, failure, summary)
        return made.proposals

    def propose_programs(
        self,
        study: Analysis,
        trades_summary: TradesSummary,
        rules: Sequence[PatternRule],
        followers: Sequence[Follower],
    ) -> tuple[Proposal, ...]:
        """Return the model's rule sets; the rules propose none, and an analysis of task `programs` says so."""
        made, failure = self._first(
            lambda model: model.propose_programs(study, trades_summary, rules, followers),
            lambda: Adjustments((), (), "", (), Decimal(0), SOURCE),
        )
        language, n = self.rules.language, len(made.proposals)
        by_model = say("programs_summary", language, n=n, n_refused=len(made.refused))
        summary = by_model if failure is None else say("programs_by_rules", language)
        self._keep("programs", study, (study.on, study.dataset_sha256), made, failure, summary)
        return made.proposals

    def _study(self, ask: Callable[[DeepSeekAnalyzer], Analysis], fall_back: Callable[[], Analysis]) -> Analysis:
        study, failure = self._first(ask, fall_back)
        if failure is None:
            return study
        return replace(study, fallback_reason=failure.reason, call_ids=failure.call_ids, cost_usd=failure.cost_usd)

    def _first(
        self, ask: Callable[[DeepSeekAnalyzer], T], fall_back: Callable[[], T]
    ) -> tuple[T, AnalyzerFailure | None]:
        if self.model is None:
            return fall_back(), AnalyzerFailure(self.why_none, "no language model is configured")
        try:
            return ask(self.model), None
        except AnalyzerFailure as failure:
            get_logger("analyzer").warning("fallback", reason=failure.reason, error=failure.message)
            return fall_back(), failure

    def _keep(
        self,
        task: Task,
        analysis: Analysis,
        about: tuple[date, str],
        made: Adjustments,
        failure: AnalyzerFailure | None,
        summary: str,
    ) -> None:
        language = self.rules.language
        reason = failure.reason if failure else ""
        refused = say("refused_edits", language, n=len(made.refused), reasons="; ".join(made.refused))
        moved = say("news_influence", language, reasons="; ".join(one.words for one in made.influences))
        note = Analysis(
            analysis_id=short_id("analysis", task, analysis.analysis_id, made.prompt_sha256, made.source, reason),
            task=task,
            on=about[0],
            dataset_sha256=about[1],
            prompt_sha256=made.prompt_sha256,
            call_ids=failure.call_ids if failure else made.call_ids,
            source=made.source,
            fallback_reason=reason,
            summary=summary,
            success_factors=(),
            failure_factors=(Finding(refused, "warning"),) if made.refused else (),
            effectiveness={},
            missed=(),
            adjustments=tuple(Finding(proposal.rationale) for proposal in made.proposals),
            risks=(Finding(moved, "warning"),) if made.influences else (),
            cost_usd=failure.cost_usd if failure else made.cost_usd,
            created_at=self.clock.now(),
            n_numbers=made.n_numbers,
            n_unverified=made.n_unverified,
        )
        with self.store.session() as session:
            # A run that goes on after a crash comes by again, at a later time.
            if analyses.find(session, note.analysis_id) is None:
                analyses.add(session, note)
