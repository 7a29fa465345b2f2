"""Whether stated confidence means anything: Brier score and reliability by tenths, for every arm that states one.

The event is the sign of the aftermath: the proposal beat what it would have replaced. Every registered proposal with a
sign counts, whatever became of it. Brier (1950): the mean of (confidence - event)^2; one half scores 0.25.
"""

from collections.abc import Iterable, Mapping, Sequence

from core.metrics import share_interval
from core.model.aftermath import HORIZONS_DAYS, Aftermath
from core.model.proposal import arm_of
from core.model.scorecard import ConfidenceBin, ConfidenceScore

MIN_CASES = 30
"""Fewer tell nothing about a probability."""
N_BINS = 10


def score_confidence(followed: Sequence[Aftermath], confidence: Mapping[str, float]) -> tuple[ConfidenceScore, ...]:
    """Return one score for each horizon and arm with a sign; `confidence` is by proposal. Placebos state none."""
    found = []
    for days in HORIZONS_DAYS:
        signed = [
            (arm_of(each.source), confidence[each.proposal_id], each.is_better)
            for each in followed
            if each.horizon_days == days and each.is_better is not None and each.proposal_id in confidence
        ]
        for arm in sorted({arm for arm, _, _ in signed} - {"placebo"}):
            found.append(_score(arm, days, [(p, bool(hit)) for of, p, hit in signed if of == arm]))
    return tuple(found)


def _score(arm: str, days: int, cases: Sequence[tuple[float, bool]]) -> ConfidenceScore:
    if len(cases) < MIN_CASES:
        return ConfidenceScore(arm, days, len(cases), MIN_CASES, None, None, ())
    brier = sum((p - hit) ** 2 for p, hit in cases) / len(cases)
    share = sum(hit for _, hit in cases) / len(cases)
    return ConfidenceScore(arm, days, len(cases), MIN_CASES, brier, share * (1 - share), tuple(_bins(cases)))


def _bins(cases: Sequence[tuple[float, bool]]) -> Iterable[ConfidenceBin]:
    for n in range(N_BINS):
        inside = [case for case in cases if min(int(case[0] * N_BINS), N_BINS - 1) == n]
        n_hits = sum(hit for _, hit in inside)
        interval = share_interval(n_hits, len(inside))
        if interval is not None:
            mean = sum(p for p, _ in inside) / len(inside)
            yield ConfidenceBin(n / N_BINS, len(inside), mean, n_hits / len(inside), *interval)
