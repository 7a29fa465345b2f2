"""From tallies to figures with their uncertainty, and whether each pass line is met."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import Corrupt
from core.metrics import Series, share_interval
from strategies.gate.boundary import FALSE_ROLLBACK_SHARE
from strategies.gate.evaluation.attacks import passes_stress
from strategies.gate.evaluation.batches import ALL_DAYS, IRS, LAST_THIRD, LEVEL, SEALED, Study, Tally
from strategies.gate.evaluation.canary import SHIFTS
from strategies.gate.evaluation.rules import ALPHA_QUARTER, Rule, all_rules
from strategies.gate.evaluation.worlds import Flags
from strategies.gate.evaluation.years import LANDSCAPES, N_WEEKS, WEEKS_PER_QUARTER

OURS = "xcrack"
WORST = 0.05
FALSE_SHARE = 0.10
REFUSED_ATTACKS = ("leverage", "identical", "nan")


@dataclass(frozen=True, slots=True)
class Share:
    """How many of `n`, with the 90 % interval of `core.metrics.share_interval`."""

    n_hits: int
    n: int

    @property
    def value(self) -> float:
        """The share."""
        return self.n_hits / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Its interval."""
        found = share_interval(self.n_hits, self.n)
        if found is None:
            raise Corrupt("a share of nothing has no interval")
        return found


@dataclass(frozen=True, slots=True)
class MixedYear:
    """A year on a landscape: true Sharpe ratio gained, and by what."""

    gain: float
    worst_gain: float
    """The gain that 5 % of the years stay below."""
    below_start: Share
    """Years that end with a lower true Sharpe ratio than they began with."""
    switches: float
    """A year."""
    false_share: float | None
    """Of the switches; None without one."""
    n_switches: int


@dataclass(frozen=True, slots=True)
class RuleFigures:
    """What one rule did in every study. None where a study does not concern it."""

    rule: str
    label: str
    null_accept: Share
    any_false_per_quarter: Share
    false_per_year: float
    any_false_by_quarter: tuple[float, ...]
    """Share of years with a false acceptance by the end of each quarter."""
    power: dict[int, Share]
    hill_climb_false: Share
    """A year of climbing, on one bit for rules with sealed days, on scores for those that show them."""
    hill_climb_scores_false: Share
    sealed_seen: Share | None
    """The proposer saw the sealed days."""
    trend_accept: Share
    attacks: dict[str, Share]
    mixed: dict[str, MixedYear]


@dataclass(frozen=True, slots=True)
class Canary:
    """What became of changes in force with one true information ratio, within 90 days."""

    taken_back: Share
    """By the boundary or the loss budget."""
    by_boundary: Share
    """By the boundary, were there no loss budget."""
    median_day: float | None
    """On which it was taken back; None when none was."""


@dataclass(frozen=True, slots=True)
class PassLine:
    """One demand on the gate. `limit` already holds the allowance for chance."""

    test: str
    what: str
    value: float
    limit: float
    at_most: bool

    @property
    def is_met(self) -> bool:
        """Whether the value is on the right side; a NaN never is."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit


@dataclass(frozen=True, slots=True)
class GateEvaluation:
    """Everything, our gate first."""

    seed: int
    peer_days: str
    rules: tuple[RuleFigures, ...]
    canary: dict[int, Canary]
    """By true information ratio."""
    recorded: dict[str, Share]
    """Nulls of recorded returns that the sealed test's p-value rejects; empty without recorded data."""
    penny_picker_passes_stress: bool
    lines: tuple[PassLine, ...]


def summarise(seed: int, peer_days: str, tallies: Sequence[Tally]) -> GateEvaluation:
    """Return the figures of all rules and the pass lines of ours."""
    found = _Found(tallies)
    rules = tuple(_figures(found, rule) for rule in all_rules())
    recorded = {name: _share(values) for name, values in found.measure("recorded", None, "rejected").items()}
    canary = {shift: _canary(found, shift) for shift in SHIFTS}
    return GateEvaluation(seed, peer_days, rules, canary, recorded, passes_stress(), pass_lines(rules[0], canary))


