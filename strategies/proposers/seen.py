"""The judge of a search: the real engine over seen days. The one place where bars and proposers meet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from core.clock import from_ns, to_ns
from core.errors import Refused
from core.model.proposal import ParamVersion
from core.native import Bars
from core.settings_sections import CostSettings
from strategies import backtest
from strategies.backtest import DailyFacts
from strategies.gate.paired import paired_difference
from strategies.gate.ports import BarSource
from strategies.gate.runs import warm_up_of
from strategies.gate.split import HistorySplit
from strategies.proposers.protocol import Score
from strategies.proposers.space import Params


@dataclass(frozen=True, slots=True, eq=False)
class SeenBars:
    """Bars that a search may use. Cannot be made of others: a bar from before the seen days raises Refused."""

    bars: Bars
    split: HistorySplit
    start_at: datetime
    """Bars closed until then only warm up."""
    end_at: datetime

    def __post_init__(self) -> None:
        opened, closed = self.bars.opened_at_ns, self.bars.closed_at_ns
        first = min(self.start_at, from_ns(int(opened.min()))) if len(self.bars) else self.start_at
        if first < self.split.seen_start_at:
            raise Refused(
                f"bars from {first.isoformat()} are not seen days: those start {self.split.seen_start_at.isoformat()}",
                "A search uses seen days only",
            )
        if len(self.bars) and int(closed.max()) > to_ns(self.end_at):
            raise Refused(f"bars close after the window's end at {self.end_at.isoformat()}", "Load the window's own")


def load_seen(
    source: BarSource,
    symbols: Sequence[str],
    split: HistorySplit,
    start_at: datetime,
    end_at: datetime,
    strategy: str = "",
) -> SeenBars:
    """Return the bars of a window of seen days, with those before it that warm it up; Refused for other days."""
    warm_from = max(split.seen_start_at, start_at - warm_up_of(strategy))
    return SeenBars(source.load(tuple(symbols), min(warm_from, start_at), end_at), split, start_at, end_at)


@dataclass(frozen=True, slots=True, eq=False)
class SeenJudge:
    """Scores parameter sets against the running one: one sweep of the engine, the same bars and costs for all."""

    running: ParamVersion
    incumbent: DailyFacts
    seen: SeenBars
    costs: CostSettings
    capital_usd: Decimal

    def __call__(self, params: Sequence[Params], programs: Sequence[str | None] = ()) -> list[Score]:
        """Return a score for each parameter set, in order. Raises BadInput for one that the engine refuses."""
        own = self.running.rules
        rules = [own if each is None else each for each in programs] if programs else [own] * len(params)
        scores: dict[int, Score] = {}
        for program in dict.fromkeys(rules):
            places = [k for k, each in enumerate(rules) if each == program]
            asked = (self.running.strategy, [params[k] for k in places], self.seen, self.costs, self.capital_usd)
            scores |= {k: self._score(facts) for k, facts in zip(places, _sweep(*asked, program), strict=True)}
        return [scores[k] for k in range(len(params))]

    def _score(self, facts: DailyFacts) -> Score:
        d = paired_difference(facts.pnl_usd, self.incumbent.pnl_usd)
        if isinstance(d, str):
            return Score(None, facts.days.size, facts.n_trades, d)
        return Score(float(d.mean()), d.size, facts.n_trades, "")


def build_judge(running: ParamVersion, seen: SeenBars, costs: CostSettings, capital_usd: Decimal) -> SeenJudge:
    """Return the judge of one window; the running version is played once, here."""
    incumbent = _sweep(running.strategy, [running.params], seen, costs, capital_usd, running.rules)[0]
    return SeenJudge(running, incumbent, seen, costs, capital_usd)


def _sweep(
    strategy: str,
    params: Sequence[Params],
    seen: SeenBars,
    costs: CostSettings,
    capital_usd: Decimal,
    rules: str | None,
) -> list[DailyFacts]:
    return backtest.sweep(strategy, params, seen.bars, costs, capital_usd, to_ns(seen.start_at), rules)
