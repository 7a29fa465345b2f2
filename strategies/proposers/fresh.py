"""The fresh re-test: the best of many looks better than it is, so a search's finds are judged again on later days.

Those days lie after the searched ones, with an embargo between; they are seen, not sealed, and no search used them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from strategies.gate.paired import MIN_DAYS
from strategies.proposers.protocol import Judge, Score, Trial

N_RETESTED = 5


@dataclass(frozen=True, slots=True)
class SeenParts:
    """How a window of seen days divides, oldest first."""

    search_start_at: datetime
    search_end_at: datetime
    fresh_start_at: datetime
    """The embargo lies before it."""
    fresh_end_at: datetime


@dataclass(frozen=True, slots=True)
class Retest:
    """One find with both of its scores."""

    trial: Trial
    fresh: Score

    @property
    def passed(self) -> bool:
        """Whether it gains on the fresh days too. What cannot be compared there has not passed."""
        return self.fresh.value is not None and self.fresh.value > 0


def split_seen(start_at: datetime, end_at: datetime, fresh_days: int, embargo_days: int) -> SeenParts | str:
    """Return the parts of a window of seen days, or the reason why there can be none."""
    n_days = (end_at - start_at).days
    n_search = n_days - fresh_days - embargo_days
    if fresh_days < MIN_DAYS:
        return f"{fresh_days} fresh days are too few to tell; {MIN_DAYS} are needed"
    if n_search < MIN_DAYS:
        return f"{n_days} seen days leave {max(n_search, 0)} to search; {MIN_DAYS} are needed"
    fresh_start_at = end_at - timedelta(days=fresh_days)
    return SeenParts(start_at, fresh_start_at - timedelta(days=embargo_days), fresh_start_at, end_at)


def retest(finds: Sequence[Trial], judge: Judge) -> tuple[Retest, ...]:
    """Return the finds with their fresh scores, best fresh score first; what has none comes last.

    `judge` is built on the fresh part of the window. The searched score plays no part in the order.
    """
    if not finds:
        return ()
    scores = judge([trial.params for trial in finds], [trial.rules for trial in finds])
    tested = [Retest(trial, score) for trial, score in zip(finds, scores, strict=True)]
    return tuple(sorted(tested, key=lambda each: (each.fresh.value is None, -(each.fresh.value or 0.0))))
