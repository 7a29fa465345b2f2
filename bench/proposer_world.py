"""The world of `bench.proposers`: markets with a planted optimum, and scripted advisers that know it, or do not.

A world is one seed: its own market of seen days, and a running version displaced at random from the optimum, so near
that one admissible move could reach it. The judge is the real engine. Regret is what a pick loses against the
optimum on the truth: a long market of another seed that nothing searches.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np

from bench.measure import BenchError
from core.errors import BadInput
from core.metrics import sharpe
from core.model.proposal import ExpectedEffect, ParamVersion, Proposal
from core.native import Bars, MarketSpec, generate, validate_params
from core.settings_sections import CostSettings, GateSettings, SearchSettings
from market.synthetic import demo_market
from strategies import backtest
from strategies.gate.split import HistorySplit
from strategies.proposers.build import build_proposal
from strategies.proposers.fresh import SeenParts, split_seen
from strategies.proposers.llm import AdviceRequest, Adviser
from strategies.proposers.protocol import Idea, Judge, Study, Task, Trial, seed_of
from strategies.proposers.seen import SeenBars, build_judge
from strategies.proposers.space import Params, Space, build_space
from strategies.schema import load_param_specs

STRATEGY = "momentum_scalping"
FIRST_OPTIMUM = {
    "atr_window": 15.0,
    "entry_threshold": 4.1,
    "lookback": 7.0,
    "size": 10.0,
    "stop_loss": 0.8,
    "take_profit": 4.5,
    "trail": 1.0,
}
"""Where the search for the truth's own optimum starts: the best of one long market."""
CAPITAL_USD = Decimal(100_000)
COSTS = CostSettings()
SETTINGS, GATE = SearchSettings(), GateSettings()
START_AT = datetime(2024, 1, 1, tzinfo=UTC) - timedelta(hours=9)
TRUTH_DAYS, TRUTH_SEED = 730, 2_000_003
N_SYMBOLS = 3
MIN_TRADES_A_DAY, MAX_DRAWS = 0.5, 100
RIGHT_SHARE = 0.75
"""How often the expert knows which way a parameter should move."""


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """One seed's market and running version."""

    seed: int
    space: Space
    judge: Judge
    judge_fresh: Judge


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The long market, and the parameters that are best on it."""

    bars: Bars
    optimum: Params

    def sharpes(self, several: Sequence[Params]) -> list[float]:
        """Return the annualised Sharpe ratio of each parameter set; one that never trades makes zero."""
        return truth_sharpes(self.bars, several)

    def trades_a_day(self, params: Params) -> float:
        """Return how often a parameter set trades."""
        return backtest.sweep(STRATEGY, [params], self.bars, COSTS, CAPITAL_USD)[0].n_trades / TRUTH_DAYS


def truth_sharpes(bars: Bars, several: Sequence[Params]) -> list[float]:
    """Return the annualised Sharpe ratios on `bars`; no variation counts as zero."""
    swept = backtest.sweep(STRATEGY, several, bars, COSTS, CAPITAL_USD)
    return [sharpe(facts.pnl_usd) or 0.0 for facts in swept]


def find_truth() -> Truth:
    """Return the truth with its optimum: ascent along one parameter at a time until no neighbour is better."""
    bars = generate(_market(TRUTH_SEED, TRUTH_DAYS))
    best, value = dict(FIRST_OPTIMUM), truth_sharpes(bars, [FIRST_OPTIMUM])[0]
    improved = True
    while improved:
        improved = False
        for name, spec in load_param_specs(STRATEGY).items():
            here = spec.grid_index(best[name])
            nearby = [here + shift for shift in (-4, -2, -1, 1, 2, 4)]
            moved = [{**best, name: spec.at_index(k)} for k in nearby if 0 <= k <= spec.grid_index(spec.maximum)]
            moved = [] if spec.risk == "cap" else moved
            for params, reached in zip(moved, truth_sharpes(bars, moved), strict=True):
                if reached > value + 1e-9:
                    best, value, improved = params, reached, True
    return Truth(bars, best)


def build_world(seed: int, truth: Truth, step_share: float) -> World:
    """Return the world of `seed`, in which a parameter may move by `step_share` of its running value at once.

    Raises BenchError when no running version near the optimum trades.
    """
    space = _displaced(seed, truth, step_share)
    running = space.running
    end_at = START_AT + timedelta(days=GATE.seen_days)
    split = HistorySplit(START_AT, START_AT, START_AT, START_AT, 0, GATE.min_sealed_days)
    parts = split_seen(START_AT, end_at, SETTINGS.fresh_days, GATE.embargo_days)
    if not isinstance(parts, SeenParts):
        raise BenchError(parts)
    bars = generate(_market(seed, GATE.seen_days))
    searched = SeenBars(_until(bars, parts.search_end_at), split, parts.search_start_at, parts.search_end_at)
    fresh = SeenBars(bars, split, parts.fresh_start_at, parts.fresh_end_at)
    return World(
        seed=seed,
        space=space,
        judge=build_judge(running, searched, COSTS, CAPITAL_USD),
        judge_fresh=build_judge(running, fresh, COSTS, CAPITAL_USD),
    )


def expert(seed: int, optimum: Params) -> Adviser:
    """Return an adviser that stands for a good LLM: from the best trial it moves every parameter part of the way.

    The way is 30 to 100 % of the distance to the optimum; one time in four it goes the wrong way.
    """

    def point(asked: AdviceRequest, dice: np.random.Generator) -> dict[str, int]:
        goal, start = _point_near(asked.space, optimum), _best_point(asked)
        moved = {}
        for name, here in start.items():
            way = (goal[name] - here) * float(dice.uniform(0.3, 1.0))
            moved[name] = here + round(way if dice.random() < RIGHT_SHARE else -way)
        return moved

    return _scripted("llm:scripted-expert", seed, point)


def uninformative(seed: int) -> Adviser:
    """Return an adviser that knows nothing: any admissible point, each as likely."""
    return _scripted("llm:scripted-random", seed, lambda asked, dice: _anywhere(asked.space, dice))


def adversary(seed: int, optimum: Params) -> Adviser:
    """Return an adviser that means harm: every parameter 50 to 100 % of the way to the end away from the optimum."""

    def point(asked: AdviceRequest, dice: np.random.Generator) -> dict[str, int]:
        goal, moved = _point_near(asked.space, optimum), {}
        for name, here in asked.space.origin.items():
            indices = asked.space.ranges[name]
            end = max((indices[0], indices[-1]), key=lambda k: abs(k - goal[name]))
            moved[name] = here + round((end - here) * float(dice.uniform(0.5, 1.0)))
        return moved

    return _scripted("llm:scripted-adversary", seed, point)


@dataclass(frozen=True, slots=True)
class RandomSearch:
    """The floor under every arm: any admissible point, each as likely."""

    @property
    def name(self) -> str:
        """See `Proposer`."""
        return "random_search"

    def open(self, task: Task) -> Study:
        """See `Proposer`."""
        return _RandomStudy(task.space, np.random.default_rng(task.seed))


@dataclass(frozen=True, slots=True)
class _RandomStudy:
    space: Space
    dice: np.random.Generator

    def ask(self, n: int) -> Sequence[Idea]:
        return [Idea(self.space.params_at(_anywhere(self.space, self.dice))) for _ in range(n)]

    def tell(self, trials: Sequence[Trial]) -> None:
        pass


def _scripted(source: str, seed: int, point: Callable[[AdviceRequest, np.random.Generator], dict[str, int]]) -> Adviser:
    def advise(asked: AdviceRequest) -> list[Proposal]:
        dice = np.random.default_rng(seed_of(seed, source, len(asked.trials)))
        tried = {trial.params_sha256 for trial in asked.trials}
        found: list[Proposal] = []
        for _ in range(100 * asked.n):
            params = asked.space.params_at(point(asked, dice))
            # A script answers as the analyzer does: admissible, and nothing that was tried before.
            if not asked.space.refusal(params) and (sha256 := asked.space.identify(params)) not in tried:
                tried.add(sha256)
                found.append(_proposal(asked.space, params, source))
            if len(found) == asked.n:
                break
        return found

    return advise


def _proposal(space: Space, params: Params, source: str) -> Proposal:
    effect = ExpectedEffect("daily_pnl_usd", "up", 1.0, 7)
    edits = space.edits_to(params)
    return build_proposal(space.running, edits, "", effect, 0.6, analysis_id="bench", source=source, at=START_AT)


def _best_point(asked: AdviceRequest) -> dict[str, int]:
    scored = [trial for trial in asked.trials if (trial.score.value or 0.0) > 0]
    best = max(scored, key=lambda trial: trial.score.value or 0.0, default=None)
    return asked.space.origin if best is None else asked.space.point_of(best.params) or asked.space.origin


def _point_near(space: Space, optimum: Params) -> dict[str, int]:
    specs = load_param_specs(STRATEGY)
    return {
        name: min(r, key=lambda k: abs(k - specs[name].grid_index(optimum[name]))) for name, r in space.ranges.items()
    }


def _anywhere(space: Space, dice: np.random.Generator) -> dict[str, int]:
    return {name: int(dice.integers(indices[0], indices[-1] + 1)) for name, indices in space.ranges.items()}


def _displaced(seed: int, truth: Truth, step_share: float) -> Space:
    """Return the space around a version that trades, from which one admissible move reaches the optimum.

    Every parameter is a quarter to a half of `step_share` away from its best value.
    """
    dice = np.random.default_rng(seed_of(seed, "running"))
    for _ in range(MAX_DRAWS):
        params = dict(truth.optimum)
        for name, spec in load_param_specs(STRATEGY).items():
            if spec.risk == "none":
                away = float(dice.choice((-1, 1))) * float(dice.uniform(0.25, 0.5)) * step_share
                params[name] = spec.at_index(spec.grid_index(truth.optimum[name] * (1 + away)))
        try:
            sha256 = validate_params(STRATEGY, params)
        except BadInput:
            continue
        running = ParamVersion("bench-1", STRATEGY, 1, params, sha256, "initial", START_AT, True)
        space = build_space(running, step_share)
        if space.point_of(truth.optimum) is not None and truth.trades_a_day(params) >= MIN_TRADES_A_DAY:
            return space
    raise BenchError(f"no running version was found near the optimum for seed {seed}")


def _market(seed: int, days: int) -> MarketSpec:
    return demo_market(seed, START_AT, days, n_symbols=N_SYMBOLS)


def _until(bars: Bars, end_at: datetime) -> Bars:
    n = int(np.searchsorted(bars.closed_at_ns, int(end_at.timestamp()) * 1_000_000_000, side="right"))
    columns = ("symbol", "opened_at_ns", "closed_at_ns", "open", "high", "low", "close", "volume")
    kept = {name: getattr(bars, name)[:n] for name in columns}
    return Bars(symbols=bars.symbols, ticks=bars.ticks, lots=bars.lots, **kept)
