"""The life of a rule: found on one stretch of days, tested on the weeks after it, and kept for as long as it holds.

    new --evidence--> confirmed
    new, confirmed --evidence falls to a tenth of its best--> broken
    any --not seen for four weeks--> retired --found again--> new, with another number

The days a rule is tested on come after those it was found on, less one day of embargo between them, in whole weeks as
the weekly cycle comes by; no day serves two tests of a rule. Lived days are never sealed ones.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from core.model.analysis import PatternRule
from feedback.patterns.evidence import MAX_LOG_E, confirmed_at, evidence_of, stretch_log_e
from feedback.patterns.labels import LabelledTrades

MIN_FRESH_TRADES = 5
"""In the bucket and outside of it; with fewer, the days wait for the next week's."""
EMBARGO_DAYS = 1
"""A trade closed on the first day after the find may have been opened within it."""
RETIRED_AFTER_DAYS = 28
BREAKING_FALL = math.log(10)
"""A rule is broken when its days became this much less likely than by chance, in log evidence since its best week."""
ALIVE = ("new", "confirmed")


@dataclass(frozen=True, slots=True)
class WeekOfTrades:
    """What a week's look at the rules stands on. `seed` is that of the permutations."""

    labelled: LabelledTrades
    on: date
    seed: int


def follow_rules(
    known: Sequence[PatternRule], found: Sequence[PatternRule], week: WeekOfTrades
) -> tuple[PatternRule, ...]:
    """Return every rule that changes: known ones after a test on fresh days, and those found for the first time."""
    again = {rule.pattern_id: rule for rule in found}
    rules = {rule.pattern_id: rule for rule in _numbered(known)}
    for rule in tuple(rules.values()):
        if rule.state in ALIVE:
            rules[rule.pattern_id] = _after_week(rule, again.pop(rule.pattern_id, None), week)
        elif rule.state == "broken":
            # The days that broke it are still in the window that would find it again.
            again.pop(rule.pattern_id, None)
            if (week.on - _since(rule)).days >= RETIRED_AFTER_DAYS:
                rules[rule.pattern_id] = replace(rule, state="retired", since_on=week.on)
    number = max((rule.test_number for rule in rules.values()), default=0)
    for rule in again.values():
        number += 1
        rules[rule.pattern_id] = _begun(rule, number, week.on)
    before = {rule.pattern_id: rule for rule in known}
    after = _confirmed(tuple(rules.values()), number, week.on)
    return tuple(rule for rule in after if rule != before.get(rule.pattern_id))


def _after_week(rule: PatternRule, again: PatternRule | None, week: WeekOfTrades) -> PatternRule:
    tested = _tested(rule, week)
    if tested.state == "broken":
        return tested
    if again is not None:
        return replace(
            tested,
            n=again.n,
            mean_bps=again.mean_bps,
            p_value=again.p_value,
            q_value=again.q_value,
            last_seen_on=again.last_seen_on,
        )
    if (week.on - tested.last_seen_on).days >= RETIRED_AFTER_DAYS:
        return replace(tested, state="retired", since_on=week.on)
    return tested


def _tested(rule: PatternRule, week: WeekOfTrades) -> PatternRule:
    """Return the rule after the days that it was not tested on yet, or unchanged while they hold too few trades."""
    fresh = week.labelled.after(_tested_to(rule).toordinal())
    inside = fresh.labels[rule.dimension] == rule.bucket
    if min(int(inside.sum()), int((~inside).sum())) < MIN_FRESH_TRADES:
        return rule
    is_better = rule.direction == "better"
    gained = stretch_log_e(fresh, rule.dimension, inside, is_better, week.seed)
    earlier = rule.log_evidence or (0.0,) * len(gained)
    log_evidence = tuple(a + b for a, b in zip(earlier, gained, strict=True))
    evidence = evidence_of(log_evidence)
    held = (fresh.lead_bps(rule.dimension, inside) > 0) == is_better
    tested = replace(
        rule,
        hits=rule.hits + held,
        misses=rule.misses + (not held),
        # A week that leans its way is a sight of it too.
        last_seen_on=week.on if held else rule.last_seen_on,
        tested_to=week.on,
        log_evidence=log_evidence,
        best_log_evidence=max(rule.best_log_evidence, evidence),
    )
    if tested.best_log_evidence - evidence >= BREAKING_FALL:
        return replace(tested, state="broken", since_on=week.on)
    return tested


def _confirmed(rules: Sequence[PatternRule], n_rules: int, on: date) -> tuple[PatternRule, ...]:
    """Return the rules, those confirmed that the evidence of all of them together now confirms."""
    verdicts = confirmed_at([_e_value(rule) for rule in rules], [rule.test_number for rule in rules], n_rules)
    return tuple(
        _with_confirmation(rule, on) if passed and rule.state == "new" else rule
        for rule, passed in zip(rules, verdicts, strict=True)
    )


def _with_confirmation(rule: PatternRule, on: date) -> PatternRule:
    # What confirmed it is frozen; whether it still holds is watched anew.
    return replace(
        rule,
        state="confirmed",
        since_on=on,
        confirmed_log_evidence=evidence_of(rule.log_evidence),
        misses_before=rule.misses,
        log_evidence=(),
        best_log_evidence=0.0,
    )


def _e_value(rule: PatternRule) -> float:
    if rule.confirmed_log_evidence is not None:
        return math.exp(min(rule.confirmed_log_evidence, MAX_LOG_E))
    # A rule that ended without being confirmed is accepted as chance for good.
    return math.exp(evidence_of(rule.log_evidence)) if rule.state == "new" else 0.0


def _begun(rule: PatternRule, number: int, on: date) -> PatternRule:
    return replace(rule, test_number=number, since_on=on, tested_to=on + timedelta(days=EMBARGO_DAYS))


def _numbered(known: Iterable[PatternRule]) -> list[PatternRule]:
    """Return the rules, those of a store from before tests were counted with the next numbers."""
    ordered = sorted(known, key=lambda rule: (rule.test_number == 0, rule.first_seen_on, rule.pattern_id))
    number = max((rule.test_number for rule in ordered), default=0)
    rules = []
    for rule in ordered:
        if rule.test_number == 0:
            number += 1
            rule = replace(rule, test_number=number, since_on=rule.last_seen_on, tested_to=_tested_to(rule))
        rules.append(rule)
    return rules


def _tested_to(rule: PatternRule) -> date:
    return rule.tested_to or rule.last_seen_on + timedelta(days=EMBARGO_DAYS)


def _since(rule: PatternRule) -> date:
    return rule.since_on or rule.last_seen_on
