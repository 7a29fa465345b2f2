"""Lessons: what weeks of trades taught, written by settled numbers alone and told to a proposer for a while.

A lesson is a pattern rule that was confirmed on days after those it was found on (`feedback.patterns`). It says where
it comes from and when it ends, and it is told no more once it failed to predict twice. Nobody writes one: not a model,
not a note, not a person.
"""

from collections.abc import Iterable
from datetime import date, timedelta

from core.model.analysis import PatternRule
from core.model.dataset import Lesson

MAX_LESSONS = 8
EXPIRES_AFTER = timedelta(days=28)
"""From the last day that a rule was found again or held."""
MAX_MISSES = 2
"""So many weeks after its confirmation that leaned the other way retire a lesson, whatever its evidence was."""


def lessons_of(rules: Iterable[PatternRule], on: date) -> tuple[Lesson, ...]:
    """Return what may be told on a KST day, most weeks held first: at most eight."""
    told = [
        Lesson(
            lesson_id=rule.pattern_id,
            dimension=rule.dimension,
            bucket=rule.bucket,
            direction=rule.direction,
            n=rule.n,
            mean_bps=rule.mean_bps,
            hits=rule.hits,
            misses=rule.misses - rule.misses_before,
            learned_on=rule.since_on or rule.last_seen_on,
            expires_on=rule.last_seen_on + EXPIRES_AFTER,
        )
        for rule in rules
        if rule.state == "confirmed" and rule.misses - rule.misses_before < MAX_MISSES
    ]
    alive = [lesson for lesson in told if lesson.learned_on <= on <= lesson.expires_on]
    return tuple(sorted(alive, key=lambda one: (-one.hits, one.misses, one.lesson_id))[:MAX_LESSONS])
