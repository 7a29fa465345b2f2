"""What candidate and incumbent of a canary made on a KST day, from the marks of their slots.

Results are as if a slot had the instance's whole capital: its change of equity over its share. A day counts only where
the marks prove that both slots ran the parameters they should, on the share they should, from its start to its end.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from core.clock import kst_day_bounds
from core.model.canary import Canary, CanaryDay, DayFault
from core.model.trade import EquityPoint
from core.store import Session, advice, deployments, equity, param_versions, signals
from feedback.day import HELD_BACK
from feedback.results import equity_change_usd
from strategies.rollout.capital import SAME_SHARE, Role, id_of

MARKED_EVERY = timedelta(hours=1)
"""The engine marks every instance at round hours."""
SETTLED_WITHIN = timedelta(minutes=15)
"""What the daily cycle changes is in force so soon after midnight; the day counts as of the new place."""
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Side:
    """A slot, and what it should run."""

    slot: str
    sha256: str
    share: float


@dataclass(frozen=True, slots=True)
class SideDay:
    """What a slot made in USD at the whole capital, None where that is not known, and why it does not count."""

    made_usd: float | None
    fault: DayFault


def measure_day(session: Session, canary: Canary, on: date, capital_usd: Decimal) -> CanaryDay:
    """Return the day of a canary in its present place; `capital_usd` is the instance's whole capital."""
    candidate, incumbent = (_whole_day(session, side, on, capital_usd) for side in sides_of(canary))
    return CanaryDay(
        canary_id=canary.canary_id,
        on=on,
        stage=canary.stage,
        step=canary.step,
        share=canary.share,
        candidate_usd=candidate.made_usd,
        incumbent_usd=incumbent.made_usd,
        fault=candidate.fault or incumbent.fault,
        residual_usd=_residual(session, canary, on, capital_usd, incumbent),
    )


def running_difference(session: Session, canary: Canary, on: date, now: datetime, capital_usd: Decimal) -> float | None:
    """Return d of a day that has not ended, in USD at the whole capital, up to the newest marks; None if unknown."""
    start_at = kst_day_bounds(on)[0]
    candidate, incumbent = (_made(session, side, start_at, now, capital_usd) for side in sides_of(canary))
    if candidate.made_usd is None or incumbent.made_usd is None:
        return None
    return canary.promise.scale * candidate.made_usd - incumbent.made_usd


def sides_of(canary: Canary) -> tuple[Side, Side]:
    """Return where candidate and incumbent run now."""
    roles: dict[str, tuple[Role, float]] = {"shadow": ("shadow", 1.0), "canary": ("canary", canary.share)}
    role, share = roles.get(canary.stage, ("live", 1.0))
    return (
        Side(id_of(canary.instance_id, role), canary.candidate_sha256, share),
        Side(id_of(canary.instance_id, "incumbent"), canary.incumbent_sha256, 1.0),
    )


def in_force_since(session: Session, side: Side) -> datetime | None:
    """Return since when the engine runs what a slot should run; None from the first start on, or when it does not."""
    newest = [each for each in deployments.of_instance(session, side.slot) if each.state == "active"]
    return newest[-1].acked_at if newest else None


def _whole_day(session: Session, side: Side, on: date, capital_usd: Decimal) -> SideDay:
    start_at, end_at = kst_day_bounds(on)
    found = _made(session, side, start_at, end_at, capital_usd)
    if found.fault:
        return found
    times = [start_at, *(mark.at for mark in _marks(session, side.slot, start_at, end_at)), end_at]
    widest = max(later - earlier for earlier, later in zip(times[:-1], times[1:], strict=True))
    return SideDay(found.made_usd, "gap") if widest > MARKED_EVERY else found


def _made(session: Session, side: Side, start_at: datetime, end_at: datetime, capital_usd: Decimal) -> SideDay:
    """Return what a slot made between two times, where all its marks show what it should run."""
    before = equity.at_or_before(session, side.slot, start_at)
    marks = _marks(session, side.slot, start_at, end_at)
    if before is None or before.at < start_at - MARKED_EVERY or not marks:
        return SideDay(None, "not_marked")
    is_share = (abs(float(mark.capital_usd / capital_usd) - side.share) <= SAME_SHARE for mark in marks)
    versions = {mark.params_version for mark in marks}
    if len(versions) > 1 or not all(is_share) or not _was_in_force(session, side, versions.pop(), start_at):
        return SideDay(None, "not_in_force")
    return SideDay(float(equity_change_usd(before, marks[-1])) / side.share, "")


def _was_in_force(session: Session, side: Side, version: int, start_at: datetime) -> bool:
    """Return whether a version has the right parameters and was taken by the engine before the day had begun."""
    stored = {each.version: each for each in param_versions.history(session, side.slot)}
    sent = [each for each in deployments.of_instance(session, side.slot) if each.version == version]
    is_early = all(each.acked_at is not None and each.acked_at <= start_at + SETTLED_WITHIN for each in sent)
    return version in stored and stored[version].sha256 == side.sha256 and is_early


def _residual(session: Session, canary: Canary, on: date, capital_usd: Decimal, twin: SideDay) -> float | None:
    """Return what the live instance made beyond its twin of the same parameters, where both ran and no advice spoke."""
    if canary.stage not in ("shadow", "canary") or twin.made_usd is None or twin.fault:
        return None
    live = _whole_day(session, Side(canary.instance_id, canary.incumbent_sha256, 1.0 - canary.share), on, capital_usd)
    is_known = live.made_usd is not None and not live.fault and not _is_held_back(session, canary.instance_id, on)
    return live.made_usd - twin.made_usd if is_known and live.made_usd is not None else None


def _is_held_back(session: Session, instance_id: str, on: date) -> bool:
    """Return whether advice stopped or shrank a trade of the day, which no twin is asked for."""
    span = kst_day_bounds(on)
    stopped = any(
        one.instance_id == instance_id and one.outcome in HELD_BACK for one in signals.between(session, *span)
    )
    given = (one for one in advice.between(session, *span) if one.instance_id == instance_id)
    return stopped or any(one.approve and one.size_factor < 1 for one in given)


def _marks(session: Session, slot: str, start_at: datetime, end_at: datetime) -> list[EquityPoint]:
    """Return the marks later than the start, up to and at the end."""
    return equity.between(session, start_at + _INSTANT, end_at + _INSTANT, slot)
