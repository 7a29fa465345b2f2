"""What every analyzer answers, and how one fails."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Protocol

from core.errors import Unavailable
from core.model.analysis import Analysis, Forecast, PatternRule
from core.model.dataset import DailyDataset, DaySummary
from core.model.language import Language
from core.model.proposal import ParamVersion, Proposal
from feedback.analyzer.llm_programs import Follower
from feedback.analyzer.summary import TradesSummary


class Analyzer(Protocol):
    """Studies days and months, and proposes bounded numbers for named parameters. It decides nothing."""

    def analyze_daily_performance(self, dataset: DailyDataset, language: Language) -> Analysis:
        """Return what made the day succeed or fail, in `language`."""
        ...

    def suggest_strategy_adjustments(
        self,
        dataset: DailyDataset,
        analysis: Analysis,
        running: Sequence[ParamVersion],
        forecasts: Sequence[Forecast],
        last_days: Sequence[DaySummary],
    ) -> tuple[Proposal, ...]:
        """Return at most one pending proposal for each running instance; none at all means "no change"."""
        ...

    def find_patterns(
        self, on: date, trades_summary: TradesSummary, rules: Sequence[PatternRule], language: Language
    ) -> Analysis:
        """Return what repeated itself over the 30 days that end with `on`."""
        ...

    def propose_programs(
        self,
        study: Analysis,
        trades_summary: TradesSummary,
        rules: Sequence[PatternRule],
        followers: Sequence[Follower],
    ) -> tuple[Proposal, ...]:
        """Return at most one pending proposal of another rule set for each follower; none means "no change"."""
        ...


class AnalyzerFailure(Unavailable):
    """A language model gave no usable answer. `reason` is one word; calls and cost so far are in the ledger."""

    def __init__(
        self, reason: str, message: str, call_ids: tuple[str, ...] = (), cost_usd: Decimal = Decimal(0)
    ) -> None:
        super().__init__(message, "The rule analyzer answers instead")
        self.reason = reason
        self.call_ids = call_ids
        self.cost_usd = cost_usd
