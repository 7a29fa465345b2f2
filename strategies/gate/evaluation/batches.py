"""The evaluation as pieces of work: each makes worlds of one study from its own seed and lets every rule decide."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from strategies.gate.evaluation import attacks, canary, leaks, recorded, trend, years
from strategies.gate.evaluation.peers import TWO_THIRDS
from strategies.gate.evaluation.rules import ALPHA_QUARTER, TESTS_PER_QUARTER, UNCONTROLLED_LEVEL, Rule, all_rules
from strategies.gate.evaluation.worlds import ALL_KNOWN, SEEN, Flags, Proposals, make_proposals

LEVEL = ALPHA_QUARTER / TESTS_PER_QUARTER
"""What the first sealed test of a quarter may spend."""
IRS = (1, 2, 3, 4, 6)
SEALED, ALL_DAYS, LAST_THIRD = "sealed", "all days", "last third"
SCORED_FROM = {SEALED: leaks.SEALED_SCORES, ALL_DAYS: 0, LAST_THIRD: TWO_THIRDS}
CHUNK = 25
"""Worlds in memory at a time."""

Study = Literal[
    "null", "power", "quarters", "mixed", "canary", "one_bit", "scores", "leak", "trend", "attack", "recorded"
]
PeerDays = Literal["seen", "all"]
Figures = dict[str, dict[str, tuple[float, ...]]]
"""By measure and rule: one number a world, and four for the quarters of a year."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many worlds each study has."""

    decisions: int
    per_ir: int
    years: int
    mixed_years: int
    climbs: int
    leaks: int
    trends: int
    attacks: int
    canaries: int
    draws: int
    """Null draws of each of nine recorded differences."""


FULL = Sizes(
    decisions=5_000,
    per_ir=400,
    years=200,
    mixed_years=100,
    climbs=100,
    leaks=200,
    trends=2_000,
    attacks=200,
    canaries=400,
    draws=600,
)
QUICK = Sizes(
    decisions=600,
    per_ir=60,
    years=24,
    mixed_years=10,
    climbs=16,
    leaks=40,
    trends=250,
    attacks=25,
    canaries=60,
    draws=60,
)


@dataclass(frozen=True, slots=True)
class Batch:
    """One piece of work."""

    study: Study
    argument: str
    """Information ratio, landscape, source of scores, attack or folder."""
    seed: int
    index: int
    n: int
    peer_days: PeerDays


@dataclass(frozen=True, slots=True)
class Tally:
    """What came out of a batch."""

    study: Study
    argument: str
    figures: Figures


def plan_batches(seed: int, sizes: Sizes, peer_days: PeerDays, recorded_folder: Path | None = None) -> list[Batch]:
    """Return the work, longest pieces first."""
    found: list[Batch] = []

    def add(study: Study, arguments: Sequence[str], total: int, each: int) -> None:
        for argument in arguments:
            for index, start in enumerate(range(0, total, each)):
                found.append(Batch(study, argument, seed, index, min(each, total - start), peer_days))

    add("quarters", [""], sizes.years, 4)
    add("mixed", list(years.LANDSCAPES), sizes.mixed_years, 4)
    add("one_bit", [""], sizes.climbs, 5)
    add("scores", list(SCORED_FROM), sizes.climbs, 10)
    add("null", [""], sizes.decisions, 200)
    add("power", [str(ir) for ir in IRS], sizes.per_ir, 200)
    add("trend", [""], sizes.trends, 200)
    add("canary", [""], sizes.canaries, 50)
    add("leak", [""], sizes.leaks, 50)
    add("attack", list(attacks.ATTACKS), sizes.attacks, 200)
    if recorded_folder is not None:
        add("recorded", [str(recorded_folder)], sizes.draws, 200)
    return found


def run_batch(batch: Batch) -> Tally:
    """Make the worlds and let the rules decide. The same batch gives the same tally."""
    rng = np.random.default_rng([batch.seed, batch.index, *f"{batch.study} {batch.argument}".encode()])
    return Tally(batch.study, batch.argument, _STUDIES[batch.study](rng, batch))


def _null(rng: np.random.Generator, batch: Batch) -> Figures:
    return _decided(rng, batch, lambda n: make_proposals(rng, n, years.FIRST_DAY, known=_known(batch)))


