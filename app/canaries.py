"""A canary as pages, API and bot show it: where it stands on its way, what its days say, and what ended it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from core.model.canary import Canary, CanaryDay, CanaryDecision, CanaryStage
from core.store import Session, canaries
from strategies.gate.sequential import MIN_SEQUENCE_DAYS
from strategies.rollout.path import GuardPoint, guard_path
from strategies.rollout.stages import days_in_place

PlaceState = Literal["done", "here", "ended", "ahead"]
EndedBy = Literal["", "loss_budget", "boundary", "drift", "time", "person", "replaced"]
"""What ended a canary; empty while it is open or when it was confirmed."""
Saying = Literal["few", "better", "worse", "either"]
"""What the interval says of the candidate against the incumbent."""


@dataclass(frozen=True, slots=True)
class Place:
    """One place on the way to the whole capital."""

    stage: CanaryStage
    share: float
    n_days: int
    """Whole and sound days spent there."""
    n_needed: int
    state: PlaceState


@dataclass(frozen=True, slots=True)
class CanaryFacts:
    """One canary with all that is kept about it, oldest first."""

    canary: Canary
    days: tuple[CanaryDay, ...]
    decisions: tuple[CanaryDecision, ...]
    way: tuple[Place, ...]
    path: tuple[GuardPoint, ...]

    @property
    def here(self) -> Place:
        """Where it stands, or stood when it ended."""
        return next((place for place in self.way if place.state in ("here", "ended")), self.way[-1])

    @property
    def last(self) -> GuardPoint | None:
        """How it stood after the newest day."""
        return self.path[-1] if self.path else None

    @property
    def edits(self) -> tuple[tuple[str, float | None, float], ...]:
        """Parameter, old value, new value."""
        return changed(self.canary.incumbent_params, self.canary.candidate_params)

    @property
    def saying(self) -> Saying:
        """What the interval says so far."""
        if self.last is None or self.last.low_usd is None or self.last.high_usd is None:
            return "few"
        return "better" if self.last.low_usd > 0 else "worse" if self.last.high_usd < 0 else "either"

    @property
    def n_few(self) -> int:
        """How many days with a result an interval needs."""
        return MIN_SEQUENCE_DAYS

    @property
    def ended_by(self) -> EndedBy:
        """What ended it."""
        if self.canary.stage == "stopped":
            return "replaced"
        if self.canary.stage != "rolled_back":
            return ""
        last = self.decisions[-1] if self.decisions else None
        if last is not None and last.stage == "rolled_back":
            return last.figures.fired or "time"
        # Within the day only the budget is looked at, and what the guard did bears its name.
        return "loss_budget" if self.canary.reason.startswith("guard:") else "person"


def load_canary(session: Session, canary_id: str) -> CanaryFacts:
    """Return one canary. Raises UnknownName."""
    return facts_of(session, canaries.get(session, canary_id))


def facts_of(session: Session, canary: Canary) -> CanaryFacts:
    """Return a canary with its days and decisions."""
    days = tuple(canaries.days(session, canary.canary_id))
    decisions = tuple(canaries.decisions(session, canary.canary_id))
    return CanaryFacts(canary, days, decisions, way_of(canary, days), guard_path(canary, days))


def way_of(canary: Canary, days: Sequence[CanaryDay]) -> tuple[Place, ...]:
    """Return every place of its schedule, with the days spent and needed there."""
    schedule = canary.schedule
    last = len(schedule.steps) - 1
    places: list[tuple[CanaryStage, float, int]] = [("shadow", 0.0, schedule.shadow_days)]
    places += [("canary", step.share, step.n_days) for step in schedule.steps[:-1]]
    places += [("promoted", 1.0, schedule.watch_days), ("confirmed", 1.0, 0)]
    here = len(places) - 1 if canary.stage == "confirmed" else canary.step + 1

    def state(index: int) -> PlaceState:
        if index == here:
            return "here" if canary.is_open else "done" if canary.stage == "confirmed" else "ended"
        return "done" if index < here else "ahead"

    return tuple(
        Place(
            stage=stage,
            share=share,
            n_days=days_in_place(replace(canary, stage=stage, step=min(index - 1, last)), days),
            n_needed=needed,
            state=state(index),
        )
        for index, (stage, share, needed) in enumerate(places)
    )


def changed(before: dict[str, float], after: dict[str, float]) -> tuple[tuple[str, float | None, float], ...]:
    """Return what differs: parameter, old value (None where it had none), new value."""
    return tuple((name, before.get(name), value) for name, value in sorted(after.items()) if before.get(name) != value)
