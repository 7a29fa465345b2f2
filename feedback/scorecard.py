"""The scorecard that cannot flatter: a pure function of stored rows.

Accuracy counts every registered proposal, whatever became of it, by the sign of its aftermath, and less what placebos
reach by chance. Below 37 independent proposals, which tell 70 % from 50 % four times in five at a one-sided 5 %, there
is an interval and no point. Weeks are clusters; `core.clustered` says how.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from core.clustered import LEVEL, Estimate, clustered_share, lag_weeks, share_difference
from core.metrics import jeffreys_interval
from core.model.aftermath import HORIZONS_DAYS, Aftermath
from core.model.proposal import arm_of
from core.model.scorecard import Accuracy, ArmRates, BudgetUse, Figure, GateRecord, Reason, Scorecard
from core.settings_sections import GateSettings
from core.store import Session
from feedback.calibration_score import score_confidence
from feedback.scorecard_facts import Registered, ScorecardFacts, read_scorecard_facts
from feedback.twin import measure_improvement
from strategies.gate.honesty import MIN_N, Honesty, measure_honesty, promotions_stopped, week_of
from strategies.gate.split import ceil_midnight

MIN_INDEPENDENT = 37
MIN_FREEDOM = 8.0
"""Fewer independent weeks cannot tell how many independent proposals there are."""
PLACEBO_ARM = "placebo"
LLM_ARM = "llm"
FAULT = Figure(None, None, None, 0, "fault")
IS_PLACEBO = Figure(None, None, None, 0, "is_placebo")
OF_PLACEBO: Mapping[Reason, Reason] = {
    "no_signs": "placebo_no_signs",
    "too_few_proposals": "placebo_too_few_proposals",
    "too_few_weeks": "placebo_too_few_weeks",
}


def build_scorecard(facts: ScorecardFacts) -> Scorecard:
    """Return every figure with its interval and number, or None with the reason."""
    honesty = measure_honesty(facts.honesty)
    return Scorecard(
        as_of=facts.as_of,
        fault=honesty.fault,
        accuracy=tuple(_accuracy(facts, honesty.fault)),
        improvement=measure_improvement(list(facts.twin_days)),
        gate=_gate_record(facts, honesty),
        rates=tuple(_rates(facts.registered)),
        budget=BudgetUse(
            quarter=facts.budget.quarter,
            tests_used=facts.budget.tests_used,
            tests_allowed=facts.budget.tests_per_quarter,
            promotions=facts.budget.promotions,
            alpha=facts.budget.alpha_quarter,
            next_level=facts.budget.level,
        ),
        patterns=facts.pattern_weeks,
        confidence=() if honesty.fault else score_confidence(facts.aftermaths, facts.confidence),
    )


def load_scorecard(session: Session, now: datetime, settings: GateSettings) -> Scorecard:
    """Return the scorecard of the store at `now`."""
    return build_scorecard(read_scorecard_facts(session, now, settings))


def told_share(estimate: Estimate | Figure, lag: int) -> Figure:
    """Return a share with its interval, and its point only where enough independent proposals stand behind it.

    A Figure in place of the estimate says why there is none.
    """
    if isinstance(estimate, Figure):
        return estimate
    ends = (estimate.low, estimate.high, estimate.n)
    if estimate.n_effective < MIN_INDEPENDENT:
        return Figure(None, *ends, "too_few_proposals", estimate.n_effective, MIN_INDEPENDENT)
    if estimate.n_weeks < weeks_needed(lag):
        return Figure(None, *ends, "too_few_weeks", estimate.n_weeks, weeks_needed(lag))
    return Figure(estimate.value, *ends)


def told_difference(one: Estimate | Figure, placebo: Estimate | Figure, lag: int) -> Figure:
    """Return the share less that of placebos; a point only where both have one."""
    why, why_placebo = told_share(one, lag), told_share(placebo, lag)
    silent = why if why.reason else replace(why_placebo, reason=OF_PLACEBO.get(why_placebo.reason, why_placebo.reason))
    if isinstance(one, Figure) or isinstance(placebo, Figure):
        return replace(silent, low=None, high=None)
    value, low, high = share_difference(one, placebo)
    n = min(one.n, placebo.n)
    return replace(silent, low=low, high=high, n=n) if silent.reason else Figure(value, low, high, n)


def weeks_needed(lag: int) -> int:
    """Return over how many weeks proposals must spread to tell how many of them are independent."""
    return math.ceil(MIN_FREEDOM * (lag + 1) / 1.5)


def _accuracy(facts: ScorecardFacts, fault: str) -> Iterable[Accuracy]:
    for days in HORIZONS_DAYS:
        followed = [each for each in facts.aftermaths if each.horizon_days == days]
        placebos = [each for each in followed if arm_of(each.source) == PLACEBO_ARM]
        chance = FAULT if fault else estimate_share(placebos, days)
        for arm in sorted({each.arm for each in facts.registered}, key=_arm_rank):
            registered = [each for each in facts.registered if each.arm == arm]
            of_arm = [each for each in followed if arm_of(each.source) == arm]
            yield _row(facts.as_of, fault, (arm, "", ""), days, registered, of_arm, chance)
            if arm == LLM_ARM:
                yield from _by_model(facts.as_of, fault, days, registered, of_arm, chance)


def _by_model(
    now: datetime,
    fault: str,
    days: int,
    registered: Sequence[Registered],
    followed: Sequence[Aftermath],
    chance: Estimate | Figure,
) -> Iterable[Accuracy]:
    """Yield one row for each model and prompt version among those followed; what waits is told for the whole arm."""
    for source, prompt in sorted({(each.source, each.prompt) for each in followed}):
        mine = [each for each in followed if (each.source, each.prompt) == (source, prompt)]
        ids = {each.proposal_id for each in mine}
        known = [each for each in registered if each.proposal_id in ids]
        yield _row(now, fault, (LLM_ARM, source.partition(":")[2], prompt), days, known, mine, chance)


def _row(
    now: datetime,
    fault: str,
    name: tuple[str, str, str],
    days: int,
    registered: Sequence[Registered],
    followed: Sequence[Aftermath],
    chance: Estimate | Figure,
) -> Accuracy:
    estimate = FAULT if fault else estimate_share(followed, days)
    lag = lag_weeks(days)
    return Accuracy(
        arm=name[0],
        model=name[1],
        prompt=name[2],
        horizon_days=days,
        n_registered=len(registered),
        n_waiting=sum(ceil_midnight(each.at) + timedelta(days=days) > now for each in registered),
        outcomes=dict(sorted(Counter(each.outcome for each in followed).items())),
        share=told_share(estimate, lag),
        n_effective=None if isinstance(estimate, Figure) else estimate.n_effective,
        over_placebo=IS_PLACEBO if name[0] == PLACEBO_ARM else told_difference(estimate, chance, lag),
    )


def estimate_share(followed: Sequence[Aftermath], horizon_days: int) -> Estimate | Figure:
    """Return the share of better ones among those with a sign, with weeks as clusters; or why it cannot be told."""
    signed = [each for each in followed if each.is_better is not None]
    if not signed:
        return Figure(None, None, None, 0, "no_signs")
    hits = np.asarray([each.is_better for each in signed], dtype=np.bool_)
    weeks = np.asarray([week_of(each.registered_at) for each in signed], dtype=np.int64)
    lag = lag_weeks(horizon_days)
    estimate = clustered_share(hits, weeks, lag)
    if isinstance(estimate, str):
        return Figure(None, None, None, len(signed), "too_few_weeks", len(np.unique(weeks)), weeks_needed(lag))
    return estimate


def _gate_record(facts: ScorecardFacts, honesty: Honesty) -> GateRecord:
    worse = {each.proposal_id for each in facts.aftermaths if each.horizon_days == 30 and each.is_better is False}
    back = {each.proposal_id for each in facts.registered if each.was_rolled_back}
    promoted = set(facts.promoted_ids)
    doubtful = _plain_share(len(promoted & (back | worse)), len(promoted), "none_promoted")
    return GateRecord(
        stopped=promotions_stopped(honesty),
        slope=FAULT if honesty.fault else _slope_figure(honesty, len(facts.honesty.promises)),
        placebo_ks_p=FAULT if honesty.fault else _ks_figure(honesty),
        n_promotions=len(promoted),
        n_rolled_back=len(promoted & back),
        n_not_confirmed=len(promoted & worse),
        false_budget=float(sum(facts.spent_levels)),
        unconfirmed=FAULT if honesty.fault else doubtful,
    )


def _slope_figure(honesty: Honesty, n: int) -> Figure:
    slope = honesty.slope
    if slope is not None:
        return Figure(slope.value, slope.low, slope.high, slope.n)
    return (
        Figure(None, None, None, n, "too_few_promises", n, MIN_N)
        if n < MIN_N
        else Figure(None, None, None, n, "no_slope")
    )


def _ks_figure(honesty: Honesty) -> Figure:
    n = honesty.n_placebos
    if honesty.ks_p is None:
        return Figure(None, None, None, n, "too_few_tests", n, MIN_N)
    return Figure(honesty.ks_p, None, None, n)


def _rates(registered: Sequence[Registered]) -> Iterable[ArmRates]:
    for arm in sorted({each.arm for each in registered}, key=_arm_rank):
        of_arm = [each for each in registered if each.arm == arm]
        adopted = [each for each in of_arm if each.was_adopted]
        back = sum(each.was_rolled_back for each in adopted)
        yield ArmRates(
            arm=arm,
            n_registered=len(of_arm),
            adopted=_plain_share(len(adopted), len(of_arm), "none_registered"),
            rolled_back=_plain_share(back, len(adopted), "none_adopted"),
        )


def _plain_share(n_hits: int, n: int, none: Reason) -> Figure:
    interval = jeffreys_interval(n_hits, n, LEVEL)
    return Figure(None, None, None, 0, none) if interval is None else Figure(n_hits / n, *interval, n)


def _arm_rank(arm: str) -> tuple[bool, bool, str]:
    return arm == PLACEBO_ARM, arm != LLM_ARM, arm
