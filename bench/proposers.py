"""Do the arms find better parameters, and does bad advice cost little? A regret table on the real engine."""

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bench.measure import BenchError, machine
from bench.proposer_world import RandomSearch, Truth, World, adversary, build_world, expert, find_truth, uninformative
from core.settings_sections import SearchSettings
from strategies.proposers.cma import CmaProposer
from strategies.proposers.fresh import N_RETESTED, retest
from strategies.proposers.jitter import JitterProposer
from strategies.proposers.llm import LlmProposer
from strategies.proposers.protocol import Proposer
from strategies.proposers.search import SearchRequest, SearchResult, search
from strategies.proposers.space import Params
from strategies.proposers.tpe import TpeProposer

N_SEEDS, FIRST_SEED = 64, 3_000
STEP_SHARE = 1.0
"""Wider than the gate's 0.25: inside that, 60 backtests leave little to find and the noise of 60 fresh days decides."""

EXPLANATION = """\
Each seed is a market of 180 seen days and a running version displaced from the known optimum, in six parameters. Every
row has the same number of backtests; its five best finds are judged again on fresh days, and the best of those is its
pick. Regret is the annual Sharpe ratio that the pick loses against the optimum on two other years.

The advisers are scripts. They prove the machinery, not the skill of any LLM.

examples:
  python -m bench.proposers                the table, over 64 seeds
  python -m bench.proposers --seeds 8      a first look; too few for the bars
  python -m bench.proposers --json         one JSON object a line
  python -m bench.proposers --step-share 0.25
                                           with the gate's own largest step

exit status: 0 when every bar is met, 1 when one is missed, 2 for bad options
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """What a row's regret must stay at or under: a multiple of another row's."""

    of: str
    at_most: float


BARS: dict[str, tuple[Bar, ...]] = {
    "tpe + expert": (Bar("tpe", 0.75),),
    "tpe + random adviser": (Bar("tpe", 1.35), Bar("random search", 1.0)),
    "tpe + adversary": (Bar("tpe", 1.35), Bar("random search", 1.0)),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result. Regret in annual Sharpe ratio."""

    name: str
    regret: float
    standard_error: float
    of_tpe: float
    """Regret divided by TPE's."""
    of_tpe_error: float | None
    """Standard error of that ratio, paired by seed (delta method)."""
    n_seeds: int
    n_trials: int
    """Mean number of backtests used."""
    llm_share: float
    """Share of them that the adviser's ideas used."""
    stayed: float
    """Share of seeds without a pick: the running version stays."""
    bars: tuple[Bar, ...]
    met: bool | None
    machine: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row on one seed."""

    pick: Params
    stayed: bool
    n_trials: int
    n_llm: int


def entrants(world: World, truth: Truth) -> dict[str, list[Proposer]]:
    """Return the rows of the table: the arms that search together."""
    seed, optimum = world.seed, truth.optimum
    advisers = {
        "expert": expert(seed, optimum),
        "random adviser": uninformative(seed),
        "adversary": adversary(seed, optimum),
    }
    return {
        "random search": [RandomSearch()],
        "jitter": [JitterProposer()],
        "tpe": [TpeProposer()],
        "cma": [CmaProposer()],
        **{f"{name} alone": [LlmProposer(advisers[name])] for name in ("expert", "adversary")},
        **{f"tpe + {name}": [TpeProposer(), LlmProposer(advise)] for name, advise in advisers.items()},
    }


def play(world: World, arms: Sequence[Proposer]) -> Outcome:
    """Return what `arms` pick in `world`: search, fresh re-test of the best, best fresh score if it is a gain."""
    asked = SearchRequest(world.space, world.judge, SearchSettings(), "all", world.seed)
    result: SearchResult = search(arms, asked)
    tested = retest(result.best(N_RETESTED), world.judge_fresh)
    stayed = not tested or not tested[0].passed
    pick = world.space.running.params if stayed else tested[0].trial.params
    n_llm = sum(trial.source.startswith("llm:") for trial in result.trials)
    return Outcome(pick, stayed, len(result.trials), n_llm)


def build_rows(regrets: dict[str, list[float]], outcomes: dict[str, list[Outcome]]) -> list[Row]:
    """Return the table from the regrets by row and seed."""
    means = {name: statistics.fmean(values) for name, values in regrets.items()}
    rows = []
    for name, values in regrets.items():
        n, played = len(values), outcomes[name]
        ratio = means[name] / means["tpe"]
        spread = [mine - ratio * theirs for mine, theirs in zip(values, regrets["tpe"], strict=True)]
        bars = BARS.get(name, ())
        rows.append(
            Row(
                name=name,
                regret=means[name],
                standard_error=_error(values),
                of_tpe=ratio,
                of_tpe_error=None if name == "tpe" else _error(spread) / means["tpe"],
                n_seeds=n,
                n_trials=round(statistics.fmean(outcome.n_trials for outcome in played)),
                llm_share=sum(outcome.n_llm for outcome in played) / sum(outcome.n_trials for outcome in played),
                stayed=sum(outcome.stayed for outcome in played) / n,
                bars=bars,
                met=all(means[name] <= bar.at_most * means[bar.of] for bar in bars) if bars else None,
                machine=machine(),
            )
        )
    return rows


def measure(n_seeds: int, step_share: float) -> list[Row]:
    """Play every row on every seed; progress goes to standard error."""
    truth = find_truth()
    best = truth.sharpes([truth.optimum])[0]
    regrets: dict[str, list[float]] = {"no search": []}
    outcomes: dict[str, list[Outcome]] = {"no search": []}
    began = time.monotonic()
    for k in range(n_seeds):
        world = build_world(FIRST_SEED + k, truth, step_share)
        played = {name: play(world, arms) for name, arms in entrants(world, truth).items()}
        played["no search"] = Outcome(world.space.running.params, True, 1, 0)
        reached = truth.sharpes([outcome.pick for outcome in played.values()])
        for (name, outcome), value in zip(played.items(), reached, strict=True):
            regrets.setdefault(name, []).append(best - value)
            outcomes.setdefault(name, []).append(outcome)
        left = (time.monotonic() - began) / (k + 1) * (n_seeds - k - 1)
        print(f"\rseed {k + 1} of {n_seeds}, about {left:.0f} s left  ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return build_rows(regrets, outcomes)


def show(row: Row) -> str:
    """Return one line of the table."""
    ratio = f"{row.of_tpe:.2f}" + ("" if row.of_tpe_error is None else f" ± {row.of_tpe_error:.2f}")
    wanted = ", ".join(f"at most {bar.at_most:g} x {bar.of}" for bar in row.bars)
    verdict = "" if row.met is None else f"{wanted}: {'met' if row.met else 'MISSED'}"
    return (
        f"{row.name:24} {row.regret:7.3f} ± {row.standard_error:.3f}  {ratio:>13} x tpe  "
        f"{row.llm_share:4.0%} advice  {row.stayed:4.0%} stayed  {verdict}"
    )


def main() -> int:
    """Measure and print; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.proposers",
        description="Regret of the proposers on markets with a planted optimum.",
        epilog=EXPLANATION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    parser.add_argument("--seeds", metavar="N", type=int, default=N_SEEDS, help=f"markets (default {N_SEEDS})")
    parser.add_argument(
        "--step-share",
        metavar="S",
        type=float,
        default=STEP_SHARE,
        help=f"how far a parameter may move at once, as a share of its value (default {STEP_SHARE:g}; the gate: 0.25)",
    )
    chosen = parser.parse_args()
    if not 0.05 <= chosen.step_share <= 1:
        parser.error(f"a step of {chosen.step_share:g} is not between 0.05 and 1")
    if chosen.seeds < 2:
        parser.error(f"{chosen.seeds} seeds have no standard error; ask for 2 or more")
    try:
        rows = measure(chosen.seeds, chosen.step_share)
    except BenchError as error:
        print(f"bench.proposers: {error}", file=sys.stderr)
        return 1
    for row in rows:
        print(json.dumps(asdict(row)) if chosen.json else show(row), flush=True)
    return 1 if any(row.met is False for row in rows) else 0


def _error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values))


if __name__ == "__main__":
    sys.exit(main())
