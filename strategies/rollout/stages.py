"""The way of an accepted change to the whole capital: shadow, canary, promoted, confirmed, or taken back. Pure.

The schedule was written before the start and nothing here can change it. A stage or step advances only when its whole
days are over, yesterday is known and sound, and nothing of the guard has fired; what cannot be told holds it where it
is. The terminal stages are final.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from core.model.canary import Canary, CanaryDay, CanaryDecision, CanaryStage, DayFault, GuardFigures
from strategies.rollout.guard import difference_of, fired_text, judge_guard

FAULTS: dict[DayFault, str] = {
    "not_in_force": "it was not in force the whole day",
    "not_marked": "its equity was not marked",
    "gap": "its marks have a gap",
    "not_a_number": "a result is not a number",
    "parity": "the shadow's result is not what a backtest of the same parameters makes on the same bars",
}


@dataclass(frozen=True, slots=True)
class Leave:
    """What has to be given from outside before anything advances."""

    blocked: str = ""
    """Why nothing of the instance may advance now, such as a standing alarm; empty when nothing stands."""
    approved: bool = True
    """Whether the first money needs no person, or has one's word."""


@dataclass(frozen=True, slots=True)
class _Place:
    stage: CanaryStage
    step: int
    share: float


def next_stage(canary: Canary, days: Sequence[CanaryDay], today: date, leave: Leave = Leave()) -> CanaryDecision:
    """Return what becomes of the canary on `today`, from its whole days before it, oldest first."""
    figures = judge_guard(canary, days)
    here = _Place(canary.stage, canary.step, canary.share)
    if not canary.is_open:
        return _decision(canary, today, here, f"it is over: {canary.reason}", figures)
    if figures.fired:
        return _decision(canary, today, _over(canary), fired_text(canary, figures), figures)
    if canary.stage != "promoted" and (today - canary.started_on).days >= canary.schedule.max_days:
        reason = f"not confirmed: not at the whole capital after {canary.schedule.max_days} days"
        return _decision(canary, today, _over(canary), reason, figures)
    waits = _why_not_yet(canary, days, today) or leave.blocked
    if waits:
        return _decision(canary, today, here, waits, figures)
    if canary.stage == "shadow" and not leave.approved:
        asks = _decision(canary, today, here, "the shadow has passed: a person must approve the first money", figures)
        return replace(asks, asks=True)
    there = _next_place(canary)
    return _decision(canary, today, there, _passed_text(canary, there), figures)


def after(canary: Canary, decision: CanaryDecision) -> Canary:
    """Return the canary as the decision leaves it."""
    moved = replace(canary, reason=decision.reason)
    if not decision.is_move:
        return moved
    changed = replace(moved, stage=decision.stage, step=decision.step, share=decision.share, changed_on=decision.on)
    return changed if changed.is_open else replace(changed, ended_on=decision.on)


def stop(canary: Canary, today: date, reason: str, rolled_back: bool) -> Canary:
    """Return the canary, ended from outside: rolled back by a person, or stopped because its base changed."""
    stage: CanaryStage = "rolled_back" if rolled_back else "stopped"
    return replace(canary, stage=stage, share=0.0, changed_on=today, ended_on=today, reason=reason)


def days_in_place(canary: Canary, days: Sequence[CanaryDay]) -> int:
    """Return how many whole and sound days the canary has spent in its present stage and step."""
    here = [day for day in days if (day.stage, day.step) == (canary.stage, canary.step)]
    return sum(not _fault_of(canary, day) for day in here)


def days_needed(canary: Canary) -> int:
    """Return how many whole days its present stage or step lasts; 0 once it is over."""
    schedule = canary.schedule
    if canary.stage == "canary":
        return schedule.steps[canary.step].n_days
    return {"shadow": schedule.shadow_days, "promoted": schedule.watch_days}.get(canary.stage, 0)


def _why_not_yet(canary: Canary, days: Sequence[CanaryDay], today: date) -> str:
    """Return why the canary stays where it is, or empty when its days allow it to go on."""
    n, needed = days_in_place(canary, days), days_needed(canary)
    progress = f"{n} of {needed} whole days"
    newest = days[-1] if days else None
    if newest is None or newest.on != today - timedelta(days=1):
        return f"{progress}; nothing is known of {today - timedelta(days=1)}"
    fault = _fault_of(canary, newest)
    if fault:
        return f"{progress}; {newest.on} does not count: {FAULTS[fault]}"
    if n < needed:
        return progress
    made = [d for day in days if day.stage == "canary" and (d := difference_of(canary.promise, day)) is not None]
    if canary.stage == "canary" and sum(made) < 0:
        return f"{progress}; {sum(made):+.2f} USD against the incumbent on its canary days, and it must not be below it"
    return ""


def _fault_of(canary: Canary, day: CanaryDay) -> DayFault:
    """Return why a day does not count; one without a result does not, whatever it says of itself."""
    return day.fault or ("not_a_number" if difference_of(canary.promise, day) is None else "")


def _next_place(canary: Canary) -> _Place:
    if canary.stage == "promoted":
        return _Place("confirmed", canary.step, 1.0)
    step = canary.step + 1
    share = canary.schedule.steps[step].share
    return _Place("promoted" if step == len(canary.schedule.steps) - 1 else "canary", step, share)


def _over(canary: Canary) -> _Place:
    return _Place("rolled_back", canary.step, 0.0)


def _passed_text(canary: Canary, there: _Place) -> str:
    days = f"{days_needed(canary)} whole days"
    if there.stage == "confirmed":
        return f"{days} at the whole capital beside the old parameters, and the guard was silent"
    done = "the shadow" if canary.stage == "shadow" else f"the step at {canary.share:.0%}"
    return f"{days} of {done} are over and the guard was silent: {there.share:.0%} of the capital"


def _decision(canary: Canary, today: date, place: _Place, reason: str, figures: GuardFigures) -> CanaryDecision:
    return CanaryDecision(
        canary_id=canary.canary_id,
        on=today,
        stage=place.stage,
        step=place.step,
        share=place.share,
        is_move=(place.stage, place.step) != (canary.stage, canary.step),
        asks=False,
        reason=reason,
        figures=figures,
    )
