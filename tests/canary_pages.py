"""Canaries for pages, API and bot: one under way with a fault and an unknown day, and one that was taken back."""

import math
from dataclasses import replace
from datetime import date, datetime, timedelta

from core.clock import kst_day
from core.model.canary import (
    Canary,
    CanaryDay,
    CanaryDecision,
    CanaryStage,
    GuardFigures,
    GuardTerms,
    Promise,
    Schedule,
    ScheduleStep,
)
from core.model.proposal import Deployment, Edit
from core.model.slots import SLOT_MODES, slot_id
from core.store import Session, canaries, deployments, param_versions, proposals, verdicts
from tests import factories
from tests.canaries import canary, day

OPEN, OVER = "canary-open", "canary-over"
PROPOSAL = "proposal-canary"
SEALED_FIGURES = ("4.1234", "21.4567", "0.7321", "1.8642", "352.5678")
"""Mean and deviation of d on sealed days, the scale, the boundary and the budget: for people alone."""
MEAN_USD, SD_USD, SCALE, BOUNDARY, BUDGET_USD = (float(each) for each in SEALED_FIGURES)
HOSTILE = "<script>alert('x')</script>"
SCHEDULE = Schedule(
    shadow_days=10,
    steps=(ScheduleStep(0.1, 12), ScheduleStep(0.25, 20), ScheduleStep(0.5, 20), ScheduleStep(1.0, 20)),
    max_days=174,
    watch_days=90,
)
PROMISE = Promise(SCALE, MEAN_USD, SD_USD, annual_ir=3.67, largest_usd=88.0, n_days=730)
TERMS = GuardTerms(BOUNDARY, 7, 82, 0.2, BUDGET_USD, drift_threshold=365.0, block_length=2, seed=1)


def plant(session: Session, now: datetime) -> None:
    """Store both canaries of momentum-1 with proposal, days, decisions and slots."""
    base = param_versions.active(session, "momentum-1")
    name, value = next(iter(sorted(base.params.items())))
    edits = (Edit(name, value * 1.25),)
    made = factories.proposal(PROPOSAL, "accepted", base_params=base.params, edits=edits, source="tpe")
    proposals.add(session, replace(made, created_at=now - timedelta(days=45)))
    verdicts.add(session, factories.verdict(PROPOSAL, "sealed", outcome="accepted"))
    earlier = replace(made, proposal_id="proposal-earlier", state="rolled_back", created_at=now - timedelta(days=90))
    proposals.add(session, earlier)
    over = canary(
        canary_id=OVER,
        proposal_id=earlier.proposal_id,
        stage="rolled_back",
        ended_on=kst_day(now) - timedelta(days=44),
        started_on=kst_day(now) - timedelta(days=60),
        reason=f"boundary: t = -1.90 after 16 days, and it must stay above {-BOUNDARY}",
        **_common(base.params, made.params, step=0),
    )
    keep(session, over, [-9.0 + 6.0 * math.sin(n) for n in range(16)], fired=True)
    under_way = canary(
        canary_id=OPEN,
        proposal_id=PROPOSAL,
        stage="canary",
        share=0.25,
        started_on=kst_day(now) - timedelta(days=40),
        reason=f"17 of 20 whole days {HOSTILE}",
        **_common(base.params, made.params, step=1),
    )
    d = [3.0 + 18.0 * math.sin(2.3 * n) for n in range(40)]
    keep(session, under_way, [None if n == 20 else value for n, value in enumerate(d)], fault_on=14)
    _slots(session, now)


def keep(session: Session, of: Canary, d: list[float | None], fault_on: int | None = None, fired: bool = False) -> None:
    """Store a canary with days that made `d`, in the places of its schedule, and a decision after each."""
    canaries.add(session, of)
    total = 0.0
    before: tuple[CanaryStage, int] = ("shadow", -1)
    for n, value in enumerate(d):
        stage, step, share = place_on(of, n)
        made = day(of, of.started_on + timedelta(days=n), value, stage=stage, step=step, share=share)
        made = replace(made, fault="gap") if n == fault_on else made
        made = replace(made, candidate_usd=None, fault="not_marked") if value is None else made
        canaries.add_day(session, made)
        total += value or 0.0
        ends = fired and n == len(d) - 1
        figures = GuardFigures(n + 1, total, 1.0, None, "boundary" if ends else "")
        place: tuple[CanaryStage, int] = ("rolled_back", of.step) if ends else place_on(of, n + 1)[:2]
        share_then = 0.0 if ends else place_on(of, n + 1)[2]
        decision = CanaryDecision(
            of.canary_id, made.on + timedelta(days=1), *place, share_then, place != before, False,
            of.reason if ends else f"{n + 1} of 20 whole days", figures,
        )  # fmt: skip
        before = place
        canaries.add_decision(session, decision)


def place_on(of: Canary, n: int) -> tuple[CanaryStage, int, float]:
    """Return stage, step and share on day `n` of a canary that moves on as soon as it may, up to where it stands."""
    left = n - of.schedule.shadow_days
    if left < 0 or of.step < 0:
        return "shadow", -1, 0.0
    last = len(of.schedule.steps) - 1
    for step, each in enumerate(of.schedule.steps[:-1]):
        if left < each.n_days or step == of.step:
            return "canary", step, each.share
        left -= each.n_days
    return "promoted", last, 1.0


def days_of(of: Canary, d: list[float | None]) -> list[CanaryDay]:
    """Return the days that `keep` would store, without a store."""
    made = []
    for n, value in enumerate(d):
        stage, step, share = place_on(of, n)
        made.append(day(of, of.started_on + timedelta(days=n), value, stage=stage, step=step, share=share))
    return made


def _common(before: dict[str, float], after: dict[str, float], step: int) -> dict[str, object]:
    return {
        "instance_id": "momentum-1",
        "strategy": "momentum_scalping",
        "step": step,
        "schedule": SCHEDULE,
        "promise": PROMISE,
        "terms": TERMS,
        "incumbent_params": before,
        "candidate_params": after,
        "changed_on": date(2026, 2, 1),
    }


def _slots(session: Session, now: datetime) -> None:
    live = param_versions.active(session, "momentum-1")
    shares = {"canary": 0.25, "shadow": 0.0, "incumbent": 1.0, "day0": 1.0}
    for slot in SLOT_MODES:
        params = proposals.get(session, PROPOSAL).params if slot == "canary" else live.params
        name = slot_id("momentum-1", slot)
        version = replace(live, instance_id=name, version=2, params=params, origin=f"canary:{OPEN}", active=False)
        param_versions.add(session, version)
        param_versions.activate(session, name, 2)
        deployments.add(session, _acked(f"deployment-{slot}", name, 2, shares[slot], now))
    again = replace(live, version=2, origin=f"canary:{OPEN}", active=False, created_at=now - timedelta(days=18))
    param_versions.add(session, again)
    param_versions.activate(session, "momentum-1", 2)
    deployments.add(session, _acked("deployment-share", "momentum-1", 2, 0.75, now))


def _acked(deployment_id: str, instance_id: str, version: int, share: float, now: datetime) -> Deployment:
    at = now - timedelta(days=18)
    return Deployment(
        deployment_id, None, instance_id, version, 1, "active", at, "gate", at, at, "c" * 64, "", capital_share=share
    )
