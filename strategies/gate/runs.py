"""The backtests of one proposal: candidate and incumbent on the same bars, with the same costs and capital."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from core.clock import to_ns
from core.errors import BadInput
from core.metrics import Series
from core.model.canonical import short_id
from core.model.proposal import BacktestRun, Proposal
from core.native import Bars, validate_params
from core.settings_sections import CostSettings
from strategies import backtest
from strategies.backtest import DailyFacts, dearer
from strategies.gate.ports import BarSource
from strategies.gate.screen import ScreenRuns, neighbours_of
from strategies.gate.split import HistorySplit, seen_window
from strategies.gate.stress import COST_MULTIPLE, gapped, places
from strategies.schema import load_param_specs

WARM_UP = timedelta(days=15)
"""Bars before a window that fill indicators and are not traded, where that side of the split has them."""


@dataclass(frozen=True, slots=True)
class Window:
    """What a set of backtests shares."""

    name: Literal["seen", "sealed"]
    start_at: datetime
    end_at: datetime
    bars: Bars
    cost_multiple: float


@dataclass(frozen=True, slots=True)
class Laboratory:
    """Makes every backtest that the gate asks for about one proposal."""

    proposal: Proposal
    symbols: tuple[str, ...]
    capital_usd: Decimal
    costs: CostSettings
    bars: BarSource
    now: datetime
    rules: str | None = None
    """The rule set of strategy `rules`."""

    def seen_window(self, split: HistorySplit | None, seen_days: int) -> tuple[datetime, datetime]:
        """Return start and end of the days a screen may use; both the same when there are none."""
        try:
            _, end_at = self.bars.span(self.symbols)
        except BadInput:
            return self.now, self.now
        return (self.now, self.now) if split is None else seen_window(split, self.now, end_at, seen_days)

    def run_screen(
        self, split: HistorySplit, start_at: datetime, end_at: datetime, cost_multiple: float
    ) -> tuple[ScreenRuns, tuple[BacktestRun, ...]]:
        """Return the runs of a screen: both sides, the candidate's neighbours, and both sides under stress."""
        warm_from = max(split.seen_start_at, start_at - WARM_UP)
        window = self._window("seen", warm_from, start_at, end_at, cost_multiple)
        incumbent, candidate = self._pair(window)
        neighbours = self._sound_neighbours()
        swept = self._sweep(window, [each for _, each in neighbours])
        stressed = [self._stressed_pair(window, place) for place in places()]
        runs = ScreenRuns(
            incumbent=incumbent,
            candidate=candidate,
            neighbours=[(name, facts) for (name, _), facts in zip(neighbours, swept, strict=True)],
            stressed_incumbent=[pair[0] for pair in stressed],
            stressed_candidate=[pair[1] for pair in stressed],
            capital_usd=float(self.capital_usd),
        )
        made = [
            self._record(window, "incumbent", self.proposal.base_params, incumbent),
            self._record(window, "candidate", self.proposal.params, candidate),
            *(self._record(window, "neighbour", neighbours[k][1], facts) for k, facts in enumerate(swept)),
        ]
        return runs, tuple(made)

    def run_sealed(self, split: HistorySplit) -> tuple[DailyFacts, DailyFacts, tuple[BacktestRun, ...]]:
        """Return candidate and incumbent on the sealed days at plain costs, warmed up on the bars before them."""
        warm_from, end_at = split.sealed_start_at - WARM_UP, split.sealed_end_at
        window = self._window("sealed", warm_from, split.sealed_start_at, end_at, 1.0)
        incumbent, candidate = self._pair(window)
        made = (
            self._record(window, "incumbent", self.proposal.base_params, incumbent),
            self._record(window, "candidate", self.proposal.params, candidate),
        )
        return candidate, incumbent, made

    def _window(
        self,
        name: Literal["seen", "sealed"],
        warm_from: datetime,
        start_at: datetime,
        end_at: datetime,
        multiple: float,
    ) -> Window:
        return Window(name, start_at, end_at, self.bars.load(self.symbols, warm_from, end_at), multiple)

    def _pair(self, window: Window) -> tuple[DailyFacts, DailyFacts]:
        return self._run(window, self.proposal.base_params), self._run(window, self.proposal.params)

    def _run(self, window: Window, params: Mapping[str, float]) -> DailyFacts:
        costs = dearer(self.costs, window.cost_multiple)
        trade_from_ns = to_ns(window.start_at)
        strategy = self.proposal.strategy
        return backtest.run(strategy, params, window.bars, costs, self.capital_usd, trade_from_ns, self.rules)

    def _sweep(self, window: Window, params: Sequence[Mapping[str, float]]) -> list[DailyFacts]:
        if not params:
            return []
        costs = dearer(self.costs, window.cost_multiple)
        trade_from_ns = to_ns(window.start_at)
        strategy = self.proposal.strategy
        return backtest.sweep(strategy, params, window.bars, costs, self.capital_usd, trade_from_ns, self.rules)

    def _stressed_pair(self, window: Window, place: float) -> tuple[Series, Series]:
        crashed = Window(window.name, window.start_at, window.end_at, gapped(window.bars, place), COST_MULTIPLE)
        incumbent, candidate = self._sweep(crashed, [self.proposal.base_params, self.proposal.params])
        return incumbent.pnl_usd, candidate.pnl_usd

    def _sound_neighbours(self) -> list[tuple[str, Mapping[str, float]]]:
        # A neighbour that contradicts another parameter, like a fast window above the slow one, does not exist.
        sound: list[tuple[str, Mapping[str, float]]] = []
        for param, params in neighbours_of(self.proposal, load_param_specs(self.proposal.strategy)):
            try:
                validate_params(self.proposal.strategy, params)
            except BadInput:
                continue
            sound.append((param, params))
        return sound

    def _record(
        self,
        window: Window,
        role: Literal["candidate", "incumbent", "neighbour"],
        params: Mapping[str, float],
        facts: DailyFacts,
    ) -> BacktestRun:
        sha256 = validate_params(self.proposal.strategy, params, self.rules)
        return BacktestRun(
            backtest_id=short_id("backtest", self.proposal.proposal_id, window.name, role, sha256),
            proposal_id=self.proposal.proposal_id,
            window=window.name,
            role=role,
            strategy=self.proposal.strategy,
            params=dict(params),
            params_sha256=sha256,
            start_at=window.start_at,
            end_at=window.end_at,
            cost_multiple=window.cost_multiple,
            n_days=int(facts.days.size),
            n_trades=facts.n_trades,
            net_pnl_usd=float(facts.pnl_usd.sum()),
            fees_usd=facts.fees_usd,
            slippage_usd=facts.slippage_usd,
            at=self.now,
        )
