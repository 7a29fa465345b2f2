"""The analyzer that asks a language model: any OpenAI-compatible server, DeepSeek by default."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from core.clock import Clock
from core.model.analysis import Analysis, Finding, Forecast, PatternRule, Task
from core.model.canonical import canonical_json, sha256_of, short_id
from core.model.dataset import DailyDataset, DaySummary
from core.model.language import Language
from core.model.proposal import ParamVersion, Proposal
from feedback.analyzer.answers import (
    AdjustmentsAnswer,
    DailyAnswer,
    InvalidAnswer,
    PatternsAnswer,
    ProgramsAnswer,
    answer_schema,
    parse_answer,
)
from feedback.analyzer.checked_text import CheckedText
from feedback.analyzer.client import Answered, LlmClient, Question, T
from feedback.analyzer.edits import EditRules
from feedback.analyzer.facts import (
    PromptFacts,
    build_adjustment_facts,
    build_day_facts,
    build_pattern_facts,
    without_news,
)
from feedback.analyzer.grounding import numbers_in
from feedback.analyzer.influence import Influence, measure_influence
from feedback.analyzer.llm_edits import AdmittedEdits, admit_edits, build_proposals
from feedback.analyzer.llm_programs import (
    AdmittedPrograms,
    Follower,
    admit_programs,
    build_program_facts,
    build_program_proposals,
    programs_schema,
)
from feedback.analyzer.protocol import AnalyzerFailure
from feedback.analyzer.render import describe_registry, load_template, render
from feedback.analyzer.rule_patterns import MIN_BUCKET, rule_name
from feedback.analyzer.rule_texts import say
from feedback.analyzer.summary import TradesSummary
from strategies.schema import load_param_specs, strategy_names


@dataclass(frozen=True, slots=True)
class Adjustments:
    """Proposals with what was refused on the way, and the calls that they cost."""

    proposals: tuple[Proposal, ...]
    refused: tuple[str, ...]
    prompt_sha256: str
    call_ids: tuple[str, ...]
    cost_usd: Decimal
    source: str
    influences: tuple[Influence, ...] = ()
    """What news moved too far: those proposals wait for a person."""
    n_numbers: int = 0
    """Numbers in the rationales,"""
    n_unverified: int = 0
    """and those that no fact supports."""


@dataclass(frozen=True, slots=True)
class DeepSeekAnalyzer:
    """Asks through `client`; `language` is that of the proposals' rationale. Every method raises AnalyzerFailure."""

    client: LlmClient
    clock: Clock
    edit_rules: EditRules
    language: Language = "en"
    max_news_influence_pct: float = 2.0

    def analyze_daily_performance(self, dataset: DailyDataset, language: Language) -> Analysis:
        """Return the model's study of the day; numbers that no fact supports are struck and counted among the risks."""
        facts = build_day_facts(dataset)
        instances = {"instance_id": [result.instance_id for result in dataset.strategies]}
        schema = answer_schema("daily_analysis", instances)
        question = _question(
            "daily_analysis",
            "daily/analysis",
            {"schema": canonical_json(schema), "facts": facts.text},
            language,
            schema,
            lambda text: parse_answer(text, DailyAnswer),
        )
        answered = self.client.ask(question)
        answer, ground = answered.value, CheckedText(facts, facts.numbers)
        known = set(instances["instance_id"])
        return self._analysis(
            "daily_analysis",
            dataset.on,
            dataset.sha256,
            question,
            answered,
            ground,
            summary=ground.text(answer.summary),
            success_factors=ground.findings(answer.success_factors),
            failure_factors=ground.findings(answer.failure_factors),
            effectiveness={e.instance_id: ground.text(e.text) for e in answer.effectiveness if e.instance_id in known},
            missed=ground.findings(answer.missed),
            adjustments=ground.findings(answer.adjustments),
            # Last: it counts what was struck in all the others.
            risks=(*ground.findings(answer.risks), *ground.count(language)),
        )

    def suggest_strategy_adjustments(
        self,
        dataset: DailyDataset,
        analysis: Analysis,
        running: Sequence[ParamVersion],
        forecasts: Sequence[Forecast],
        last_days: Sequence[DaySummary],
    ) -> tuple[Proposal, ...]:
        """Return at most one proposal for each instance; edits that broke a rule are refused and audited."""
        return self.adjust(dataset, analysis, running, forecasts, last_days).proposals

    def adjust(
        self,
        dataset: DailyDataset,
        analysis: Analysis,
        running: Sequence[ParamVersion],
        forecasts: Sequence[Forecast],
        last_days: Sequence[DaySummary],
    ) -> Adjustments:
        """Return the proposals together with what was refused and what it cost."""
        asked = (analysis, running, forecasts, last_days)
        answered, question, facts = self._ask_for_edits(dataset, *asked)
        admitted, versions = answered.value, {version.instance_id: version for version in running}
        if admitted.refused:
            self.client.ledger.note("edits_refused", analysis.analysis_id, {"refused": list(admitted.refused)})
        beside = self._without_news(dataset, admitted, *asked)
        free = None if beside.value is None else beside.value.edits
        influences = measure_influence(admitted.edits, free, versions, self.max_news_influence_pct)
        strategies = tuple(sorted({version.strategy for version in running}))
        ground = CheckedText(facts, (*facts.numbers, *_registry_numbers(strategies), *admitted.numbers))
        source = f"llm:{answered.model}"
        made = build_proposals(admitted, versions, ground.text, analysis, source)
        held = {influence.instance_id for influence in influences}
        if held:
            told = {"over": [influence.words for influence in influences], "cap_pct": self.max_news_influence_pct}
            self.client.ledger.note("news_influence", analysis.analysis_id, told)
        return Adjustments(
            proposals=tuple(replace(one, hold=True) if one.instance_id in held else one for one in made),
            refused=admitted.refused,
            prompt_sha256=question.prompt.sha256,
            call_ids=(*answered.call_ids, *beside.call_ids),
            cost_usd=answered.cost_usd + beside.cost_usd,
            source=source,
            influences=influences,
            n_numbers=ground.n_numbers,
            n_unverified=ground.n_struck,
        )

    def _ask_for_edits(
        self,
        dataset: DailyDataset,
        analysis: Analysis,
        running: Sequence[ParamVersion],
        forecasts: Sequence[Forecast],
        last_days: Sequence[DaySummary],
    ) -> tuple[Answered[AdmittedEdits], Question[AdmittedEdits], PromptFacts]:
        versions = {version.instance_id: version for version in running}
        facts = build_adjustment_facts(dataset, running, forecasts, last_days, self.edit_rules)
        strategies = tuple(sorted({version.strategy for version in running}))
        params = sorted({name for strategy in strategies for name in load_param_specs(strategy)})
        schema = answer_schema("adjustments", {"instance_id": sorted(versions), "param": params})
        inputs = {
            "schema": canonical_json(schema),
            "registry": describe_registry(strategies),
            "facts": facts.text,
        }

        def parse(text: str) -> AdmittedEdits:
            admitted = salvage(text)
            if admitted.refused:
                raise InvalidAnswer(admitted.refused)
            return admitted

        def salvage(text: str) -> AdmittedEdits:
            return admit_edits(parse_answer(text, AdjustmentsAnswer), versions, dataset.refuted, self.edit_rules)

        question = _question("adjustments", "daily/adjustments", inputs, self.language, schema, parse, salvage=salvage)
        return self.client.ask(question), question, facts

    def _without_news(
        self,
        dataset: DailyDataset,
        admitted: AdmittedEdits,
        analysis: Analysis,
        running: Sequence[ParamVersion],
        forecasts: Sequence[Forecast],
        last_days: Sequence[DaySummary],
    ) -> "_Beside":
        """Return the edits that the model makes without news; the same ones where there was none to be moved by."""
        bare = without_news(dataset)
        asked = (running, forecasts, last_days, self.edit_rules)
        if not admitted.edits or build_adjustment_facts(bare, *asked) == build_adjustment_facts(dataset, *asked):
            return _Beside(admitted, (), Decimal(0))
        try:
            answered = self._ask_for_edits(bare, analysis, running, forecasts, last_days)[0]
        except AnalyzerFailure as failure:
            return _Beside(None, failure.call_ids, failure.cost_usd)
        return _Beside(answered.value, answered.call_ids, answered.cost_usd)

    def find_patterns(
        self, on: date, trades_summary: TradesSummary, rules: Sequence[PatternRule], language: Language
    ) -> Analysis:
        """Return the model's study of 30 days; a claimed rule stays only where the counted trades agree with it."""
        facts = build_pattern_facts(trades_summary, rules)
        schema = answer_schema("patterns", {})
        inputs = {"schema": canonical_json(schema), "facts": facts.text}
        question = _question(
            "patterns", "weekly/patterns", inputs, language, schema, lambda text: parse_answer(text, PatternsAnswer)
        )
        answered = self.client.ask(question)
        answer, ground = answered.value, CheckedText(facts, facts.numbers)
        kept: dict[str, list[Finding]] = {"better": [], "worse": []}
        hours: list[Finding] = []
        conditions: dict[str, str] = {}
        for rule in answer.rules:
            bucket = facts.restore(rule.bucket)
            if not _is_supported(trades_summary, rule.dimension, bucket, rule.direction):
                continue
            finding = Finding(ground.text(rule.text), action=rule_name(rule.dimension, bucket, rule.direction))
            kept[rule.direction].append(finding)
            if rule.dimension == "hour_kst":
                hours.append(finding)
            if rule.dimension == "strategy_by_volatility" and rule.direction == "better":
                conditions.setdefault(bucket.rsplit("/", 1)[-1], finding.text)
        n_left_out = len(answer.rules) - len(kept["better"]) - len(kept["worse"])
        left_out = (Finding(say("unsupported_rules", language, n=n_left_out), "warning"),) if n_left_out else ()
        return self._analysis(
            "patterns",
            on,
            sha256_of((trades_summary, tuple(rules))),
            question,
            answered,
            ground,
            summary=ground.text(answer.summary),
            success_factors=tuple(kept["better"]),
            failure_factors=tuple(kept["worse"]),
            effectiveness=conditions,
            adjustments=tuple(hours),
            risks=(*ground.findings(answer.edge_cases), *left_out, *ground.count(language)),
        )

    def propose_programs(
        self,
        study: Analysis,
        trades_summary: TradesSummary,
        rules: Sequence[PatternRule],
        followers: Sequence[Follower],
    ) -> Adjustments:
        """Return at most one rule set for each follower, what was refused at the door, and what it cost."""
        by_name = {each.running.instance_id: each for each in followers}
        facts = build_program_facts(followers, trades_summary, rules)
        schema = programs_schema(sorted(by_name))
        inputs = {"schema": canonical_json(schema), "facts": facts.text}

        def parse(text: str) -> AdmittedPrograms:
            admitted = salvage(text)
            if admitted.refused:
                raise InvalidAnswer(admitted.refused)
            return admitted

        def salvage(text: str) -> AdmittedPrograms:
            return admit_programs(parse_answer(text, ProgramsAnswer), by_name)

        question = _question("programs", "weekly/programs", inputs, self.language, schema, parse, salvage=salvage)
        answered = self.client.ask(question)
        admitted = answered.value
        if admitted.refused:
            self.client.ledger.note("programs_refused", study.analysis_id, {"refused": list(admitted.refused)})
        ground = CheckedText(facts, (*facts.numbers, *admitted.numbers))
        source = f"llm:{answered.model}"
        made = build_program_proposals(admitted, by_name, ground.text, study, source)
        return Adjustments(
            made,
            admitted.refused,
            question.prompt.sha256,
            answered.call_ids,
            answered.cost_usd,
            source,
            n_numbers=ground.n_numbers,
            n_unverified=ground.n_struck,
        )

    def _analysis(
        self,
        task: Task,
        on: date,
        dataset_sha256: str,
        question: Question[T],
        answered: Answered[T],
        ground: CheckedText,
        *,
        summary: str,
        success_factors: tuple[Finding, ...],
        failure_factors: tuple[Finding, ...],
        effectiveness: dict[str, str],
        adjustments: tuple[Finding, ...],
        risks: tuple[Finding, ...],
        missed: tuple[Finding, ...] = (),
    ) -> Analysis:
        source = f"llm:{answered.model}"
        return Analysis(
            analysis_id=short_id("analysis", task, dataset_sha256, question.prompt.sha256, source),
            task=task,
            on=on,
            dataset_sha256=dataset_sha256,
            prompt_sha256=question.prompt.sha256,
            call_ids=answered.call_ids,
            source=source,
            fallback_reason="",
            summary=summary,
            success_factors=success_factors,
            failure_factors=failure_factors,
            effectiveness=effectiveness,
            missed=missed,
            adjustments=adjustments,
            risks=risks,
            cost_usd=answered.cost_usd,
            created_at=self.clock.now(),
            n_numbers=ground.n_numbers,
            n_unverified=ground.n_struck,
        )


