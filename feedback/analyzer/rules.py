"""The analyzer without a language model: deterministic, in code, and said to be so wherever it speaks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from core.clock import Clock
from core.model.analysis import Analysis, Finding, Forecast, PatternRule
from core.model.canonical import sha256_of, short_id
from core.model.dataset import DailyDataset, DaySummary, StrategyResult
from core.model.language import Language
from core.model.proposal import ParamVersion, Proposal
from feedback.analyzer.edits import EditRules
from feedback.analyzer.llm_programs import Follower
from feedback.analyzer.moves import CONFIDENCE, ChosenMove, choose_move
from feedback.analyzer.rule_findings import (
    describe_failures,
    describe_missed,
    describe_risks,
    describe_success,
    describe_symptom,
    effectiveness,
)
from feedback.analyzer.rule_patterns import describe_conditions, describe_edges, describe_hours, describe_rules
from feedback.analyzer.rule_texts import say, say_rate
from feedback.analyzer.summary import TradesSummary
from feedback.analyzer.symptoms import DayOfInstance, find_symptoms
from strategies.proposers.build import build_proposal
from strategies.schema import load_param_specs

SOURCE = "rule"


@dataclass(frozen=True, slots=True)
class RuleAnalyzer:
    """Reads symptoms from counted facts. `language` is that of the proposals' rationale."""

    clock: Clock
    edit_rules: EditRules
    language: Language = "en"

    def analyze_daily_performance(self, dataset: DailyDataset, language: Language) -> Analysis:
        """Return the day in sentences, each with the number that it rests on."""
        totals = dataset.totals
        facts = {
            "n_trades": totals.n_trades,
            "win_rate": say_rate(totals.n_wins, totals.n_trades),
            "net": totals.net_pnl_usd,
            "costs": totals.fees_usd + totals.slippage_usd,
            "equity": totals.equity_change_usd,
        }
        days = [day_of(dataset, result) for result in dataset.strategies]
        return Analysis(
            analysis_id=short_id("analysis", "daily_analysis", dataset.sha256, SOURCE, language),
            task="daily_analysis",
            on=dataset.on,
            dataset_sha256=dataset.sha256,
            prompt_sha256="",
            call_ids=(),
            source=SOURCE,
            fallback_reason="",
            summary=say("summary" if totals.n_trades else "summary_empty", language, **facts),
            success_factors=describe_success(days, language),
            failure_factors=describe_failures(days, language),
            effectiveness={day.result.instance_id: effectiveness(day, language) for day in days},
            missed=describe_missed(dataset, language),
            adjustments=tuple(self._tomorrow(day, language) for day in days),
            risks=describe_risks(dataset, days, language),
            cost_usd=Decimal(0),
            created_at=self.clock.now(),
        )

    def suggest_strategy_adjustments(
        self,
        dataset: DailyDataset,
        analysis: Analysis,
        running: Sequence[ParamVersion],
        forecasts: Sequence[Forecast],
        last_days: Sequence[DaySummary],
    ) -> tuple[Proposal, ...]:
        """Return one bounded one-step edit for each instance whose day asks for it and that was not refuted before."""
        results = {result.instance_id: result for result in dataset.strategies}
        made = []
        for version in sorted(running, key=lambda v: v.instance_id):
            result = results.get(version.instance_id)
            if result is None:
                continue
            day = day_of(dataset, result)
            chosen = choose_move(day, find_symptoms(day), version, dataset.refuted, self.edit_rules)
            if chosen is not None:
                made.append(self._proposal(day, chosen, version, analysis))
        return tuple(made)

    def propose_programs(
        self,
        study: Analysis,
        trades_summary: TradesSummary,
        rules: Sequence[PatternRule],
        followers: Sequence[Follower],
    ) -> tuple[Proposal, ...]:
        """Return none: the rules change numbers only."""
        return ()

    def find_patterns(
        self, on: date, trades_summary: TradesSummary, rules: Sequence[PatternRule], language: Language
    ) -> Analysis:
        """Return the month in sentences; only rules that passed their test are called patterns."""
        alive = [rule for rule in rules if rule.state in ("new", "confirmed")]
        facts = {
            "n_trades": trades_summary.n_trades,
            "n_days": (trades_summary.end_on - trades_summary.start_on).days + 1,
            "win_rate": say_rate(trades_summary.n_wins, trades_summary.n_trades),
            "net": trades_summary.net_pnl_usd,
            "n_rules": len(alive),
            "n_confirmed": sum(rule.state == "confirmed" for rule in alive),
        }
        content = sha256_of((trades_summary, tuple(rules)))
        return Analysis(
            analysis_id=short_id("analysis", "patterns", on, content, SOURCE, language),
            task="patterns",
            on=on,
            dataset_sha256=content,
            prompt_sha256="",
            call_ids=(),
            source=SOURCE,
            fallback_reason="",
            summary=say("month", language, **facts),
            success_factors=describe_rules(alive, "better", language),
            failure_factors=describe_rules(alive, "worse", language),
            effectiveness=describe_conditions(trades_summary, language),
            missed=(),
            adjustments=describe_hours(trades_summary, language),
            risks=describe_edges(trades_summary, alive, language),
            cost_usd=Decimal(0),
            created_at=self.clock.now(),
        )

    def _tomorrow(self, day: DayOfInstance, language: Language) -> Finding:
        symptoms = find_symptoms(day)
        if not symptoms:
            return Finding(say("no_change", language, instance=day.result.instance_id))
        text = describe_symptom(day, symptoms[0], language)
        return Finding(f"{day.result.instance_id}: {text}", "warning" if symptoms[0] == "deep_drawdown" else "info")

    def _proposal(self, day: DayOfInstance, chosen: ChosenMove, version: ParamVersion, analysis: Analysis) -> Proposal:
        edit = chosen.edit
        rationale = say(
            "change",
            self.language,
            symptom=describe_symptom(day, chosen.symptom, self.language),
            param=edit.param,
            from_value=version.params[edit.param],
            to_value=edit.value,
            unit=load_param_specs(version.strategy)[edit.param].unit,
        )
        return build_proposal(
            version,
            (edit,),
            rationale,
            chosen.effect,
            CONFIDENCE[chosen.symptom],
            analysis_id=analysis.analysis_id,
            source=SOURCE,
            at=analysis.created_at,
        )


def day_of(dataset: DailyDataset, result: StrategyResult) -> DayOfInstance:
    """Return one instance's day with what the rules need from the whole day."""
    return DayOfInstance(result, max(1, len(dataset.context.symbols)))
