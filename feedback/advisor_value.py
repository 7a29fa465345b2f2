"""The value of the advisor: what the account made with it less what it would have made without. Pure.

Without it each order would have gone ahead in full. With it, the share that was let through did; an answer that came
too late let nothing through. Trades of one day share its market, so days are the unit: the mean is that of daily sums,
with a 90 % interval over circular blocks of days (Politis, Romano 1992).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise

import numpy as np

from core.clock import KST, kst_day
from core.metrics import mean_interval
from core.model.advice import AdviceOutcome, AdviceRecord
from core.model.advisor import AdvisorValue, Answering, CalibrationBin, HourAnswering, StoppedOrder
from core.model.scorecard import Figure

MIN_DAYS = 10
"""Days with a settled answer below which there is no interval."""
MIN_BRIER = 30
N_BINS = 10
MAX_STOPPED = 10
_ZERO = Decimal(0)


def value_of_advisor(
    records: Sequence[AdviceRecord], outcomes: Mapping[str, AdviceOutcome], since_on: date, as_of: datetime
) -> AdvisorValue:
    """Return the figures of `records`; those without an outcome count as answers and for nothing else."""
    settled = [(record, outcomes[record.advice_id]) for record in records if record.advice_id in outcomes]
    whole = _by_day(settled, lambda record: 1.0)
    added = _by_day([(r, o) for r, o in settled if r.asked_llm], ruled_share)
    methods: dict[str, int] = {}
    for _, outcome in settled:
        methods[outcome.method] = methods.get(outcome.method, 0) + 1
    judged = [
        (record.p_good, outcome.full_usd > 0)
        for record, outcome in settled
        if record.p_good is not None and outcome.method != "unfilled"
    ]
    return AdvisorValue(
        as_of=as_of,
        since_on=since_on,
        n_answers=len(records),
        n_stopped=sum(share_let_through(record) == 0 for record in records),
        n_shrunk=sum(0 < share_let_through(record) < 1 for record in records),
        n_settled=len(settled),
        methods=dict(sorted(methods.items())),
        total_usd=sum(whole.values(), _ZERO),
        per_day=_mean_of_days(whole),
        llm_total_usd=sum(added.values(), _ZERO),
        llm_per_day=_mean_of_days(added),
        brier=_brier(judged),
        bins=_bins(judged),
        by_day=tuple(sorted(whole.items())),
        answering=_answering(records),
        stopped=_stopped(settled),
        by_hour=_by_hour(records),
    )


def share_let_through(record: AdviceRecord) -> float:
    """Return the share of the order that the engine sent on: none after a late answer, whatever it said."""
    return record.size_factor if record.approve and not record.is_late else 0.0


def ruled_share(record: AdviceRecord) -> float:
    """Return the share that the rules alone would have let through."""
    if record.rule_factor is not None:
        return record.rule_factor
    return record.size_factor if record.approve else 0.0


def _stopped(settled: Sequence[tuple[AdviceRecord, AdviceOutcome]]) -> tuple[StoppedOrder, ...]:
    """Return the largest stopped orders by their size alone: what came of them has no say in which are told."""
    found = [(r, o) for r, o in settled if r.size_class == "large" and share_let_through(r) == 0]
    found.sort(key=lambda pair: (-pair[0].notional_usd, pair[0].asked_at, pair[0].advice_id))
    return tuple(
        StoppedOrder(
            advice_id=record.advice_id,
            asked_at=record.asked_at,
            instance_id=record.instance_id,
            symbol=record.symbol,
            side=record.side,
            notional_usd=record.notional_usd,
            reason=record.reason,
            full_usd=outcome.full_usd,
            method=outcome.method,
            evidence=outcome.evidence,
        )
        for record, outcome in found[:MAX_STOPPED]
    )


def _by_day(
    settled: Sequence[tuple[AdviceRecord, AdviceOutcome]], without: Callable[[AdviceRecord], float]
) -> dict[date, Decimal]:
    """Return what the advisor added on each KST day, beside letting through the share that `without` tells."""
    sums: dict[date, Decimal] = {}
    for record, outcome in settled:
        more = Decimal(str(share_let_through(record))) - Decimal(str(without(record)))
        on = kst_day(record.asked_at)
        sums[on] = sums.get(on, _ZERO) + outcome.full_usd * more
    return sums


def _mean_of_days(by_day: Mapping[date, Decimal]) -> Figure:
    n = len(by_day)
    if n < MIN_DAYS:
        return Figure(None, None, None, n, "too_few_days", n, MIN_DAYS)
    values = np.array([float(by_day[on]) for on in sorted(by_day)])
    low, high = mean_interval(values, seed=n)
    return Figure(float(values.mean()), low, high, n)


def _brier(judged: Sequence[tuple[float, bool]]) -> Figure:
    n = len(judged)
    if n < MIN_BRIER:
        return Figure(None, None, None, n, "too_few_answers", n, MIN_BRIER)
    distances = np.array([(p - was_good) ** 2 for p, was_good in judged])
    low, high = mean_interval(distances, seed=n)
    return Figure(float(distances.mean()), low, high, n)


def _bins(judged: Sequence[tuple[float, bool]]) -> tuple[CalibrationBin, ...]:
    edges = [n / N_BINS for n in range(N_BINS + 1)]
    found = []
    for low, high in pairwise(edges):
        inside = [(p, good) for p, good in judged if low <= p < high or (high == 1 and p == 1)]
        n = len(inside)
        mean_p = sum(p for p, _ in inside) / n if n else None
        found.append(CalibrationBin(low, n, mean_p, sum(good for _, good in inside) / n if n else None))
    return tuple(found)


def _answering(records: Sequence[AdviceRecord]) -> Answering:
    asked = [record for record in records if record.asked_llm]
    answered = [record for record in asked if record.p_yes is not None]
    failures: dict[str, int] = {}
    for record in asked:
        if record.failure is not None:
            failures[record.failure] = failures.get(record.failure, 0) + 1
    timed = sorted(record.latency_ms for record in asked if record.latency_ms is not None)
    quick = sorted(record.latency_ms for record in answered if record.latency_ms is not None)
    return Answering(
        n_asked=len(asked),
        n_answered=len(answered),
        n_late=sum(record.is_late for record in asked),
        failures=dict(sorted(failures.items())),
        p50_ms=_quantile(timed, 0.5),
        p95_ms=_quantile(timed, 0.95),
        p99_ms=_quantile(timed, 0.99),
        answered_p50_ms=_quantile(quick, 0.5),
    )


def _by_hour(records: Sequence[AdviceRecord]) -> tuple[HourAnswering, ...]:
    hours: dict[int, list[AdviceRecord]] = {}
    for record in records:
        if record.asked_llm:
            hours.setdefault(record.asked_at.astimezone(KST).hour, []).append(record)
    return tuple(_of_hour(hour, hours[hour]) for hour in sorted(hours))


def _of_hour(hour: int, asked: Sequence[AdviceRecord]) -> HourAnswering:
    answered = [record for record in asked if record.p_yes is not None]
    quick = sorted(record.latency_ms for record in answered if record.latency_ms is not None)
    return HourAnswering(
        hour_kst=hour,
        n_asked=len(asked),
        n_answered=len(answered),
        answer_rate=len(answered) / len(asked),
        p50_ms=_quantile(quick, 0.5),
        p99_ms=_quantile(quick, 0.99),
    )


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return the smallest value that `share` of them do not exceed."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None
