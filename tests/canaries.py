"""A canary for tests: sound by default, every field can be overridden."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from core.model.canary import Canary, CanaryDay, GuardTerms, Promise, Schedule, ScheduleStep

STARTED_ON = date(2026, 3, 2)
SD_USD = 10.0
SCHEDULE = Schedule(
    shadow_days=3,
    steps=(ScheduleStep(0.1, 3), ScheduleStep(0.25, 2), ScheduleStep(0.5, 2), ScheduleStep(1.0, 2)),
    max_days=30,
    watch_days=5,
)
PROMISE = Promise(scale=0.5, mean_usd=4.0, sd_usd=SD_USD, annual_ir=7.6, largest_usd=35.0, n_days=730)
TERMS = GuardTerms(
    boundary=1.7,
    n_min_days=3,
    n_days=12,
    false_share=0.2,
    loss_budget_usd=160.0,
    drift_threshold=365.0,
    block_length=2,
    seed=1,
)


def canary(**over: Any) -> Canary:
    fields: dict[str, Any] = {
        "canary_id": "canary-1",
        "proposal_id": "proposal-1",
        "instance_id": "mm-1",
        "strategy": "market_making",
        "stage": "shadow",
        "step": -1,
        "share": 0.0,
        "schedule": SCHEDULE,
        "incumbent_version": 1,
        "incumbent_params": {"spread_threshold": 60.0},
        "incumbent_sha256": "a" * 64,
        "candidate_params": {"spread_threshold": 45.0},
        "candidate_sha256": "b" * 64,
        "promise": PROMISE,
        "terms": TERMS,
        "started_on": STARTED_ON,
        "changed_on": STARTED_ON,
        "ended_on": None,
        "reason": "passed the sealed test",
    }
    return Canary(**{**fields, **over})


def day(of: Canary, on: date, d_usd: float | None, incumbent_usd: float | None = 5.0, **over: Any) -> CanaryDay:
    """Return a day on which the difference is `d_usd`."""
    known = d_usd is not None and incumbent_usd is not None
    candidate_usd = (d_usd + incumbent_usd) / of.promise.scale if known else None  # type: ignore[operator]
    made = CanaryDay(of.canary_id, on, of.stage, of.step, of.share, candidate_usd, incumbent_usd, "")
    return replace(made, **over)


def days(of: Canary, made: Iterable[float | None], start_on: date = STARTED_ON) -> list[CanaryDay]:
    """Return whole days in a row in the canary's present place."""
    return [day(of, start_on + timedelta(days=n), d_usd) for n, d_usd in enumerate(made)]