def _power(rng: np.random.Generator, batch: Batch) -> Figures:
    planted = float(batch.argument)
    return _decided(rng, batch, lambda n: make_proposals(rng, n, years.FIRST_DAY, planted, _known(batch)))


def _trend(rng: np.random.Generator, batch: Batch) -> Figures:
    return _decided(rng, batch, lambda n: trend.make_trend_proposals(rng, n))


def _quarters(rng: np.random.Generator, batch: Batch) -> Figures:
    played = years.play_years(rng, batch.n, years.NOTHING, all_rules(), _known(batch))
    return {
        "any_false": {name: _numbers(years.false_by_quarter(year)) for name, year in played.items()},
        "accepted": {name: _numbers(year.accepted.sum(axis=1)) for name, year in played.items()},
    }


def _mixed(rng: np.random.Generator, batch: Batch) -> Figures:
    played = years.play_years(rng, batch.n, years.LANDSCAPES[batch.argument], all_rules(), _known(batch))
    return {
        "gain": {name: _numbers(year.gain) for name, year in played.items()},
        "accepted": {name: _numbers(year.accepted.sum(axis=1)) for name, year in played.items()},
        "false": {name: _numbers(year.is_false.sum(axis=1)) for name, year in played.items()},
    }


def _one_bit(rng: np.random.Generator, batch: Batch) -> Figures:
    return _fooled(leaks.climb_on_one_bit(rng, batch.n, _sealed_rules()))


def _scores(rng: np.random.Generator, batch: Batch) -> Figures:
    scored_from = SCORED_FROM[batch.argument]
    told = [rule for rule in all_rules() if not rule.is_sealed and rule.scored_from == scored_from]
    rules = _sealed_rules() if batch.argument == SEALED else told
    return _fooled(leaks.climb_on_scores(rng, batch.n, rules, scored_from))


def _leak(rng: np.random.Generator, batch: Batch) -> Figures:
    return _chunked(batch.n, lambda n: leaks.search_the_sealed(rng, n, _sealed_rules()))


def _attack(rng: np.random.Generator, batch: Batch) -> Figures:
    return _chunked(batch.n, lambda n: attacks.attack(rng, batch.argument, n, all_rules()))


def _canary(rng: np.random.Generator, batch: Batch) -> Figures:
    ended = canary.watch(rng, batch.n)
    return {
        "boundary": {str(shift): _numbers(watched.boundary) for shift, watched in ended.items()},
        "either": {str(shift): _numbers(watched.either) for shift, watched in ended.items()},
    }


def _recorded(rng: np.random.Generator, batch: Batch) -> Figures:
    p_values = np.array(recorded.null_p_values(rng, recorded.load_differences(Path(batch.argument)), batch.n))
    return {
        "rejected": {
            "at_5pct": _numbers(p_values <= UNCONTROLLED_LEVEL),
            "at_level": _numbers(p_values <= LEVEL),
        }
    }


_STUDIES: dict[Study, Callable[[np.random.Generator, Batch], Figures]] = {
    "null": _null,
    "power": _power,
    "quarters": _quarters,
    "mixed": _mixed,
    "canary": _canary,
    "one_bit": _one_bit,
    "scores": _scores,
    "leak": _leak,
    "trend": _trend,
    "attack": _attack,
    "recorded": _recorded,
}


def _known(batch: Batch) -> slice:
    return SEEN if batch.peer_days == "seen" else ALL_KNOWN


def _sealed_rules() -> list[Rule]:
    return [rule for rule in all_rules() if rule.is_sealed]


def _decided(rng: np.random.Generator, batch: Batch, make: Callable[[int], Proposals]) -> Figures:
    def decide(n: int) -> dict[str, Flags]:
        proposals = make(n)
        return {rule.name: rule.open(n).decide(proposals).accepted for rule in all_rules()}

    return _chunked(batch.n, decide)


def _chunked(n: int, decide: Callable[[int], dict[str, Flags]]) -> Figures:
    parts = [decide(min(CHUNK, n - start)) for start in range(0, n, CHUNK)]
    return {"accepted": {name: _numbers(np.concatenate([part[name] for part in parts])) for name in parts[0]}}


def _fooled(by_rule: dict[str, Flags]) -> Figures:
    return {"accepted": {name: _numbers(flags) for name, flags in by_rule.items()}}


def _numbers(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> tuple[float, ...]:
    return tuple(np.asarray(values, dtype=np.float64).ravel().tolist())
