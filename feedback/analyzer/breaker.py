"""The breaker of batch calls: a call far dearer than its like stops the next ones, before a fault becomes a bill."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median

from core.model.analysis import LlmCall, Task

BATCH: frozenset[Task] = frozenset(("daily_analysis", "adjustments", "patterns", "programs", "news"))
"""Tasks that can wait; a person's `llm check` and what decides at once are no batch."""
N_LOOKED_AT = 50
"""Paid calls of a task that a new one is compared with."""
MIN_CALLS = 10
"""Fewer earlier ones have no median to speak of."""
OPEN_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Spike:
    """A call that opened the breaker."""

    call_id: str
    cost_usd: Decimal
    median_usd: Decimal
    until: datetime


def find_spike(paid: Sequence[LlmCall], now: datetime, multiple: float) -> Spike | None:
    """Return the newest call of the last 24 hours that cost more than `multiple` times the median before it, or None.

    `paid` are the calls of one task, newest first. Those that told no tokens count at what was reserved for them, which
    is the most they could cost and no measured price: they are passed over.
    """
    paid = [call for call in paid if call.input_tokens or call.output_tokens]
    for n, call in enumerate(paid):
        if now - call.started_at >= OPEN_FOR:
            return None
        before = [each.cost_usd for each in paid[n + 1 :]]
        if len(before) < MIN_CALLS:
            return None
        usual = median(before)
        if call.cost_usd > Decimal(str(multiple)) * usual:
            return Spike(call.call_id, call.cost_usd, usual, call.started_at + OPEN_FOR)
    return None