@dataclass(frozen=True, slots=True)
class _Beside:
    """The answer without news and what it cost; None where there was no usable one."""

    value: AdmittedEdits | None
    call_ids: tuple[str, ...]
    cost_usd: Decimal


def _question(
    task: Task,
    template: str,
    inputs: Mapping[str, str],
    language: Language,
    schema: Mapping[str, object],
    parse: Callable[[str], T],
    salvage: Callable[[str], T] | None = None,
) -> Question[T]:
    front = load_template(template).front
    return Question(
        task, render(template, inputs, language), schema, front.max_tokens, front.thinking, parse, salvage or parse
    )


def _is_supported(summary: TradesSummary, dimension: str, name: str, direction: str) -> bool:
    """Return whether the counted trades of the bucket differ from the mean in the claimed direction."""
    bucket = summary.bucket(dimension, name)
    if bucket is None or bucket.n < MIN_BUCKET or summary.mean_bps is None:
        return False
    return bucket.mean_bps > summary.mean_bps if direction == "better" else bucket.mean_bps < summary.mean_bps


def _registry_numbers(strategies: Sequence[str]) -> tuple[float, ...]:
    specs = [spec for name in strategies if name in strategy_names() for spec in load_param_specs(name).values()]
    return numbers_in([[spec.minimum, spec.maximum, spec.step] for spec in specs])
