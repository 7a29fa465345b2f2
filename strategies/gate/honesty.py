"""Whether the gate keeps what it promises. A gate that does not may promote nothing until it does again.

Two promises are measured on what nobody chose: placebo p-values, and what screened changes made in the 30 days after.
- P(p <= a) <= a for placebos: a one-sided Kolmogorov-Smirnov test against too many small p-values. Too many large ones
  break no promise: a random change of tuned parameters is worse more often than not.
- What screens better turns out better: the slope of realised on promised d, both over their standard deviation, so that
  instances of any size count alike. 1 is what was promised, 0 a screen that tells nothing, below 0 one that misleads.
"""

import json
import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from scipy import stats

from core.clock import kst_day
from core.clustered import Estimate, clustered_slope, lag_weeks
from core.model.aftermath import HORIZONS_DAYS, Aftermath
from core.model.canonical import sha256_of
from core.store import Session, aftermaths, ledger
from strategies.gate import aftermath, placebo
from strategies.gate.split import ceil_midnight

KIND = "promotions_stop"
SLOPE_HORIZON_DAYS = 30
SLOPE_WINDOW = timedelta(days=365)
N_PLACEBOS = 52
"""The newest tests that count: a year of weeks, so that a stop ends when its cause has."""
MIN_N = 20
KS_LIMIT = 0.01
OVERDUE_AFTER = timedelta(days=21)
"""An aftermath that is later than this was lost or is being held back; figures without it could flatter."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a screen promised and what came, as means of d over its standard deviation, a day."""

    promised_ir: float
    realised_ir: float
    week: int
    """Number of the KST week in which it was registered."""


@dataclass(frozen=True, slots=True)
class HonestyFacts:
    """What the ledger and the aftermaths hold. A `fault` is a row that is missing, overdue or not what was written."""

    fault: str
    placebo_p_values: tuple[float, ...]
    promises: tuple[Promise, ...]


@dataclass(frozen=True, slots=True)
class Honesty:
    """How well the promises are kept. Figures are None with a reason."""

    fault: str
    n_placebos: int
    ks_p: float | None
    """Chance of so many small placebo p-values from a gate that keeps its word."""
    ks_reason: str
    slope: Estimate | None
    slope_reason: str


def read_honesty_facts(session: Session, now: datetime) -> HonestyFacts:
    """Return the facts of the present ledger."""
    followed = aftermaths.all_of(session, SLOPE_HORIZON_DAYS)
    recent = [each for each in followed if each.registered_at >= now - SLOPE_WINDOW]
    return HonestyFacts(
        fault=find_fault(session, now),
        placebo_p_values=read_placebo_p_values(session),
        promises=tuple(promise for each in recent if (promise := promise_of(each)) is not None),
    )


def read_placebo_p_values(session: Session) -> tuple[float, ...]:
    """Return the newest p-values that count, oldest first."""
    tests = [json.loads(row.payload)["p_value"] for row in ledger.rows(session, placebo.KIND)]
    return tuple(p for p in tests if p is not None)[-N_PLACEBOS:]


def find_fault(session: Session, now: datetime) -> str:
    """Return the first row that is missing, overdue or not what was written, in words; empty when all is there."""
    broken = ledger.verify(session)
    if broken is not None:
        return f"the trial ledger is broken: {broken.reason}"
    written = {}
    for row in ledger.rows(session, aftermath.KIND):
        payload = json.loads(row.payload)
        written[payload["aftermath_id"]] = payload["sha256"]
    stored = {each.aftermath_id: sha256_of(each) for each in aftermaths.all_of(session)}
    for name in sorted(written.keys() | stored.keys()):
        if name not in stored:
            return f"{name} is on the ledger and its row is gone"
        if written.get(name) != stored[name]:
            return f"{name} is not the one on the ledger"
    n_overdue = sum(
        ceil_midnight(row.at) + timedelta(days=days) + OVERDUE_AFTER <= now
        and aftermath.aftermath_id(row.proposal_id or "", days) not in stored
        for row in ledger.rows(session, "preregistration")
        for days in HORIZONS_DAYS
    )
    return f"{n_overdue} aftermaths are overdue" if n_overdue else ""


def promise_of(value: Aftermath) -> Promise | None:
    """Return promised and realised d of one aftermath, or None where either cannot be told."""
    if value.promised_ir is None or value.daily_ir is None:
        return None
    return Promise(value.promised_ir, value.daily_ir, week_of(value.registered_at))


def week_of(at: datetime) -> int:
    """Return the number of the KST week (from Monday) that holds `at`; weeks in a row have numbers in a row."""
    return (kst_day(at).toordinal() - 1) // 7


def measure_honesty(facts: HonestyFacts) -> Honesty:
    """Return how well the promises are kept."""
    p_values = np.asarray(facts.placebo_p_values, dtype=np.float64)
    sound = bool(((p_values >= 0) & (p_values <= 1)).all())
    n = len(p_values)
    enough = sound and n >= MIN_N
    ks_p = float(stats.kstest(p_values, "uniform", alternative="greater").pvalue) if enough else None
    slope = _slope(facts.promises)
    return Honesty(
        fault=facts.fault or ("" if sound else "a placebo p-value is not a probability"),
        n_placebos=n,
        ks_p=ks_p,
        ks_reason="" if enough else f"{n} placebo tests are too few to tell; {MIN_N} are needed",
        slope=None if isinstance(slope, str) else slope,
        slope_reason=slope if isinstance(slope, str) else "",
    )


def promotions_stopped(honesty: Honesty) -> str:
    """Return why nothing may be promoted, or empty. What cannot be computed stops too; what is too few does not."""
    if honesty.fault:
        return honesty.fault
    if honesty.ks_p is not None and not honesty.ks_p >= KS_LIMIT:
        return f"placebos pass too easily: KS p = {honesty.ks_p:.4f} < {KS_LIMIT} over {honesty.n_placebos} tests"
    slope = honesty.slope
    if slope is None:
        return ""
    if not all(map(math.isfinite, (slope.value, slope.low, slope.high))):
        return "the slope of realised on promised d is not a number"
    if slope.high < 0:
        return f"what screens better turns out worse: slope {slope.value:.2f}, at most {slope.high:.2f}, n {slope.n}"
    return ""


def why_stopped(session: Session, now: datetime) -> str:
    """Return why nothing may be promoted by the present ledger, or empty. Writes nothing."""
    return promotions_stopped(measure_honesty(read_honesty_facts(session, now)))


def check_promotions(session: Session, now: datetime) -> str:
    """Return why nothing may be promoted, or empty; a reason that is new, or gone, becomes a ledger row."""
    reason = why_stopped(session, now)
    last = ledger.last(session, KIND)
    if reason != ("" if last is None else json.loads(last.payload)["reason"]):
        ledger.append(session, now, KIND, "", None, {"reason": reason})
    return reason


def _slope(promises: tuple[Promise, ...]) -> Estimate | str:
    if len(promises) < MIN_N:
        return f"{len(promises)} screened changes were followed, too few to tell; {MIN_N} are needed"
    columns = ([each.promised_ir for each in promises], [each.realised_ir for each in promises])
    promised, realised = (np.asarray(column, dtype=np.float64) for column in columns)
    weeks = np.asarray([each.week for each in promises], dtype=np.int64)
    return clustered_slope(promised, realised, weeks, lag_weeks(SLOPE_HORIZON_DAYS))
