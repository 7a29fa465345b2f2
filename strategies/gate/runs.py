"""The backtests of one proposal: candidate and incumbent on the same bars, with the same costs and capital."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

import numpy as np

from core.clock import to_ns
from core.errors import BadInput
from core.metrics import Series
from core.model.canonical import short_id
from core.model.proposal import BacktestRun, Proposal
from core.native import Bars, validate_params
from core.native_paths import sweep_paths
from core.settings_sections import CostSettings, GateSettings
from strategies import backtest
from strategies.backtest import DailyFacts, dearer
from strategies.gate.ports import BarSource
from strategies.gate.screen import ScreenRuns, neighbours_of
from strategies.gate.shocks import LEAD_IN, SILENCE_NS, crash_windows, draw_days, gapped, places, wider
from strategies.gate.split import HistorySplit, seen_window
from strategies.gate.stress import COST_MULTIPLE, Paths, Scenario
from strategies.program_parts import neighbours_of_program
from strategies.programs import RULES
from strategies.schema import decides_on, load_param_specs

PATH_SEED = 20_200_312
WARM_UP = timedelta(days=15)
"""Bars before a window that fill indicators and are not traded, where that side of the split has them."""
LONG_WARM_UP = timedelta(days=45)
"""The same for a rule set, whose windows of up to 500 bars are three weeks of hourly ones."""


@dataclass(frozen=True, slots=True)
class Window:
    """What a set of backtests shares."""

    name: Literal["seen", "sealed", "lived"]
    start_at: datetime
    end_at: datetime
    bars: Bars
    cost_multiple: float


@dataclass(frozen=True, slots=True)
class Side:
    """What is played: parameters, and the rule set of strategy `rules`."""

    params: Mapping[str, float]
    rules: str | None = None


@dataclass(frozen=True, slots=True)
class Laboratory:
    """Makes every backtest that the gate asks for about one proposal, each side with its own rule set."""

    proposal: Proposal
    symbols: tuple[str, ...]
    capital_usd: Decimal
    costs: CostSettings
    bars: BarSource
    now: datetime
    rules: str | None = None
    """The first rule set of the instance, for proposals from before they carried that of their base."""

    @property
    def incumbent(self) -> Side:
        """What the proposal was made for."""
        rules = self.proposal.base_rules
        return Side(self.proposal.base_params, self.rules if rules is None else rules)

    @property
    def candidate(self) -> Side:
        """What the proposal asks for."""
        rules = self.proposal.rules
        return Side(self.proposal.params, self.incumbent.rules if rules is None else rules)

    @property
    def warm_up(self) -> timedelta:
        """How much before a window only fills indicators."""
        return warm_up_of(self.proposal.strategy)

    def seen_window(self, split: HistorySplit | None, seen_days: int) -> tuple[datetime, datetime]:
        """Return start and end of the days a screen may use; both the same when there are none."""
        try:
            _, end_at = self.bars.span(self.symbols)
        except BadInput:
            return self.now, self.now
        return (self.now, self.now) if split is None else seen_window(split, self.now, end_at, seen_days)

    def has_bars_until(self, at: datetime) -> bool:
        """Return whether the bars of every symbol reach `at`."""
        try:
            return self.bars.span(self.symbols)[1] >= at
        except BadInput:
            return False

    def run_screen(
        self, split: HistorySplit, start_at: datetime, end_at: datetime, settings: GateSettings
    ) -> tuple[ScreenRuns, tuple[BacktestRun, ...]]:
        """Return the runs of a screen: both sides, the candidate's neighbours, and both sides under stress."""
        warm_from = max(split.seen_start_at, start_at - self.warm_up)
        window = self._window("seen", warm_from, start_at, end_at, settings.cost_multiple)
        incumbent, candidate = self._pair(window)
        neighbours = self._sound_neighbours()
        costs = dearer(self.costs, window.cost_multiple)
        swept = self._sweep(window.bars, costs, [each for _, each in neighbours], to_ns(window.start_at))
        runs = ScreenRuns(
            incumbent=incumbent,
            candidate=candidate,
            neighbours=[(name, facts) for (name, _), facts in zip(neighbours, swept, strict=True)],
            scenarios=(self._gaps(window), self._silent_gaps(window), *self._crash_days(split)),
            paths=self._paths(window),
            capital_usd=float(self.capital_usd),
        )
        made = [
            self._record(window, "incumbent", self.incumbent, incumbent),
            self._record(window, "candidate", self.candidate, candidate),
            *(self._record(window, "neighbour", neighbours[k][1], facts) for k, facts in enumerate(swept)),
        ]
        return runs, tuple(made)

    def run_sealed(self, split: HistorySplit) -> tuple[DailyFacts, DailyFacts, tuple[BacktestRun, ...]]:
        """Return candidate and incumbent on the sealed days at plain costs, warmed up on the bars before them."""
        warm_from, end_at = split.sealed_start_at - self.warm_up, split.sealed_end_at
        window = self._window("sealed", warm_from, split.sealed_start_at, end_at, 1.0)
        incumbent, candidate = self._pair(window)
        made = (
            self._record(window, "incumbent", self.incumbent, incumbent),
            self._record(window, "candidate", self.candidate, candidate),
        )
        return candidate, incumbent, made

    def run_lived(
        self, split: HistorySplit, start_at: datetime, end_at: datetime
    ) -> tuple[DailyFacts, DailyFacts, tuple[BacktestRun, ...]]:
        """Return candidate and incumbent on lived days at plain costs, warmed up on seen bars only.

        Raises BadInput where there are no bars, and for days that were not lived.
        """
        if start_at < split.first_start_at:
            raise BadInput(f"{start_at:%Y-%m-%d} is before the first start, so nothing was lived then")
        window = self._window("lived", max(split.seen_start_at, start_at - self.warm_up), start_at, end_at, 1.0)
        incumbent, candidate = self._pair(window)
        made = (
            self._record(window, "incumbent", self.incumbent, incumbent),
            self._record(window, "candidate", self.candidate, candidate),
        )
        return candidate, incumbent, made

    def _window(
        self,
        name: Literal["seen", "sealed", "lived"],
        warm_from: datetime,
        start_at: datetime,
        end_at: datetime,
        multiple: float,
    ) -> Window:
        return Window(name, start_at, end_at, self.bars.load(self.symbols, warm_from, end_at), multiple)

    def _pair(self, window: Window) -> tuple[DailyFacts, DailyFacts]:
        return self._run(window, self.incumbent), self._run(window, self.candidate)

    def _run(self, window: Window, side: Side) -> DailyFacts:
        costs = dearer(self.costs, window.cost_multiple)
        asked = (self.proposal.strategy, side.params, window.bars, costs, self.capital_usd)
        return backtest.run(*asked, to_ns(window.start_at), side.rules)

    def _sweep(self, bars: Bars, costs: CostSettings, sides: Sequence[Side], trade_from_ns: int) -> list[DailyFacts]:
        """Return what each side made, in order; those of one rule set are played in one pass."""
        made: dict[int, DailyFacts] = {}
        for rules in dict.fromkeys(side.rules for side in sides):
            places = [k for k, side in enumerate(sides) if side.rules == rules]
            asked = (self.proposal.strategy, [sides[k].params for k in places], bars, costs, self.capital_usd)
            made |= dict(zip(places, backtest.sweep(*asked, trade_from_ns, rules), strict=True))
        return [made[k] for k in range(len(sides))]

    def _gaps(self, window: Window) -> Scenario:
        pairs = [self._pair_of_days(gapped(window.bars, place), wider(self.costs)) for place in places()]
        return _scenario("gap", "a 30 % gap at ten times the spread", pairs)

    def _silent_gaps(self, window: Window) -> Scenario:
        pairs = [self._pair_of_days(gapped(window.bars, place, SILENCE_NS), wider(self.costs)) for place in places()]
        return _scenario("silence", "the same gap while the feed is silent for six hours", pairs)

    def _crash_days(self, split: HistorySplit) -> tuple[Scenario, ...]:
        needs, pairs, played = decides_on(self.proposal.strategy), [], []
        for warm_from, start_at, end_at in crash_windows(split, self.bars.span(self.symbols)):
            bars = self.bars.load(self.symbols, warm_from, end_at)
            if needs == "predictions" and not bars.said:
                continue  # no model had been trained by then
            pairs.append(self._pair_of_days(bars, dearer(self.costs, COST_MULTIPLE), to_ns(start_at)))
            played.append(f"{start_at:%Y-%m-%d}")
        if not pairs:
            return ()
        days = ", ".join(played)
        return (_scenario("crash_days", f"recorded crashes at {COST_MULTIPLE:g} x costs ({days})", pairs),)

    def _paths(self, window: Window) -> Paths:
        # One seed for all: what the paths decide does not hang on which proposal comes first.
        drawn = draw_days(window.bars, PATH_SEED)
        if drawn is None:
            return Paths(np.empty((0, 0)), np.empty((0, 0)))
        costs = backtest.native_costs(dearer(self.costs, window.cost_multiple))
        sides = (self.incumbent, self.candidate)
        groups = [sides] if sides[0].rules == sides[1].rules else [(side,) for side in sides]
        made = [
            sweep_paths(
                self.proposal.strategy,
                [side.params for side in group],
                window.bars,
                drawn,
                LEAD_IN.days,
                costs,
                self.capital_usd,
                group[0].rules,
            )
            for group in groups
        ]
        both = np.concatenate(made, axis=1)
        return Paths(candidate=both[:, 1], incumbent=both[:, 0])

    def _pair_of_days(self, bars: Bars, costs: CostSettings, trade_from_ns: int = 0) -> tuple[Series, Series]:
        incumbent, candidate = self._sweep(bars, costs, (self.incumbent, self.candidate), trade_from_ns)
        return incumbent.pnl_usd, candidate.pnl_usd

    def _sound_neighbours(self) -> list[tuple[str, Side]]:
        # A neighbour that contradicts another parameter, like a fast window above the slow one, does not exist.
        sound: list[tuple[str, Side]] = []
        rules = self.candidate.rules
        for param, params in neighbours_of(self.proposal, load_param_specs(self.proposal.strategy)):
            try:
                validate_params(self.proposal.strategy, params)
            except BadInput:
                continue
            sound.append((param, Side(params, rules)))
        if self.proposal.rules is not None:
            moved = neighbours_of_program(self.proposal.rules, self.incumbent.rules)
            sound += [(place, Side(self.proposal.params, program)) for place, program in moved]
        return sound

    def _record(
        self,
        window: Window,
        role: Literal["candidate", "incumbent", "neighbour"],
        side: Side,
        facts: DailyFacts,
    ) -> BacktestRun:
        sha256 = validate_params(self.proposal.strategy, side.params, side.rules)
        # A proposal has one seen and one sealed window, and a lived one for every horizon.
        until = (window.end_at.isoformat(),) if window.name == "lived" else ()
        return BacktestRun(
            backtest_id=short_id("backtest", self.proposal.proposal_id, window.name, role, sha256, *until),
            proposal_id=self.proposal.proposal_id,
            window=window.name,
            role=role,
            strategy=self.proposal.strategy,
            params=dict(side.params),
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


def warm_up_of(strategy: str) -> timedelta:
    """Return how much before a window only fills indicators of a strategy."""
    return LONG_WARM_UP if strategy == RULES else WARM_UP


def _scenario(name: str, told: str, pairs: Sequence[tuple[Series, Series]]) -> Scenario:
    return Scenario(name, told, candidate=[pair[1] for pair in pairs], incumbent=[pair[0] for pair in pairs])
