"""The advisor's figures as reports, pages, API and command line show them."""

from datetime import datetime, timedelta

from core.clock import kst_day
from core.model.advisor import AdvisorValue
from core.store import Session, advice
from feedback.advisor_value import value_of_advisor

DAYS = 30
AHEAD = timedelta(days=2)
"""Further ahead of the clock is no order of this run."""


def load_recent_value(session: Session, now: datetime, n_days: int = DAYS) -> AdvisorValue:
    """Return the figures of the last days before `now`, or before what was asked last where that lies ahead of it.

    On a virtual clock the engine is ahead by what it was granted.
    """
    newest = advice.latest(session, 1)
    ahead = newest[0].asked_at + timedelta(microseconds=1) if newest else now
    return load_value(session, min(max(now, ahead), now + AHEAD), n_days)


def load_value(session: Session, until: datetime, n_days: int = DAYS) -> AdvisorValue:
    """Return the figures of the answers of the last days before `until`."""
    since = until - timedelta(days=n_days)
    records = advice.between(session, since, until)
    outcomes = advice.outcomes_between(session, since, until)
    return value_of_advisor(records, outcomes, kst_day(since), until)
