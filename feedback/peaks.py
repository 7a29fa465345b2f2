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
    """The highest profit in USD over all marks up to `through_at`, and the capital at the newest of them."""

    through_at: datetime
    profit_usd: Decimal
    capital_usd: Decimal

    @property
    def usd(self) -> Decimal:
        """The highest equity, had the capital always been what it is now: capital that was moved is no loss."""
        return self.capital_usd + self.profit_usd


def peak_of(session: Session, instance_ids: Sequence[str]) -> Peak | None:
    """Return the highest sum of profits over the instances at times when all were marked, or None without one."""
    kept = setting_facts.get(session, _name(instance_ids), Peak)
    marks = equity.marks_after(session, instance_ids, None if kept is None else kept.through_at)
    peak = kept
    for at, group in groupby(marks, key=lambda mark: mark.at):
        together = list(group)
        if len(together) == len(instance_ids):
            capital_usd = sum((mark.capital_usd for mark in together), Decimal(0))
            profit_usd = sum((mark.equity_usd for mark in together), Decimal(0)) - capital_usd
            highest_usd = profit_usd if peak is None else max(peak.profit_usd, profit_usd)
            peak = Peak(at, highest_usd, capital_usd)
    return peak


def keep_peak(session: Session, instance_ids: Sequence[str]) -> Peak | None:
    """Return the peak as `peak_of` does, and keep it for the next look."""
    peak = peak_of(session, instance_ids)
    if peak is not None:
        setting_facts.put(session, _name(instance_ids), peak, peak.through_at)
    return peak


def _name(instance_ids: Sequence[str]) -> str:
    return short_id("profit_peak", *sorted(instance_ids))