def pass_lines(ours: RuleFigures, canary: Mapping[int, Canary]) -> tuple[PassLine, ...]:
    """Return what the gate has to hold, E1 to E8; three standard errors are allowed where chance rules."""
    lines = [
        PassLine("E1", "null proposals accepted", *_chance(ours.null_accept, LEVEL, 1.5)),
        PassLine("E2", "quarters with a false promotion", *_chance(ours.any_false_per_quarter, ALPHA_QUARTER)),
    ]
    for name, year in ours.mixed.items():
        limit = FALSE_SHARE + 3 * _error(FALSE_SHARE, max(1, year.n_switches))
        # As much as a gain of the worst 5 % that is not below zero, with an allowance for few years.
        lines.append(PassLine("E3", f"{name}: years that end below their start", *_chance(year.below_start, WORST)))
        lines.append(PassLine("E3", f"{name}: false share of switches", year.false_share or 0.0, limit, True))
    lines.append(PassLine("E4", "power at IR 4", ours.power[4].value, 0.60, False))
    lines.append(PassLine("E5", "harmless changes taken back", *_chance(canary[0].taken_back, FALSE_ROLLBACK_SHARE)))
    lines.append(PassLine("E5", "changes at IR -6 taken back in 90 days", canary[-6].taken_back.value, 0.90, False))
    a_year = 1 - (1 - ALPHA_QUARTER) ** (N_WEEKS // WEEKS_PER_QUARTER)
    lines.append(PassLine("E6", "climbs on one bit, accepted in a year", ours.hill_climb_false.value, a_year, True))
    lines.append(PassLine("E7", "trend rules on martingales accepted", *_chance(ours.trend_accept, LEVEL)))
    for name in REFUSED_ATTACKS:
        lines.append(PassLine("E8", f"attack {name} accepted", ours.attacks[name].value, 0.0, True))
    noisy = ours.attacks["leverage_with_noise"]
    lines.append(PassLine("E8", "attack leverage_with_noise accepted", *_chance(noisy, LEVEL)))
    lines.append(PassLine("E8", "penny-picker passes the stress veto", float(passes_stress()), 0.0, True))
    return tuple(lines)


class _Found:
    """Tallies put together: by study and argument, then measure and rule."""

    def __init__(self, tallies: Sequence[Tally]) -> None:
        self._tallies = tallies

    def measure(self, study: Study, argument: str | None, name: str) -> Mapping[str, Series]:
        """Return by rule all numbers of a measure; of every argument for None."""
        parts: dict[str, list[float]] = {}
        for tally in self._tallies:
            if tally.study == study and argument in (None, tally.argument):
                for rule, values in tally.figures[name].items():
                    parts.setdefault(rule, []).extend(values)
        return {rule: np.array(values) for rule, values in parts.items()}

    def share(self, study: Study, argument: str, rule: Rule, measure: str = "accepted") -> Share:
        """Return the share of worlds in which it happened to the rule."""
        return _share(self.measure(study, argument, measure)[rule.name])

    def arguments(self, study: Study) -> list[str]:
        """Return the arguments of a study in order."""
        return list(dict.fromkeys(tally.argument for tally in self._tallies if tally.study == study))


def _figures(found: _Found, rule: Rule) -> RuleFigures:
    quarters = found.measure("quarters", "", "any_false")[rule.name].reshape(-1, N_WEEKS // WEEKS_PER_QUARTER)
    scored = LAST_THIRD if rule.scored_from else ALL_DAYS
    on_scores = found.share("scores", SEALED if rule.is_sealed else scored, rule)
    attacks = {name: found.share("attack", name, rule) for name in found.arguments("attack")}
    return RuleFigures(
        rule=rule.name,
        label=rule.label,
        null_accept=found.share("null", "", rule),
        any_false_per_quarter=_share(quarters),
        false_per_year=float(found.measure("quarters", "", "accepted")[rule.name].mean()),
        any_false_by_quarter=tuple(np.maximum.accumulate(quarters, axis=1).mean(axis=0).tolist()),
        power={ir: found.share("power", str(ir), rule) for ir in IRS},
        hill_climb_false=found.share("one_bit", "", rule) if rule.is_sealed else on_scores,
        hill_climb_scores_false=on_scores,
        sealed_seen=found.share("leak", "", rule) if rule.is_sealed else None,
        trend_accept=found.share("trend", "", rule),
        attacks=attacks,
        mixed={name: _mixed_year(found, name, rule) for name in LANDSCAPES},
    )


def _mixed_year(found: _Found, landscape: str, rule: Rule) -> MixedYear:
    gain, accepted, false = (
        found.measure("mixed", landscape, name)[rule.name] for name in ("gain", "accepted", "false")
    )
    n_switches = int(accepted.sum())
    return MixedYear(
        gain=float(gain.mean()),
        worst_gain=float(np.quantile(gain, WORST)),
        below_start=_share(gain < 0),
        switches=float(accepted.mean()),
        false_share=float(false.sum()) / n_switches if n_switches else None,
        n_switches=n_switches,
    )


def _canary(found: _Found, shift: int) -> Canary:
    boundary, either = (found.measure("canary", "", name)[str(shift)] for name in ("boundary", "either"))
    days = either[either > 0]
    return Canary(_share(either > 0), _share(boundary > 0), float(np.median(days)) if days.size else None)


def _share(values: Series | Flags) -> Share:
    return Share(int(values.sum()), values.size)


def _chance(share: Share, level: float, factor: float = 1.0) -> tuple[float, float, bool]:
    return share.value, factor * level + 3 * _error(level, share.n), True


def _error(level: float, n: int) -> float:
    return math.sqrt(level * (1 - level) / n)
