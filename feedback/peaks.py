"""The highest equity so far. Each look reads only the marks since the last kept one: a long history costs nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from core.model.canonical import short_id
from core.store import Session, equity, setting_facts


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest equity in USD over all marks up to `through_at`."""

    through_at: datetime
    usd: Decimal


def peak_of(session: Session, instance_ids: Sequence[str]) -> Peak | None:
    """Return the highest sum of equity over the instances at times when all were marked, or None without one."""
    kept = setting_facts.get(session, _name(instance_ids), Peak)
    marks = equity.amounts_after(session, instance_ids, None if kept is None else kept.through_at)
    peak = kept
    for at, group in groupby(marks, key=lambda mark: mark[0]):
        amounts = [amount_usd for _, amount_usd in group]
        if len(amounts) == len(instance_ids):
            total_usd = sum(amounts, Decimal(0))
            peak = Peak(at, total_usd if peak is None else max(peak.usd, total_usd))
    return peak


def keep_peak(session: Session, instance_ids: Sequence[str]) -> Peak | None:
    """Return the peak as `peak_of` does, and keep it for the next look."""
    peak = peak_of(session, instance_ids)
    if peak is not None:
        setting_facts.put(session, _name(instance_ids), peak, peak.through_at)
    return peak


def _name(instance_ids: Sequence[str]) -> str:
    return short_id("equity_peak", *sorted(instance_ids))
