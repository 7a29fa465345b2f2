"""What the language model cost and what came of it: sums over the ledger of calls, in USD."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal

from core.clock import KST, kst_day, kst_day_bounds
from core.model.analysis import Analysis, LlmCall
from core.model.proposal import Proposal, arm_of
from core.settings_sections import AnalyzerSettings
from core.store import Session, analyses, llm_calls, proposals

PERIOD_DAYS = 30
MIN_FORECAST_DAYS = 3
"""Days of the month that must have passed before it is extrapolated."""
REFUSED = frozenset(("over_budget", "breaker_open"))
"""States of calls that were not made."""
ACCEPTED = frozenset(("accepted", "deployed", "rolled_back"))
"""Proposals that passed the sealed test, whatever became of them afterwards."""


@dataclass(frozen=True, slots=True)
class CostRow:
    """The calls of one day, task or model. Tokens as the server counted them."""

    name: str
    n_calls: int
    n_failed: int
    """Made and without a usable answer,"""
    n_refused: int
    """and those not made, for want of budget."""
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class Costs:
    """The last 30 KST days, and the running month and day beside their caps. Reservations count as spent."""

    as_of: datetime
    month_usd: Decimal
    month_cap_usd: Decimal
    day_usd: Decimal
    day_cap_usd: Decimal
    forecast_usd: Decimal | None
    """Of the whole month at the pace so far, at most the cap; None in its first days."""
    total: CostRow
    by_day: tuple[CostRow, ...]
    """Newest first, days with calls only."""
    by_task: tuple[CostRow, ...]
    by_model: tuple[CostRow, ...]
    n_proposals: int
    """Made by a language model,"""
    n_accepted: int
    """and those of them that passed the sealed test."""
    per_accepted_usd: Decimal | None
    """None while none was accepted."""
    n_numbers: int
    n_unverified: int
    fabricated_per_100: float | None
    """Numbers that no fact supports, of a hundred that a model wrote; None without any."""


def load_costs(session: Session, now: datetime, settings: AnalyzerSettings) -> Costs:
    """Return the costs of the store as of `now`."""
    start_at = kst_day_bounds(kst_day(now) - timedelta(days=PERIOD_DAYS - 1))[0]
    calls = llm_calls.between(session, start_at, now + timedelta(microseconds=1))
    month_start, month_end = month_bounds(now)
    studies = [each for each in analyses.latest(session, limit=1_000) if each.created_at >= start_at]
    return build_costs(
        now,
        settings,
        calls,
        llm_calls.spent_between(session, month_start, month_end),
        llm_calls.spent_between(session, *kst_day_bounds(kst_day(now))),
        proposals.since(session, start_at),
        studies,
    )


def build_costs(
    now: datetime,
    settings: AnalyzerSettings,
    calls: Sequence[LlmCall],
    month_usd: Decimal,
    day_usd: Decimal,
    made: Iterable[Proposal],
    studies: Iterable[Analysis],
) -> Costs:
    """Return the costs of loaded rows; `calls`, `made` and `studies` are those of the last 30 days."""
    by_model = [one for one in made if arm_of(one.source) == "llm"]
    n_accepted = sum(one.state in ACCEPTED for one in by_model)
    texts = [study for study in studies if study.source.startswith("llm:")]
    n_numbers, n_unverified = sum(t.n_numbers for t in texts), sum(t.n_unverified for t in texts)
    total = _row("", calls)
    return Costs(
        as_of=now,
        month_usd=month_usd,
        month_cap_usd=settings.monthly_cap_usd,
        day_usd=day_usd,
        day_cap_usd=settings.daily_cap_usd,
        forecast_usd=_forecast(now, month_usd, settings.monthly_cap_usd),
        total=total,
        by_day=tuple(reversed(_rows(calls, lambda call: kst_day(call.started_at).isoformat()))),
        by_task=_rows(calls, lambda call: call.task),
        by_model=_rows(calls, lambda call: call.resolved_model or call.model),
        n_proposals=len(by_model),
        n_accepted=n_accepted,
        per_accepted_usd=total.cost_usd / n_accepted if n_accepted else None,
        n_numbers=n_numbers,
        n_unverified=n_unverified,
        fabricated_per_100=100 * n_unverified / n_numbers if n_numbers else None,
    )


def month_bounds(at: datetime) -> tuple[datetime, datetime]:
    """Return the first moment of the KST month of `at` and that of the next one."""
    first = at.astimezone(KST).date().replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return datetime.combine(first, time(0), KST), datetime.combine(following, time(0), KST)


def _forecast(now: datetime, month_usd: Decimal, cap_usd: Decimal) -> Decimal | None:
    start_at, end_at = month_bounds(now)
    passed = (now - start_at) / timedelta(days=1)
    if passed < MIN_FORECAST_DAYS:
        return None
    whole = month_usd * Decimal((end_at - start_at) / timedelta(days=1)) / Decimal(passed)
    # The ledger refuses what would pass the cap, so the month cannot cost more.
    return min(max(whole, month_usd), max(cap_usd, month_usd)).quantize(Decimal("0.0001"))


def _rows(calls: Sequence[LlmCall], name_of: Callable[[LlmCall], str]) -> tuple[CostRow, ...]:
    groups: dict[str, list[LlmCall]] = {}
    for call in calls:
        groups.setdefault(name_of(call), []).append(call)
    return tuple(_row(name, group) for name, group in sorted(groups.items()))


def _row(name: str, calls: Sequence[LlmCall]) -> CostRow:
    made = [call for call in calls if call.status not in REFUSED]
    spent = (call.reserved_usd if call.status == "reserved" else call.cost_usd for call in made)
    return CostRow(
        name=name,
        n_calls=len(made),
        n_failed=sum(call.status not in ("ok", "reserved") for call in made),
        n_refused=len(calls) - len(made),
        input_tokens=sum(call.input_tokens for call in made),
        cached_tokens=sum(call.cached_tokens for call in made),
        output_tokens=sum(call.output_tokens for call in made),
        cost_usd=sum(spent, Decimal(0)),
    )
