"""Whether a change on its way does harm: three rules on d, the volatility-matched daily difference. Pure.

    d = candidate * s_i / s_c - incumbent

both in USD as if they had the whole capital, the scale fixed on sealed days before the start. A loss budget and a
calibrated boundary watch every known day from the first one of the shadow on. From the promotion on the budget counts
anew too, and an e-detector watches for drift. Any one that fires takes the change back.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.metrics import DAYS_PER_YEAR, Series
from core.model.canary import Canary, CanaryDay, GuardFigures, GuardRule, GuardTerms, Promise, Schedule, ScheduleStep
from core.settings_sections import GateSettings
from strategies.gate.boundary import RollbackBoundary, RollbackWatch, calibrate_boundary
from strategies.gate.moments import RunningMoments
from strategies.gate.paired import paired_difference
from strategies.gate.sequential import EDetector


def difference_of(promise: Promise, day: CanaryDay) -> float | None:
    """Return d of a day in USD, or None where either side is not known."""
    if day.candidate_usd is None or day.incumbent_usd is None:
        return None
    d = promise.scale * day.candidate_usd - day.incumbent_usd
    return d if math.isfinite(d) else None


def judge_guard(canary: Canary, days: Sequence[CanaryDay]) -> GuardFigures:
    """Return how the guard stands after `days`, oldest first. Days that do not count for the schedule count here."""
    made = [(day.stage, d) for day in days if (d := difference_of(canary.promise, day)) is not None]
    watch = RollbackWatch(_boundary_of(canary))
    for _, d in made:
        watch = watch.updated(d)
    fired: GuardRule = "" if watch.cause == "not_a_number" else watch.cause
    figures = GuardFigures(len(made), watch.total, watch.moments.t_statistic, None, fired)
    since = [d for stage, d in made if stage == "promoted"]
    return figures if fired or not since else _judge_promoted(canary, figures, since)


def is_budget_lost(canary: Canary, days: Sequence[CanaryDay], today_usd: float) -> bool:
    """Return whether the loss budget is gone with a running day that made `today_usd` of d so far."""
    return judge_guard(canary, days).sum_usd + today_usd <= -canary.terms.loss_budget_usd


def _judge_promoted(canary: Canary, figures: GuardFigures, since: Sequence[float]) -> GuardFigures:
    """Return the figures with the rules that watch from the promotion on."""
    detector = EDetector(sealed_moments(canary.promise))
    for d in since:
        detector = detector.updated(d)
    total = math.fsum(since)
    fired: GuardRule = "drift" if detector.is_alarm(canary.terms.drift_threshold) else ""
    if total <= -canary.terms.loss_budget_usd:
        fired = "loss_budget"
    return replace(figures, sum_usd=total, drift=detector.value, fired=fired)


def fired_text(canary: Canary, figures: GuardFigures) -> str:
    """Return what fired, with its figures, in words.

    Budget and boundary rest on sealed days and stay out: these words go into alerts and reports, which programs read.
    """
    terms, n = canary.terms, f"after {figures.n_days} days"
    if figures.fired == "loss_budget":
        return f"loss budget: gone with {figures.sum_usd:+.2f} USD {n}"
    if figures.fired == "boundary":
        return f"boundary: t = {figures.statistic or 0.0:.2f} {n} is at or below it"
    return f"drift: the detector stands at {figures.drift or 0.0:.0f} {n}, and {terms.drift_threshold:g} is an alarm"


def promise_of(candidate: Series, incumbent: Series) -> tuple[Promise, Series] | str:
    """Return what sealed days promise, and d on them, or the reason why they tell nothing. Results in USD a day."""
    d = paired_difference(candidate, incumbent)
    if isinstance(d, str):
        return d
    scale = float(incumbent.std(ddof=1)) / float(candidate.std(ddof=1))
    mean, sd = float(d.mean()), float(d.std(ddof=1))
    ir = mean / sd * math.sqrt(DAYS_PER_YEAR)
    return Promise(scale, mean, sd, ir, float(np.abs(d).max()), d.size), d


def build_schedule(settings: GateSettings) -> Schedule:
    """Return the schedule that the settings ask for."""
    steps = zip(settings.canary_shares, settings.canary_step_days, strict=True)
    return Schedule(
        shadow_days=settings.shadow_days,
        steps=tuple(ScheduleStep(share, n_days) for share, n_days in steps),
        max_days=settings.canary_max_days,
        watch_days=settings.watch_days,
    )


def calibrate_terms(d: Series, schedule: Schedule, settings: GateSettings, seed: int) -> GuardTerms | str:
    """Return the terms for a pair with these sealed differences, or the reason why there are none."""
    found = calibrate_boundary(d, seed, n_days=schedule.n_days, share=settings.false_rollbacks)
    if isinstance(found, str):
        return found
    return GuardTerms(
        boundary=found.c,
        n_min_days=found.n_min_days,
        n_days=found.n_days,
        false_share=found.share,
        loss_budget_usd=found.loss_budget,
        drift_threshold=settings.drift_days,
        block_length=found.block_length,
        seed=seed,
    )


def simulator_alarm(residuals: Series, threshold: float) -> str:
    """Return why the simulator is not to be trusted, or empty; `residuals`: live less simulated, oldest first.

    Both are of the same parameters, so that a mean other than zero on either side is the simulator's. The detectors
    bet from the 61st day on; an alarm stands as long as the day that raised it is among the residuals.
    """
    for sign, word in ((1.0, "below"), (-1.0, "above")):
        detector = EDetector()
        for residual in residuals:
            detector = detector.updated(sign * float(residual))
            if detector.is_alarm(threshold):
                return (
                    f"the simulator is not to be trusted: live results drift {word} those of the same parameters in it"
                )
    return ""


def _boundary_of(canary: Canary) -> RollbackBoundary:
    terms = canary.terms
    return RollbackBoundary(
        c=terms.boundary,
        loss_budget=terms.loss_budget_usd,
        n_days=terms.n_days if canary.stage == "promoted" else max(terms.n_days, canary.schedule.max_days),
        n_min_days=terms.n_min_days,
        share=terms.false_share,
        block_length=terms.block_length,
        seed=terms.seed,
    )


def sealed_moments(promise: Promise) -> RunningMoments:
    """Return the moments of d on the sealed days, which set the scale of the drift detector."""
    squares = promise.sd_usd**2 * (promise.n_days - 1)
    return RunningMoments(promise.n_days, promise.mean_usd, squares, promise.largest_usd)
